// The confusion matrix: a row for each actual label, with a cell for each predicted one.

import { make } from "./elements.js";
import { texts } from "./texts.js";
import { colourOf } from "./words.js";

/** @typedef {import("./types.js").Accuracy} Accuracy */

const MANY = 6; // labels from which there is only room for their numbers
const DARK_FROM = 0.5; // share of a row from which a cell is too dark for dark text

/**
 * @param {Accuracy} measured
 * @param {string[]} names of all labels, in the order that gives them their colours
 */
export function confusionOf(measured, names) {
  const accuracy = inOrder(measured, names);
  const signs = accuracy.labels.map((label) => signOf(label, names));
  const columns = accuracy.labels.map((label, place) =>
    make(
      "th",
      { scope: "col", title: label },
      signs[place],
      make("span", { class: "visually-hidden" }, label),
    ),
  );
  const rows = accuracy.confusion.map((counts, row) =>
    rowOf(accuracy.labels, signs[row].cloneNode(true), counts, row),
  );
  const table = make(
    "table",
    {
      class: accuracy.labels.length >= MANY ? "confusion many" : "confusion",
      "data-testid": "confusion",
      "aria-labelledby": "confusion-words",
    },
    make("thead", {}, make("tr", {}, make("td", { class: "corner" }), ...columns)),
    make("tbody", {}, ...rows),
  );
  const words = make(
    "p",
    { class: "hint", id: "confusion-words" },
    texts.confusion.words,
  );
  return make(
    "div",
    { class: "confusion-place", tabindex: "0", role: "group", "aria-label": texts.confusion.title },
    words,
    table,
  );
}

/**
 * Put the labels into the order used everywhere else; those renamed since come last.
 *
 * @param {Accuracy} accuracy
 * @param {string[]} names
 * @returns {Accuracy}
 */
function inOrder(accuracy, names) {
  const rank = (/** @type {number} */ place) => {
    const found = names.indexOf(accuracy.labels[place]);
    return found < 0 ? names.length : found;
  };
  const order = accuracy.labels
    .map((_, place) => place)
    .sort((one, other) => rank(one) - rank(other));
  return {
    ...accuracy,
    labels: order.map((place) => accuracy.labels[place]),
    confusion: order.map((row) => order.map((column) => accuracy.confusion[row][column])),
  };
}

/**
 * @param {string[]} labels
 * @param {Node} sign
 * @param {number[]} counts of one row
 * @param {number} row
 */
function rowOf(labels, sign, counts, row) {
  const all = counts.reduce((sum, count) => sum + count, 0);
  const cells = counts.map((count, column) => {
    const share = all === 0 ? 0 : count / all;
    const kinds = [
      count === 0 ? "zero" : "",
      column !== row && count > 0 ? "wrong" : "",
      column === row && share >= DARK_FROM ? "dark" : "",
    ];
    const cell = make(
      "td",
      {
        class: kinds.join(" ").trim(),
        title: texts.confusion.cell(labels[row], labels[column], count),
      },
      String(count),
    );
    cell.style.setProperty("--share", share.toFixed(3));
    return cell;
  });
  const name = make(
    "span",
    { class: "row-name" },
    sign,
    make("span", { dir: "auto", title: labels[row] }, labels[row]),
  );
  return make("tr", {}, make("th", { scope: "row" }, name), ...cells);
}

/**
 * Make the badge with a label's number; a label that was renamed since has none.
 *
 * @param {string} label
 * @param {string[]} names
 */
function signOf(label, names) {
  const place = names.indexOf(label);
  const sign = make(
    "span",
    { class: "key", "aria-hidden": "true" },
    place >= 0 ? String(place + 1) : "",
  );
  if (place >= 0) sign.dataset.colour = colourOf(place);
  return sign;
}
