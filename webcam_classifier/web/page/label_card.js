// One label as a card: its key, name, count, newest snapshots, and the button that records.

import { make, reconcile, setText } from "./elements.js";
import { holdButton } from "./hold_button.js";
import { showPicture } from "./thumbnail.js";
import { number, texts } from "./texts.js";
import { asSentence, colourOf } from "./words.js";

/** @typedef {import("./types.js").Label} Label */

const THUMBNAIL = 160; // pixels of the longer side: sharp on screens with two pixels a point

/**
 * The callbacks of a card.
 *
 * @typedef {object} CardActions
 * @property {(label: string, holder: string) => void} onHold
 * @property {(holder: string) => void} onRelease
 * @property {(label: string) => void} onEdit
 */

export class LabelCard {
  element;

  #name;
  /** @type {Map<string, HTMLImageElement>} */
  #pictures = new Map();
  #key = make("span", { class: "key", "aria-hidden": "true" });
  #count = make("span", { "data-testid": "label-count" });
  #countWords = make("span", { class: "visually-hidden" });
  #strip = make("div", { class: "strip", "data-testid": "label-strip" });
  #nothing = make("p", { class: "hint" }, texts.card.none);
  #warning = make("p", { class: "card-warning", "data-testid": "label-warning" });
  #recordKey = make("span", { class: "record-key" });
  #recordWords = make("span");
  #record;
  #edit;

  /**
   * @param {string} name
   * @param {CardActions} actions
   */
  constructor(name, actions) {
    this.#name = name;
    const hidden = make("span", { class: "visually-hidden" }, ` ${name}`);
    this.#record = make(
      "button",
      {
        type: "button",
        class: "record",
        "data-testid": "record",
        "data-label": name,
        "aria-pressed": "false",
      },
      make("span", { class: "record-dot", "aria-hidden": "true" }),
      make("span", {}, this.#recordWords, hidden),
      this.#recordKey,
    );
    this.#edit = make(
      "button",
      { type: "button", "data-testid": "edit-label" },
      make("span", {}, texts.card.edit, hidden.cloneNode(true)),
    );
    holdButton(
      this.#record,
      () => actions.onHold(name, `button ${name}`),
      () => actions.onRelease(`button ${name}`),
    );
    this.#edit.addEventListener("click", () => actions.onEdit(name));
    this.element = this.#lay(name);
  }

  /** Put the keyboard onto the button that records. */
  focus() {
    this.#record.focus();
  }

  /**
   * @param {Label} label
   * @param {number} place of the label, from 0
   * @param {{recording: boolean, mayTeach: boolean}} now
   */
  update(label, place, now) {
    this.element.dataset.colour = colourOf(place);
    this.element.classList.toggle("recording", now.recording);
    setText(this.#key, String(place + 1));
    setText(this.#count, number(label.count));
    setText(this.#countWords, ` ${texts.card.snapshotsAfter(label.count)}`);
    setText(this.#warning, asSentence(label.warning ?? ""));
    this.#warning.hidden = label.warning === null;
    setText(this.#recordWords, now.recording ? texts.card.recording : texts.card.hold);
    setText(this.#recordKey, label.key === null ? "" : texts.card.orHold(label.key));
    this.#record.setAttribute("aria-pressed", String(now.recording));
    this.#record.disabled = !now.mayTeach;
    this.#edit.disabled = !now.mayTeach;
    this.#showNewest(label);
  }

  /** @param {Label} label */
  #showNewest(label) {
    this.#nothing.hidden = label.newest.length > 0;
    this.#strip.classList.toggle(
      "full",
      label.count > label.newest.length || label.newest.length > 5,
    );
    const pictures = /** @type {HTMLElement} */ (this.#strip.lastElementChild);
    reconcile(pictures, this.#pictures, label.newest, (file) => {
      const picture = make("img", { alt: "", decoding: "async", "data-file": file });
      showPicture(picture, this.#name, file, THUMBNAIL);
      return picture;
    });
    this.#strip.setAttribute("title", label.count > 0 ? texts.card.snapshots(label.count) : "");
  }

  /** @param {string} name */
  #lay(name) {
    const title = make("h3", { "data-testid": "label-name", dir: "auto" }, name);
    const count = make("span", { class: "count" }, this.#count, this.#countWords);
    this.#strip.append(this.#nothing, make("div", { class: "strip-pictures" }));
    return make(
      "li",
      { class: "card", "data-testid": "label-card", "data-label": name },
      make("div", { class: "card-head" }, this.#key, title, count),
      this.#strip,
      this.#warning,
      make("div", { class: "card-actions" }, this.#record, this.#edit),
      make("p", { class: "drop-words" }, texts.card.drop(name)),
    );
  }
}
