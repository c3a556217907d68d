// Loss and accuracy of fine-tuning, drawn epoch by epoch.

import { draw, make } from "./elements.js";
import { texts } from "./texts.js";
import { percent } from "./words.js";

/** @typedef {import("./types.js").Epoch} Epoch */

const WIDTH = 150; // of a drawing's own units
const HEIGHT = 72;
const MARGIN = 4;

/**
 * @param {Epoch[]} history
 * @param {number} epochs how many there will be; 0 if that is not known
 */
export function drawCurves(history, epochs) {
  const last = Math.max(1, epochs, ...history.map((epoch) => epoch.epoch));
  const training = pointsOf(history, (epoch) => epoch.training_loss);
  const validation = pointsOf(history, (epoch) => epoch.validation_loss);
  const accuracy = pointsOf(history, (epoch) => epoch.validation_accuracy);
  const highest = Math.max(
    0.01,
    ...training.map((point) => point.value),
    ...validation.map((point) => point.value),
  );
  const key = make(
    "p",
    { class: "curves-key" },
    make("span", {}, make("i"), texts.curves.leftOut),
    make("span", {}, make("i", { class: "dashed" }), texts.curves.training),
  );
  return make(
    "div",
    { class: "curves", "data-testid": "curves" },
    chart(texts.curves.loss, (value) => value.toFixed(2), last, 0, highest, training, validation),
    chart(
      texts.curves.accuracy,
      percent,
      last,
      Math.min(0.5, ...accuracy.map((point) => point.value)),
      1,
      [],
      accuracy,
    ),
    key,
  );
}

/** @typedef {{epoch: number, value: number}} Point */

/**
 * @param {Epoch[]} history
 * @param {(epoch: Epoch) => number | null} value
 * @returns {Point[]}
 */
function pointsOf(history, value) {
  return history.flatMap((epoch) => {
    const one = value(epoch);
    return one === null || !Number.isFinite(one) ? [] : [{ epoch: epoch.epoch, value: one }];
  });
}

/**
 * @param {string} title
 * @param {(value: number) => string} written
 * @param {number} last epoch at the right edge
 * @param {number} lowest value at the lower edge
 * @param {number} highest
 * @param {Point[]} training
 * @param {Point[]} validation
 */
function chart(title, written, last, lowest, highest, training, validation) {
  const x = (/** @type {number} */ epoch) => MARGIN + (epoch / last) * (WIDTH - 2 * MARGIN);
  const y = (/** @type {number} */ value) =>
    HEIGHT - MARGIN - ((value - lowest) / (highest - lowest || 1)) * (HEIGHT - 2 * MARGIN);
  const line = (/** @type {Point[]} */ points, /** @type {string} */ kind) =>
    draw("polyline", {
      class: kind,
      points: points
        .map((point) => `${x(point.epoch).toFixed(1)},${y(point.value).toFixed(1)}`)
        .join(" "),
    });
  const newest = validation.at(-1) ?? training.at(-1);
  const end = newest
    ? [
        draw("circle", {
          class: "curve-end",
          r: "3",
          cx: String(x(newest.epoch)),
          cy: String(y(newest.value)),
        }),
      ]
    : [];
  const words = newest ? written(newest.value) : "–";
  const drawing = draw(
    "svg",
    {
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      role: "img",
      "aria-label": texts.curves.after(title, newest?.epoch ?? 0, words),
    },
    ...[0, 0.5, 1].map((part) =>
      draw("line", {
        class: "curve-axis",
        x1: "0",
        x2: String(WIDTH),
        y1: String(MARGIN + part * (HEIGHT - 2 * MARGIN)),
        y2: String(MARGIN + part * (HEIGHT - 2 * MARGIN)),
      }),
    ),
    line(training, "curve training"),
    line(validation, "curve"),
    ...end,
  );
  return make("figure", {}, make("figcaption", {}, title, make("b", {}, words)), drawing);
}
