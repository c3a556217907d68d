// "This is cup": the row below a picture that somebody tried, which makes a snapshot of it.

import { make, setText } from "./elements.js";
import { texts } from "./texts.js";

/** @typedef {import("./studio.js").Studio} Studio */

export class PictureTeaching {
  element;

  #studio;
  #file;
  #choice = make("select", { "data-testid": "tried-label", "aria-label": texts.trying.thisIs });
  #add = make("button", { type: "submit", "data-testid": "tried-add" }, texts.trying.add);
  #said = make("p", { class: "tried-added", role: "status", "data-testid": "tried-added" });
  #isChosen = false; // by the person

  /**
   * @param {Studio} studio
   * @param {File} file
   */
  constructor(studio, file) {
    this.#studio = studio;
    this.#file = file;
    this.#choice.addEventListener("change", () => {
      this.#isChosen = true;
    });
    const row = make(
      "span",
      { class: "tried-row" },
      make("span", { "aria-hidden": "true" }, texts.trying.thisIs),
      this.#choice,
      this.#add,
    );
    this.element = make("form", { class: "tried-teaching" }, row, this.#said);
    this.element.hidden = true;
    this.element.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#addIt(row);
    });
  }

  /** @param {string | null} likeliest label, which is offered first */
  offer(likeliest) {
    const labels = this.#studio.state?.labels.map((label) => label.name) ?? [];
    const chosen = this.#isChosen ? this.#choice.value : likeliest;
    this.#choice.replaceChildren(...labels.map((name) => make("option", { value: name }, name)));
    if (chosen !== null && labels.includes(chosen)) this.#choice.value = chosen;
    this.element.hidden = labels.length === 0 || !this.#studio.mayTeach;
  }

  /** @param {HTMLElement} row */
  async #addIt(row) {
    const label = this.#choice.value;
    this.#add.disabled = true;
    try {
      const { added, refused } = await this.#studio.addPicture(label, this.#file);
      row.hidden = added > 0;
      setText(this.#said, added > 0 ? texts.trying.added(label) : refused[0].reason);
    } catch (error) {
      setText(this.#said, error instanceof Error ? error.message : String(error));
    }
    this.#add.disabled = false;
  }
}
