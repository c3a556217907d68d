// The accuracy, saving and fine-tuning the model, and the files to download.

import { AccuracyView } from "./accuracy.js";
import { find, setText } from "./elements.js";
import { JobView } from "./job_view.js";
import { ModelsView } from "./models_view.js";
import { alertError, announce } from "./notices.js";
import { texts } from "./texts.js";

/** @typedef {import("./studio.js").Studio} Studio */
/** @typedef {import("./types.js").State} State */

const PAGE_MODEL = "model.onnx"; // what a web page runs

export class TeachPanel {
  #studio;
  #accuracy = new AccuracyView();
  #job;
  #models;
  #form = find("teach-form", HTMLFormElement);
  #epochs = find("epochs", HTMLInputElement);
  #button = find("teach", HTMLButtonElement);
  #learning = find("learning", HTMLParagraphElement);
  #hint = find("teach-hint", HTMLParagraphElement);
  #packPage = find("pack-page", HTMLButtonElement);
  #packDataset = find("pack-dataset", HTMLButtonElement);
  #watch = /** @type {HTMLFieldSetElement} */ (document.getElementById("watch"));
  #epochsAsked = 0; // of the fine-tuning that was begun here
  #jobSeen = "";
  #packsHere = false; // whether this page asked for what is packed

  /** @param {Studio} studio */
  constructor(studio) {
    this.#studio = studio;
    this.#job = new JobView(() => this.#studio.cancel().catch(alertError));
    this.#models = new ModelsView(studio);
    this.#packPage.addEventListener("click", () => void this.#pack("page"));
    this.#packDataset.addEventListener("click", () => void this.#pack("dataset"));
    this.#form.addEventListener("change", () => this.#showMode());
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#teach();
    });
    this.#watch.addEventListener("change", (event) => void this.#watchWith(event.target));
    this.#showMode();
  }

  /** @param {State} state */
  update(state) {
    const recorded = state.labels.filter((label) => label.count > 0).length;
    const running = state.job?.status === "running";
    this.#button.disabled = !this.#studio.mayTeach || running || recorded < 2;
    this.#hint.hidden = recorded >= 2;
    setText(this.#hint, texts.use.twoLabels);
    setText(this.#learning, describeLearning(state));
    this.#watch.hidden = state.models.length === 0;
    this.#watch.disabled = !this.#studio.mayTeach;
    for (const radio of this.#watch.querySelectorAll("input"))
      radio.checked = radio.value === state.watching;
    this.#accuracy.update(state);
    this.#job.update(state.job, this.#epochsAsked, this.#studio.mayTeach);
    this.#models.update(state);
    this.#packPage.hidden = find("pack-hint", HTMLParagraphElement).hidden =
      !state.models.some((model) => model.file === PAGE_MODEL);
    this.#packDataset.hidden = recorded === 0;
    this.#packPage.disabled = this.#packDataset.disabled = !this.#studio.mayTeach || running;
    this.#tellJob(state);
  }

  /** @param {"page" | "dataset"} what */
  async #pack(what) {
    this.#packsHere = true;
    try {
      await this.#studio.pack(what);
    } catch (error) {
      this.#packsHere = false;
      alertError(error);
    }
  }

  get #mode() {
    return new FormData(this.#form).get("mode") === "finetune" ? "finetune" : "head";
  }

  #showMode() {
    const finetune = this.#mode === "finetune";
    find("epochs-label", HTMLLabelElement).hidden = !finetune;
    setText(this.#button, finetune ? texts.use.finetuneAndSave : texts.use.save);
  }

  async #teach() {
    const finetune = this.#mode === "finetune";
    this.#epochsAsked = finetune ? this.#epochs.valueAsNumber : 0;
    try {
      await (finetune
        ? this.#studio.teach("finetune", this.#epochsAsked)
        : this.#studio.teach("head"));
    } catch (error) {
      alertError(error);
    }
  }

  /** @param {EventTarget | null} radio */
  async #watchWith(radio) {
    if (!(radio instanceof HTMLInputElement)) return;
    try {
      await this.#studio.watch(radio.value === "model" ? "model" : "head");
    } catch (error) {
      alertError(error);
      if (this.#studio.state) this.update(this.#studio.state);
    }
  }

  /**
   * Say once when work begins and ends; its progress is there to be asked for.
   *
   * @param {State} state
   */
  #tellJob(state) {
    const job = state.job;
    const seen = job ? `${job.id} ${job.status}` : "";
    if (seen === this.#jobSeen) return;
    const first = this.#jobSeen === "" && job?.status !== "running"; // was over when the page came
    this.#jobSeen = seen;
    const isPack = job?.kind === "page" || job?.kind === "dataset";
    if (isPack && job.status !== "running" && this.#packsHere) {
      this.#packsHere = false;
      if (job.status === "done") this.#job.download();
    }
    if (job && !first)
      announce(texts.job.said(texts.job.titles[job.kind][job.status], job.message));
  }
}

/** @param {State} state */
function describeLearning(state) {
  if (state.learnt + state.pending === 0) return "";
  return state.pending > 0
    ? texts.accuracy.pending(state.pending)
    : texts.accuracy.learnt(state.learnt);
}
