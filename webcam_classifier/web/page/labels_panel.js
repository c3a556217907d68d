// The left column: the labels, the form that adds one, undo, and warnings about all of them.

import { find, make, reconcile, setText } from "./elements.js";
import { LabelCard } from "./label_card.js";
import { LabelDialog } from "./label_dialog.js";
import { addTypedLabel } from "./new_label.js";
import { alertError, notice } from "./notices.js";
import { texts } from "./texts.js";

/** @typedef {import("./studio.js").Studio} Studio */
/** @typedef {import("./recording.js").Recording} Recording */
/** @typedef {import("./types.js").State} State */

export class LabelsPanel {
  #studio;
  #recording;
  #dialog;
  #list = find("label-list", HTMLOListElement);
  #name = find("new-label-name", HTMLInputElement);
  #add = /** @type {HTMLButtonElement} */ (
    find("new-label", HTMLFormElement).querySelector("button")
  );
  #undo = find("undo", HTMLButtonElement);
  #warnings = find("warnings", HTMLUListElement);
  /** @type {Map<string, HTMLElement>} */
  #elements = new Map();
  /** @type {Map<string, LabelCard>} */
  #cards = new Map();
  #added = ""; // a label that this page added, until its card is there

  /**
   * @param {Studio} studio
   * @param {Recording} recording
   * @param {(label: string | null, files: File[]) => void} onFiles that were chosen for a label
   */
  constructor(studio, recording, onFiles) {
    this.#studio = studio;
    this.#recording = recording;
    this.#dialog = new LabelDialog(studio, () => this.focusNewLabel(), onFiles);
    find("new-label", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#addLabel();
    });
    this.#undo.addEventListener("click", () => void this.undo());
  }

  /** Focus the field for a new label. */
  focusNewLabel() {
    this.#name.focus();
  }

  async undo() {
    if (this.#undo.disabled) return;
    try {
      const { undone } = await this.#studio.undo();
      if (undone) notice(texts.gather.undone(undone.count, undone.label));
    } catch (error) {
      alertError(error);
    }
  }

  /** @param {State} state */
  update(state) {
    const mayTeach = this.#studio.mayTeach;
    find("first-steps", HTMLOListElement).hidden = state.labels.length > 0;
    this.#name.disabled = this.#add.disabled = !mayTeach;
    for (const name of ["import-zip", "video-file"])
      find(name, HTMLInputElement).disabled = !mayTeach;
    this.#undo.disabled = !mayTeach || state.undo === null || state.recording !== null;
    setText(this.#undo, state.undo ? texts.gather.undoSnapshots(state.undo.count) : texts.undo);
    this.#undo.title = state.undo ? texts.gather.undoOf(state.undo.label) : "";
    this.#showCards(state, mayTeach);
    this.#showWarnings(state);
    this.#dialog.update(state);
  }

  /**
   * @param {State} state
   * @param {boolean} mayTeach
   */
  #showCards(state, mayTeach) {
    const names = state.labels.map((label) => label.name);
    reconcile(this.#list, this.#elements, names, (name) => this.#card(name).element);
    for (const name of this.#cards.keys()) if (!this.#elements.has(name)) this.#cards.delete(name);
    state.labels.forEach((label, place) => {
      const recording = (this.#recording.label ?? state.recording) === label.name;
      this.#cards.get(label.name)?.update(label, place, { recording, mayTeach });
    });
    this.#moveOn();
  }

  /** @param {string} name */
  #card(name) {
    const card = new LabelCard(name, {
      onHold: (label, holder) => this.#recording.begin(label, holder),
      onRelease: (holder) => this.#recording.release(holder),
      onEdit: (label) => void this.#dialog.open(label),
    });
    this.#cards.set(name, card);
    return card;
  }

  /** @param {State} state */
  #showWarnings(state) {
    if (this.#warnings.childElementCount === state.warnings.length) {
      state.warnings.forEach((warning, place) => setText(this.#warnings.children[place], warning));
    } else {
      this.#warnings.replaceChildren(
        ...state.warnings.map((warning) => make("li", { class: "problem" }, warning)),
      );
    }
  }

  async #addLabel() {
    const added = await addTypedLabel(this.#studio, this.#name);
    if (!added) return;
    this.#added = added;
    this.#moveOn();
  }

  /** Once a new label's card exists, focus its button, since the next step is to record. */
  #moveOn() {
    const card = this.#cards.get(this.#added);
    if (!card) return;
    this.#added = "";
    card.focus();
  }
}
