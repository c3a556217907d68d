// A picture that was tried, with its answer: the label, and a bar for each label.

import { make, setText } from "./elements.js";
import { texts } from "./texts.js";
import { SURE_FROM, colourOf, percent } from "./words.js";

/** @typedef {import("./types.js").PictureAnswer} Answer */

const MOST_BARS = 5; // that are shown at once

export class PictureAnswer {
  element;
  file;
  /** What a screen reader announces. */
  said = "";
  /** The label, or why there is none; a change is announced. */
  verdict = "";

  #address;
  #labels;
  #answers = make("div", { class: "tried-answers" });
  #problem = make("p", { class: "problem", role: "alert", "data-testid": "tried-problem" });

  /**
   * @param {File} file
   * @param {() => string[]} labels those that there are, in their order
   * @param {HTMLElement} [teaching] what teaches it
   */
  constructor(file, labels, teaching) {
    this.file = file;
    this.#labels = labels;
    this.#address = URL.createObjectURL(file);
    const picture = make("img", { alt: texts.trying.pictureOf(file.name), decoding: "async" });
    picture.addEventListener("error", () => this.element.classList.add("unseen"));
    picture.src = this.#address;
    this.#problem.hidden = true;
    this.#answers.append(make("p", { class: "hint" }, texts.trying.asking));
    this.element = make(
      "li",
      { class: "tried", "data-testid": "tried", "data-file": file.name },
      make("div", { class: "tried-picture" }, picture),
      make(
        "div",
        { class: "tried-words" },
        make("h3", { class: "tried-name", dir: "auto" }, file.name),
        this.#answers,
        this.#problem,
        ...(teaching ? [teaching] : []),
      ),
    );
  }

  /** Remove the picture and free its memory. */
  forget() {
    URL.revokeObjectURL(this.#address);
    this.element.remove();
  }

  /** @param {string} sentence why there is no answer */
  fail(sentence) {
    this.said = this.verdict = sentence;
    this.#answers.replaceChildren();
    setText(this.#problem, sentence);
    this.#problem.hidden = false;
    this.element.classList.add("failed");
  }

  /** @param {Answer} answer */
  show(answer) {
    this.#problem.hidden = true;
    this.element.classList.remove("failed");
    const parts = Object.entries(answer.regions ?? { "": answer });
    const said = parts.map(([region, one]) =>
      region ? texts.trying.said(region, inWords(one)) : inWords(one),
    );
    this.verdict = parts.map(([, one]) => String(one.label)).join();
    this.said = texts.trying.said(this.file.name, said.join(", "));
    this.#answers.replaceChildren(
      ...parts.flatMap(([region, one]) => [
        ...(region ? [make("h4", { class: "tried-region", dir: "auto" }, region)] : []),
        ...this.#partsOf(one),
      ]),
    );
  }

  /** @param {Answer} answer */
  #partsOf(answer) {
    const { label, likeliest, unknown, confidence } = answer;
    if (label === null || likeliest === null)
      return [make("p", { class: "hint", "data-testid": "tried-verdict" }, texts.trying.nothingTaught)];
    const place = this.#labels().indexOf(likeliest);
    const key = make("span", { class: "key", "aria-hidden": "true" }, unknown ? "?" : keyOf(place));
    if (!unknown && place >= 0) key.dataset.colour = colourOf(place);
    const verdict = make(
      "p",
      { class: "tried-verdict" },
      key,
      make(
        "b",
        { dir: "auto", "data-testid": "tried-verdict" },
        unknown ? texts.unknown : likeliest,
      ),
    );
    const isSure = unknown || (confidence ?? 0) >= SURE_FROM;
    const words = unknown ? texts.trying.perhaps(likeliest) : isSure ? "" : texts.trying.notSure;
    return [
      verdict,
      ...(words ? [make("p", { class: "hint", "data-testid": "tried-guess" }, words)] : []),
      ...this.#bars(answer),
    ];
  }

  /** @param {Answer} answer */
  #bars(answer) {
    const shares = Object.entries(answer.probabilities).sort((one, other) => other[1] - one[1]);
    const bars = shares.map(([name, share]) => this.#bar(name, share, answer));
    if (bars.length <= MOST_BARS + 1) return [make("ol", { class: "bars" }, ...bars)];
    return [
      make("ol", { class: "bars" }, ...bars.slice(0, MOST_BARS)),
      make(
        "details",
        { class: "tried-more" },
        make("summary", {}, texts.trying.allLabels(bars.length)),
        make("ol", { class: "bars" }, ...bars.slice(MOST_BARS)),
      ),
    ];
  }

  /**
   * @param {string} name
   * @param {number} share
   * @param {Answer} answer
   */
  #bar(name, share, answer) {
    const place = this.#labels().indexOf(name);
    const best = name === answer.likeliest ? (answer.unknown ? " guess" : " best") : "";
    const fill = make("span", { class: "fill" });
    fill.style.setProperty("--share", share.toFixed(4));
    const bar = make(
      "li",
      { class: `bar${best}`, "data-testid": "tried-bar", "data-label": name },
      make("span", { class: "key", "aria-hidden": "true" }, keyOf(place)),
      make("span", { class: "bar-name", title: name, dir: "auto" }, name),
      make("span", { class: "track", "aria-hidden": "true" }, fill),
      make("span", { class: "bar-percent" }, percent(share)),
    );
    if (place >= 0) bar.dataset.colour = colourOf(place);
    return bar;
  }
}

/** @param {number} place of a label, from 0; below it, the model knows one that there is no more */
function keyOf(place) {
  return place < 0 ? "" : String(place + 1);
}

/** @param {Answer} answer */
function inWords(answer) {
  if (answer.likeliest === null) return texts.trying.nothingTaught;
  if (answer.unknown) return texts.trying.unknown(answer.likeliest);
  return texts.trying.sure(answer.likeliest, answer.confidence ?? 0);
}
