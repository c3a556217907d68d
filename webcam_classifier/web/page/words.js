// Formatting of names, times and figures; what depends on the language is in texts.js.

export { countedPercentage, duration, fileSize, many, percent } from "./texts.js";

/** The confidence from which an answer is shown as sure, as in the window of live.py. */
export const SURE_FROM = 0.7;

const COLOURS = 9;

/**
 * Return the number of a label's colour, 1 to 9, which is also its key.
 *
 * @param {number} place of the label, from 0
 */
export function colourOf(place) {
  return String((place % COLOURS) + 1);
}

/**
 * Begin a line with a capital letter, and keep each number and its per cent sign on one line.
 *
 * @param {string} words from the server
 */
export function capitalised(words) {
  return (words.charAt(0).toUpperCase() + words.slice(1)).replaceAll(" %", "\u00a0%");
}

/**
 * Make a sentence of words from the server.
 *
 * @param {string} words
 */
export function asSentence(words) {
  return words === "" || /[.!?…]$/.test(words) ? capitalised(words) : `${capitalised(words)}.`;
}

/**
 * Format a time from the server in the local way; anything else is returned unchanged.
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
