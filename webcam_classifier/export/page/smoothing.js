// A steady label out of answers that jitter, as webcam_classifier/live/smoothing.py does it: a hidden
// Markov filter in continuous time, whose states are the labels and unknown.

// All times are shares of the seconds that smoothing takes; live/smoothing.py says what each is.
const CHANGE_RATE = 0.15;
const SURE_TIME = 0.073;
const LONGEST_FRAME = 0.5;
const SURE_LOG_RATIO = 1.5;
const SCORE_SLOPE = 2;
const SCORE_REACH = 1;
const UNKNOWN_WEIGHT = 0.15;
const SETTLED = 0.9;
const AVERAGE_TIME = 2;

/** What each frame's answer is taken into. */
export class Smoothing {
  #shown = null;
  #belief = [];
  #at = 0;

  /** @param {number} seconds How long a clear change takes to be believed; 0 takes each answer as it is. */
  constructor(seconds) {
    this.seconds = seconds;
  }

  /** Forget what was seen: another camera, or a break. */
  clear() {
    this.#shown = null;
  }

  /**
   * @param {{probabilities: number[], unknownScore: number | null, unknownThreshold: number | null}} answer
   * @param {number} at Seconds, of any clock that never goes back.
   * @returns The same kind of answer, steady.
   */
  add(answer, at) {
    const before = this.#shown;
    if (!before || this.seconds <= 0) {
      const states = answer.probabilities.length + 1;
      this.#belief = update(new Array(states).fill(1 / states), answer, 1);
      this.#shown = answer;
    } else {
      const elapsed = Math.max(0, at - this.#at) / this.seconds;
      this.#belief = update(this.#belief, answer, elapsed);
      this.#shown = shownNext(before, answer, this.#belief, elapsed);
    }
    this.#at = at;
    return this.#shown;
  }
}

/** Whether an answer is of none of the labels; a score that is no number is unknown. */
export function isUnknown(answer) {
  if (answer.unknownScore === null || answer.unknownThreshold === null) return false;
  return !(answer.unknownScore <= answer.unknownThreshold);
}

/** The number of the likeliest label, the first of equal ones. */
export function likeliest(probabilities) {
  let best = 0;
  for (let number = 1; number < probabilities.length; number++) {
    if (probabilities[number] > probabilities[best]) best = number;
  }
  return best;
}

function shownNext(before, answer, belief, elapsed) {
  const steady = state(before);
  const best = likeliest(belief);
  const isNew = best !== steady && belief[best] >= SETTLED;
  // At the moment of a change an average would have about a half, however sure the frames.
  if (isNew && state(answer) === best) return answer;
  const average = mix(before, answer, Math.exp(-elapsed / AVERAGE_TIME));
  // Where the frames have begun to say something else, how sure they were stands still.
  return state(average) === steady ? average : before;
}

/** The number of the label; after the last one for unknown. */
function state(answer) {
  return isUnknown(answer) ? answer.probabilities.length : likeliest(answer.probabilities);
}

/** Let time pass, and weigh in a frame that stands for it. */
function update(belief, answer, elapsed) {
  const states = belief.length;
  const forgotten = -Math.expm1((-CHANGE_RATE * elapsed * states) / (states - 1));
  const frame = Math.min(elapsed, LONGEST_FRAME) / SURE_TIME;
  const weighed = evidence(answer).map((value) => value * frame);
  const most = Math.max(...weighed);
  const posterior = belief.map((value, number) => {
    return ((1 - forgotten) * value + forgotten / states) * Math.exp(weighed[number] - most);
  });
  const total = posterior.reduce((sum, value) => sum + value, 0);
  return posterior.map((value) => value / total);
}

/** How much a frame speaks for each state, against the best: -1 to 0 for labels. */
function evidence({ probabilities, unknownScore, unknownThreshold }) {
  const bounded = probabilities.map((value) => Math.max(value, 1e-9));
  const most = Math.max(...bounded);
  const labels = bounded.map((value) => Math.max(Math.log(value / most) / SURE_LOG_RATIO, -1));
  if (unknownScore === null || unknownThreshold === null) return [...labels, -1];
  const above = Number.isNaN(unknownScore) ? 1 : unknownScore - unknownThreshold;
  const logOdds = SCORE_SLOPE * Math.min(Math.max(above, -SCORE_REACH), SCORE_REACH);
  // What is of no label says nothing about which label it is.
  const known = 1 / (1 + Math.exp(logOdds));
  const unknown = Math.min(Math.max(logOdds / SURE_LOG_RATIO, -1), 1);
  return [...labels.map((value) => value * known), unknown > 0 ? unknown * UNKNOWN_WEIGHT : unknown];
}

function mix(before, answer, kept) {
  return {
    ...answer,
    probabilities: answer.probabilities.map((value, number) => kept * before.probabilities[number] + (1 - kept) * value),
    unknownScore: mixScores(before.unknownScore, answer, kept),
  };
}

/** A score has no upper end: one outlier shall not outvote all before it. */
function mixScores(old, { unknownScore, unknownThreshold }, kept) {
  if (old === null || unknownScore === null || unknownThreshold === null) return unknownScore;
  const within = (score) => Math.min(Math.max(score, unknownThreshold - SCORE_REACH), unknownThreshold + SCORE_REACH);
  return kept * within(old) + (1 - kept) * within(unknownScore);
}
