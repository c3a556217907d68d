// How figures and names are written.

const COLOURS = 9;

/**
 * Give the number of a label's colour, 1 to 9: the same as its key.
 *
 * @param {number} place of the label, from 0
 */
export function colourOf(place) {
  return String((place % COLOURS) + 1);
}

/** @param {number} share 0 to 1 */
export function percent(share) {
  return `${Math.round(100 * share)} %`;
}

/**
 * @param {number} count
 * @param {string} one
 * @param {string} [several]
 */
export function many(count, one, several = `${one}s`) {
  return `${count.toLocaleString("en")} ${count === 1 ? one : several}`;
}

/** @param {string} words of the server, which wrote them as a part of a line */
export function capitalised(words) {
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/**
 * Make a sentence of such words.
 *
 * @param {string} words
 */
export function asSentence(words) {
  return words === "" || /[.!?…]$/.test(words) ? capitalised(words) : `${capitalised(words)}.`;
}

/** @param {number} bytes */
export function fileSize(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 1e6) return `${Math.round(bytes / 1e3)} kB`;
  return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
}

/** @param {number} seconds */
export function duration(seconds) {
  const whole = Math.round(seconds);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

/**
 * Write a moment of the server's as a person here says it, or as it came where it is none.
 *
 * @param {string} moment in ISO 8601
 */
export function clockTime(moment) {
  const date = new Date(moment);
  if (Number.isNaN(date.getTime())) return moment;
  const today = date.toDateString() === new Date().toDateString();
  return date.toLocaleString(
    [],
    today ? { timeStyle: "short" } : { dateStyle: "medium", timeStyle: "short" },
  );
}
