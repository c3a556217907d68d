// The choice of the model, if there are several.

import { find, make, setText } from "/page/elements.js";
import { texts } from "./texts.js";

export class ModelChoice {
  #label = find("models", HTMLLabelElement);
  #select = find("model", HTMLSelectElement);
  #problem = find("model-problem", HTMLParagraphElement);
  #file = "";

  constructor() {
    this.#select.addEventListener("change", () => void this.#choose(this.#select.value));
  }

  /** @param {string} file of the current model */
  update(file) {
    if (file === this.#file) return;
    this.#file = file;
    void this.#refresh();
  }

  async #refresh() {
    const answer = await fetch("/model").catch(() => null);
    if (!answer?.ok) return;
    /** @type {{model: string | null, models: string[]}} */
    const { model, models } = await answer.json();
    this.#label.hidden = models.length === 0;
    const known = model === null ? [make("option", { value: "" }, this.#file)] : [];
    const options = models.map((name) => make("option", { value: name }, name));
    this.#select.replaceChildren(...known, ...options);
    this.#select.value = model ?? "";
  }

  /** @param {string} name */
  async #choose(name) {
    if (name === "") return;
    this.#select.disabled = true;
    const answer = await fetch("/model", {
      method: "POST",
      body: JSON.stringify({ name }),
    }).catch(() => null);
    this.#select.disabled = false;
    const said = (await answer?.json().catch(() => null)) ?? {};
    const problem = answer?.ok ? "" : (said.error ?? texts.watch.away);
    setText(this.#problem, problem);
    this.#problem.hidden = problem === "";
    await this.#refresh(); // after a mistake, the model before goes on labelling
  }
}
