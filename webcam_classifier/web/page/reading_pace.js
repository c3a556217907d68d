// Bars move with every frame, but words and figures change only as fast as one can read.

/** @typedef {import("./types.js").Prediction} Prediction */

const EVERY = 100; // milliseconds

export class ReadingPace {
  #at = 0;
  #verdict = "";

  /**
   * Return whether texts should be updated: after a while, or at once for another verdict.
   *
   * @param {Prediction} prediction
   */
  isDue(prediction) {
    const now = performance.now();
    const verdict = prediction.unknown ? "unknown" : (likeliest(prediction)?.label ?? "");
    if (now - this.#at < EVERY && verdict === this.#verdict) return false;
    this.#at = now;
    this.#verdict = verdict;
    return true;
  }
}

/**
 * @param {Prediction} prediction
 * @returns {{label: string, confidence: number} | null} null where there are no labels yet
 */
export function likeliest(prediction) {
  if (prediction.labels.length === 0) return null;
  const confidence = Math.max(...prediction.probabilities);
  return { label: prediction.labels[prediction.probabilities.indexOf(confidence)], confidence };
}
