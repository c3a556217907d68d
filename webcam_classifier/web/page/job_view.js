// The current or last job: its progress, its curves, and a button to cancel it.

import { drawCurves } from "./curves.js";
import { find, make, setText } from "./elements.js";
import { texts } from "./texts.js";
import { capitalised, percent } from "./words.js";

/** @typedef {import("./types.js").Job} Job */

export class JobView {
  #place = find("job", HTMLDivElement);
  #title = make("span");
  #percent = make("span", { class: "job-percent" });
  #fill = make("span");
  #bar = make(
    "div",
    {
      class: "job-bar",
      role: "progressbar",
      "aria-label": texts.job.progress,
      "data-testid": "job-progress",
    },
    this.#fill,
  );
  #curves = make("div");
  #message = make("p", { class: "job-message", "data-testid": "job-message" });
  #cancel = make(
    "button",
    { type: "button", class: "quiet", "data-testid": "job-cancel" },
    texts.cancel,
  );
  #error = make("p", { class: "problem", "data-testid": "job-error" });
  #download = make("a", { class: "file-button", "data-testid": "job-download", download: "" });
  #drawn = "";

  /** @param {() => void} onCancel */
  constructor(onCancel) {
    this.#cancel.addEventListener("click", onCancel);
    this.#place.append(
      make("div", { class: "job-head" }, this.#title, this.#percent),
      this.#bar,
      this.#curves,
      make("div", { class: "job-row" }, this.#message, this.#cancel, this.#download),
      this.#error,
    );
  }

  /** Download what was packed, so that nobody has to ask twice. */
  download() {
    this.#download.click();
  }

  /**
   * @param {Job | null} job
   * @param {number} epochs of a fine-tuning that was begun here, else 0
   * @param {boolean} mayTeach
   */
  update(job, epochs, mayTeach) {
    this.#place.hidden = job === null;
    if (job === null) return;
    const running = job.status === "running";
    this.#place.dataset.kind = job.kind;
    this.#place.dataset.status = job.status;
    setText(this.#title, texts.job.titles[job.kind][job.status]);
    setText(this.#message, job.status === "cancelled" ? "" : capitalised(job.message));
    setText(this.#percent, running && job.progress !== null ? percent(job.progress) : "");
    this.#bar.hidden = !running;
    this.#bar.classList.toggle("unsure", job.progress === null);
    this.#fill.style.setProperty("--share", String(job.progress ?? 0));
    if (job.progress === null) this.#bar.removeAttribute("aria-valuenow");
    else this.#bar.setAttribute("aria-valuenow", String(Math.round(100 * job.progress)));
    this.#cancel.hidden = !running;
    this.#cancel.disabled = !mayTeach;
    const isPacked = job.status === "done" && (job.kind === "page" || job.kind === "dataset");
    this.#download.hidden = !isPacked;
    setText(this.#download, isPacked ? texts.download.title : "");
    if (isPacked) this.#download.href = `/api/packed/${job.id}`;
    setText(this.#error, job.error ?? "");
    this.#error.hidden = !job.error;
    this.#draw(job, epochs);
  }

  /**
   * @param {Job} job
   * @param {number} epochs
   */
  #draw(job, epochs) {
    const content = `${job.id} ${job.history.length} ${epochs}`;
    if (content === this.#drawn) return;
    this.#drawn = content;
    this.#curves.replaceChildren(
      ...(job.history.length > 0 ? [drawCurves(job.history, epochs)] : []),
    );
  }
}
