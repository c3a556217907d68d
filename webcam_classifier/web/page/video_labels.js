// The labels beside a video: a button for each, to be held, and a form that adds one.

import { make, reconcile, setText } from "./elements.js";
import { holdButton } from "./hold_button.js";
import { addTypedLabel } from "./new_label.js";
import { texts } from "./texts.js";
import { colourOf } from "./words.js";

/** @typedef {import("./studio.js").Studio} Studio */
/** @typedef {import("./types.js").Label} Label */

export class VideoLabels {
  /** All that is to be seen of them, one below the other. */
  elements;

  #studio;
  #onHold;
  #onRelease;
  #onAdded;
  #list = make("ul", { class: "video-labels", "aria-labelledby": "video-labels-title" });
  #none = make("p", { class: "hint" }, texts.video.noLabels);
  #name = make("input", {
    id: "video-new-label",
    type: "text",
    maxlength: "120",
    placeholder: texts.gather.newLabel,
    enterkeyhint: "done",
    autocapitalize: "off",
    spellcheck: "false",
    required: "",
    "data-testid": "video-new-label",
  });
  #add = make("button", { type: "submit", "data-testid": "video-add-label" }, texts.gather.addLabel);
  /** @type {Map<string, HTMLLIElement>} */
  #items = new Map();
  #added = ""; // a label that was added here, until its button is there

  /**
   * @param {Studio} studio
   * @param {object} listeners
   * @param {(label: string, holder: string) => void} listeners.onHold
   * @param {(holder: string) => void} listeners.onRelease
   * @param {() => void} listeners.onAdded a label was added
   */
  constructor(studio, { onHold, onRelease, onAdded }) {
    this.#studio = studio;
    this.#onHold = onHold;
    this.#onRelease = onRelease;
    this.#onAdded = onAdded;
    const form = make(
      "form",
      { class: "new-label", autocomplete: "off" },
      make("label", { class: "visually-hidden", for: "video-new-label" }, texts.gather.newLabelName),
      this.#name,
      this.#add,
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#addLabel();
    });
    this.elements = [
      make("h3", { id: "video-labels-title" }, texts.card.hold),
      this.#none,
      this.#list,
      form,
    ];
  }

  /**
   * @param {Label[]} labels
   * @param {string | undefined} held the label that is held
   * @param {boolean} isReady whether the video can be played
   */
  update(labels, held, isReady) {
    this.#none.hidden = labels.length > 0;
    const names = labels.map((label) => label.name);
    reconcile(this.#list, this.#items, names, (name) => this.#item(name));
    labels.forEach((label, place) => {
      const item = /** @type {HTMLLIElement} */ (this.#items.get(label.name));
      item.dataset.colour = colourOf(place);
      const button = /** @type {HTMLButtonElement} */ (item.querySelector("button"));
      button.disabled = !isReady || !this.#studio.mayTeach;
      button.setAttribute("aria-pressed", String(held === label.name));
      setText(/** @type {Node} */ (button.querySelector(".record-key")), label.key ? texts.video.orKey(label.key) : "");
    });
    this.#name.disabled = this.#add.disabled = !this.#studio.mayTeach;
    const added = this.#items.get(this.#added)?.querySelector("button");
    if (added) {
      this.#added = "";
      added.focus();
    }
  }

  /** @param {string} name */
  #item(name) {
    const button = make(
      "button",
      { type: "button", class: "record", "data-testid": "video-record", "data-label": name, "aria-pressed": "false" },
      make("span", { class: "record-dot", "aria-hidden": "true" }),
      make("span", { class: "visually-hidden" }, `${texts.video.hold} `),
      make("span", { class: "record-name", dir: "auto" }, name),
      make("span", { class: "record-key" }),
    );
    const holder = `button ${name}`;
    holdButton(
      button,
      () => this.#onHold(name, holder),
      () => this.#onRelease(holder),
    );
    return make("li", {}, button);
  }

  async #addLabel() {
    const added = await addTypedLabel(this.#studio, this.#name);
    if (!added) return;
    this.#added = added;
    this.#onAdded();
  }
}
