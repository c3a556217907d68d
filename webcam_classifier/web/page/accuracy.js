// The accuracy, with its interval and how it was measured; or what is missing to measure it.

import { confusionOf } from "./confusion.js";
import { find, make } from "./elements.js";
import { texts } from "./texts.js";
import { asSentence, countedPercentage } from "./words.js";

/** @typedef {import("./types.js").State} State */
/** @typedef {import("./types.js").Accuracy} Accuracy */

export class AccuracyView {
  #place = find("accuracy", HTMLDivElement);
  #shown = "";

  /** @param {State} state */
  update(state) {
    const names = state.labels.map((label) => label.name);
    const missing = unmeasured(state);
    const content = JSON.stringify([
      state.accuracy,
      names,
      missing,
      state.accuracy_advice,
      state.pending,
    ]);
    if (content === this.#shown) return;
    this.#shown = content;
    const accuracy = state.accuracy;
    this.#place.classList.toggle("old", accuracy?.is_current === false);
    this.#place.replaceChildren(...(accuracy ? describe(accuracy, names, missing) : explain(state)));
  }
}

/** @param {State} state */
function explain(state) {
  const waiting = state.pending
    ? texts.accuracy.measuring(state.pending)
    : texts.accuracy.recordMore;
  const advice = state.accuracy_advice || waiting;
  return [
    make("p", { class: "accuracy-value none", "data-testid": "accuracy-value" }, "–"),
    make("p", { class: "hint" }, asSentence(advice)),
  ];
}

/**
 * Return the labels that have snapshots, none of which was in the measurement.
 *
 * @param {State} state
 * @returns {string[]}
 */
function unmeasured(state) {
  const accuracy = state.accuracy;
  if (accuracy === null) return [];
  const isMeasured = (/** @type {string} */ name) => {
    const row = accuracy.labels.indexOf(name);
    // A label that is new or was renamed is in the next figure.
    if (row < 0) return accuracy.is_current === false;
    return accuracy.confusion[row].some((count) => count > 0);
  };
  const recorded = state.labels.filter((label) => label.count > 0);
  return recorded.map((label) => label.name).filter((name) => !isMeasured(name));
}

/**
 * Say what is missing, instead of showing a figure for only some of the labels.
 *
 * @param {Accuracy} accuracy
 * @param {string[]} names of all labels, in the order that gives them their colours
 * @param {string[]} missing labels that were not measured
 */
function describeMissing(accuracy, names, missing) {
  const next = texts.accuracy.recordMissing(missing.length, accuracy.value, accuracy.count);
  return [
    make("p", { class: "accuracy-value none", "data-testid": "accuracy-value" }, "–"),
    make("p", { "data-testid": "accuracy-missing" }, texts.accuracy.missing(missing)),
    make("p", { class: "hint" }, next),
    confusionOf(accuracy, names),
  ];
}

/**
 * @param {Accuracy} accuracy
 * @param {string[]} names of all labels, in the order that gives them their colours
 * @param {string[]} missing labels that were not measured
 */
function describe(accuracy, names, missing) {
  if (missing.length > 0) return describeMissing(accuracy, names, missing);
  const value = make(
    "p",
    { class: "accuracy-value", "data-testid": "accuracy-value" },
    String(countedPercentage(accuracy.value)),
    make("small", {}, texts.accuracy.percentSign),
  );
  const interval = make(
    "p",
    { "data-testid": "accuracy-interval" },
    accuracy.low === null || accuracy.high === null
      ? texts.accuracy.noInterval
      : texts.accuracy.interval(accuracy.low, accuracy.high),
  );
  const ground = make(
    "p",
    { class: "hint", "data-testid": "accuracy-rests-on" },
    asSentence(texts.accuracy.measuredOn(accuracy.count, accuracy.rests_on)),
  );
  const parts = [value, scaleOf(accuracy), interval, sharesOf(accuracy), ground];
  return [...parts, confusionOf(accuracy, names)];
}

/**
 * Show how the same snapshots would be labelled live, where some are shown as unknown.
 * @param {Accuracy} accuracy
 */
function sharesOf(accuracy) {
  /** @type {[string, string, number][]} */
  const shares = [
    ["correct", texts.accuracy.correct, accuracy.shown_right],
    ["wrong", texts.accuracy.wrong, accuracy.shown_wrong],
    ["unknown", texts.unknown, accuracy.shown_unknown],
  ];
  return make(
    "div",
    { class: "shares", "data-testid": "accuracy-shares" },
    make("span", { class: "hint" }, texts.accuracy.shares),
    ...shares.map(([kind, name, share]) =>
      make(
        "span",
        { class: `share ${kind}` },
        make("strong", {}, texts.accuracy.share(share)),
        ` ${name}`,
      ),
    ),
  );
}

/** @param {Accuracy} accuracy */
function scaleOf(accuracy) {
  const range = make("span", { class: "range" });
  range.hidden = accuracy.low === null;
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
