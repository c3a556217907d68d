// A bar for each label, and one for how unlike all snapshots the picture is.

import { find, make, reconcile, setText } from "./elements.js";
import { likeliest } from "./reading_pace.js";
import { texts } from "./texts.js";
import { colourOf, percent } from "./words.js";

/** @typedef {import("./types.js").State} State */
/** @typedef {import("./types.js").Prediction} Prediction */

const MANY = 7; // labels from which the bars are in two columns, if there is room
const PACE_EVERY = 400; // milliseconds, for age and rate

/** @typedef {{element: HTMLElement, key: HTMLElement, fill: HTMLElement, percent: HTMLElement}} Bar */

export class Bars {
  #list = find("bars", HTMLOListElement);
  #unknown = find("unknown-bar", HTMLDivElement);
  #unknownFill = /** @type {HTMLElement} */ (this.#unknown.querySelector(".fill"));
  #unknownWords = find("unknown-words", HTMLSpanElement);
  #age = find("frame-age", HTMLElement);
  #rate = find("frame-rate", HTMLElement);
  /** @type {Map<string, HTMLElement>} */
  #elements = new Map();
  /** @type {Map<string, Bar>} */
  #bars = new Map();
  #paceAt = 0;
  #isStale = false;

  /** @param {State} state */
  update(state) {
    const names = state.labels.map((label) => label.name);
    reconcile(this.#list, this.#elements, names, (name) => this.#bar(name).element);
    for (const name of this.#bars.keys()) if (!this.#elements.has(name)) this.#bars.delete(name);
    this.#list.classList.toggle("many", names.length >= MANY);
    state.labels.forEach((label, place) => {
      const bar = this.#bars.get(label.name);
      if (!bar) return;
      bar.element.dataset.colour = colourOf(place);
      setText(bar.key, String(place + 1));
    });
    this.#unknown.hidden = names.length === 0;
    if (this.#isStale || state.camera.kind === "none") this.#rest();
  }

  /** @param {boolean} isStale whether no picture is coming */
  setStale(isStale) {
    this.#isStale = isStale;
    if (isStale) this.#rest();
  }

  /**
   * @param {Prediction} prediction
   * @param {boolean} withText whether figures are updated too
   */
  show(prediction, withText) {
    const best = likeliest(prediction)?.label;
    for (const [name, bar] of this.#bars) {
      const place = prediction.labels.indexOf(name);
      const share = place < 0 ? 0 : prediction.probabilities[place];
      bar.fill.style.setProperty("--share", share.toFixed(4));
      if (!withText) continue;
      bar.element.classList.toggle("best", name === best && !prediction.unknown);
      bar.element.classList.toggle("guess", name === best && prediction.unknown);
      bar.element.classList.toggle("unlearnt", place < 0);
      setText(bar.percent, place < 0 ? texts.teach.notYet : percent(share));
    }
    this.#showUnknown(prediction, withText);
    const now = performance.now();
    if (now - this.#paceAt < PACE_EVERY) return;
    this.#paceAt = now;
    setText(this.#age, texts.teach.milliseconds(Math.round(prediction.age_ms)));
    setText(this.#rate, texts.teach.perSecond(Math.round(prediction.rate)));
  }

  /**
   * @param {Prediction} prediction
   * @param {boolean} withText
   */
  #showUnknown(prediction, withText) {
    const score = prediction.unknown_score;
    this.#unknownFill.style.setProperty("--share", Math.min(1, (score ?? 0) / 2).toFixed(4)); // the mark is at 1
    if (!withText) return;
    this.#unknown.classList.toggle("over", prediction.unknown);
    setText(
      this.#unknownWords,
      score === null
        ? texts.teach.notMeasured
        : prediction.unknown
          ? texts.teach.unlike
          : texts.teach.similar,
    );
  }

  /** Show no probabilities while there is no picture. */
  #rest() {
    for (const bar of this.#bars.values()) {
      bar.fill.style.setProperty("--share", "0");
      bar.element.classList.remove("best", "unlearnt", "guess");
      setText(bar.percent, "–");
    }
    this.#unknownFill.style.setProperty("--share", "0");
    this.#unknown.classList.remove("over");
    this.#paceAt = 0;
    for (const text of [this.#unknownWords, this.#age, this.#rate]) setText(text, "–");
  }

  /** @param {string} name */
  #bar(name) {
    const key = make("span", { class: "key", "aria-hidden": "true" });
    const fill = make("span", { class: "fill" });
    const percentage = make("span", { class: "bar-percent", "data-testid": "bar-percent" }, "–");
    const element = make(
      "li",
      { class: "bar", "data-testid": "bar", "data-label": name },
      key,
      make("span", { class: "bar-name", title: name, dir: "auto" }, name),
      make("span", { class: "track", "aria-hidden": "true" }, fill),
      percentage,
    );
    const bar = { element, key, fill, percent: percentage };
    this.#bars.set(name, bar);
    return bar;
  }
}
