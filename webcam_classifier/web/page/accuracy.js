// How right it is, with its interval and what it rests on.

import { confusionOf } from "./confusion.js";
import { find, make } from "./elements.js";
import { asSentence, many } from "./words.js";

/** @typedef {import("./types.js").State} State */
/** @typedef {import("./types.js").Accuracy} Accuracy */

export class AccuracyView {
  #place = find("accuracy", HTMLDivElement);
  #shown = "";

  /** @param {State} state */
  update(state) {
    const names = state.labels.map((label) => label.name);
    const content = JSON.stringify([state.accuracy, names, state.accuracy_advice]);
    if (content === this.#shown) return;
    this.#shown = content;
    const accuracy = state.accuracy;
    this.#place.classList.toggle("old", accuracy?.is_current === false);
    this.#place.replaceChildren(...(accuracy ? describe(accuracy, names) : explain(state)));
  }
}

/** @param {State} state */
function explain(state) {
  const advice =
    state.accuracy_advice ||
    "It is measured on bursts that were left out, so record each label several times.";
  return [
    make("p", { class: "accuracy-value none", "data-testid": "accuracy-value" }, "–"),
    make("p", { class: "hint" }, asSentence(advice)),
  ];
}

/**
 * @param {Accuracy} accuracy
 * @param {string[]} names of all labels, in the order that gives them their colours
 */
function describe(accuracy, names) {
  const value = make(
    "p",
    { class: "accuracy-value", "data-testid": "accuracy-value" },
    String(Math.round(100 * accuracy.value)),
    make("small", {}, "%"),
  );
  const interval = make(
    "p",
    { "data-testid": "accuracy-interval" },
    accuracy.low === null || accuracy.high === null
      ? "Record each label a few more times for an interval."
      : `Between ${percent(accuracy.low)} and ${percent(accuracy.high)} % on new bursts like these.`,
  );
  const ground = make(
    "p",
    { class: "hint", "data-testid": "accuracy-rests-on" },
    asSentence(`Measured on ${many(accuracy.count, "snapshot")}: ${accuracy.rests_on}`),
  );
  const parts = [value, scaleOf(accuracy), interval, sharesOf(accuracy), ground];
  return [...parts, confusionOf(accuracy, names)];
}

/**
 * What a person would see of the same snapshots live: some are shown as unknown.
 * @param {Accuracy} accuracy
 */
function sharesOf(accuracy) {
  /** @type {[string, number][]} */
  const shares = [
    ["right", accuracy.shown_right],
    ["wrong", accuracy.shown_wrong],
    ["unknown", accuracy.shown_unknown],
  ];
  return make(
    "div",
    { class: "shares", "data-testid": "accuracy-shares" },
    make("span", { class: "hint" }, "Shown live"),
    ...shares.map(([name, share]) =>
      make(
        "span",
        { class: `share ${name}` },
        make("strong", {}, `${percent(share)} %`),
        ` ${name}`,
      ),
    ),
  );
}

/** @param {number} share 0 to 1 */
function percent(share) {
  return String(Math.round(100 * share));
}

/** @param {Accuracy} accuracy */
function scaleOf(accuracy) {
  const range = make("span", { class: "range" });
  if (accuracy.low !== null && accuracy.high !== null) {
    range.style.left = `${100 * accuracy.low}%`;
    range.style.width = `${100 * (accuracy.high - accuracy.low)}%`;
  }
  const dot = make("span", { class: "dot" });
  dot.style.left = `${100 * accuracy.value}%`;
  return make(
    "div",
    { class: "scale", "aria-hidden": "true" },
    make("span", { class: "line" }),
    range,
    dot,
  );
}
