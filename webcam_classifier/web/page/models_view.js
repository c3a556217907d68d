// The model files that were written: download them, export another precision, read the report.

import { find, make } from "./elements.js";
import { alertError } from "./notices.js";
import { texts } from "./texts.js";
import { clockTime, fileSize } from "./words.js";

/** @typedef {import("./studio.js").Studio} Studio */
/** @typedef {import("./types.js").State} State */
/** @typedef {import("./types.js").ModelFile} ModelFile */

export class ModelsView {
  #studio;
  #list = find("models", HTMLUListElement);
  #form = find("export-form", HTMLFormElement);
  #precision = find("export-precision", HTMLSelectElement);
  #button = /** @type {HTMLButtonElement} */ (this.#form.querySelector("button"));
  #shown = "";

  /** @param {Studio} studio */
  constructor(studio) {
    this.#studio = studio;
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#studio.export(this.#precision.value).catch(alertError);
    });
  }

  /** @param {State} state */
  update(state) {
    find("no-models", HTMLParagraphElement).hidden = state.models.length > 0;
    find("report", HTMLAnchorElement).hidden = !state.has_report;
    this.#form.hidden = state.models.length === 0;
    this.#button.disabled = !this.#studio.mayTeach || state.job?.status === "running";
    const content = JSON.stringify(state.models);
    if (content === this.#shown) return;
    this.#shown = content;
    this.#list.replaceChildren(...state.models.map(rowOf));
  }
}

/** @param {ModelFile} model */
function rowOf(model) {
  const facts = [
    model.mode === "finetune" ? texts.download.finetuned : "",
    model.precision,
    fileSize(model.bytes),
    model.accuracy === null ? "" : texts.download.accuracy(model.accuracy),
    clockTime(model.created_at),
  ];
  const download = make(
    "a",
    {
      href: `/api/models/${encodeURIComponent(model.file)}`,
      download: model.file,
      "data-testid": "model-download",
      "data-file": model.file,
    },
    texts.download.title,
    make("span", { class: "visually-hidden" }, ` ${model.file}`),
  );
  return make(
    "li",
    { "data-testid": "model-file", "data-file": model.file },
    make("div", {}, make("b", {}, model.file), make("p", { class: "hint" }, facts.filter(Boolean).join(", "))),
    download,
  );
}
