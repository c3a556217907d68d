// Temporary messages at the lower edge, and announcements for screen readers only.

import { find, make, setText } from "./elements.js";
import { texts } from "./texts.js";

const SHOWN_FOR = 6000; // milliseconds
const PROBLEM_FOR = 15_000; // milliseconds, and more for each line to read
const LINE_FOR = 3000;
const LISTED = 4; // lines of a list

const notices = /** @type {HTMLElement} */ (document.querySelector(".notices"));
const place = find("notice", HTMLDivElement);
const alarm = find("alarm", HTMLDivElement);
const announcer = find("announcer", HTMLDivElement);
let timer = 0;
let shownFor = 0; // milliseconds, for the message that is shown

// A message stays while somebody is reading it or about to close it.
for (const begins of ["pointerenter", "focusin"])
  notices.addEventListener(begins, () => clearTimeout(timer));
for (const ends of ["pointerleave", "focusout"]) notices.addEventListener(ends, leaveLater);

// Outside of an open dialog, nothing can be reached; inside it, messages can be read and closed.
document.addEventListener("close", () => document.body.append(notices), true);

/**
 * Show a message for a while.
 *
 * @param {string} sentence
 */
export function notice(sentence) {
  show(place, sentence, []);
  shownFor = SHOWN_FOR;
  leaveLater();
}

/**
 * Show what went wrong, for longer.
 *
 * @param {string} sentence
 * @param {string[]} [details]
 */
export function alert(sentence, details = []) {
  show(alarm, sentence, details);
  shownFor = PROBLEM_FOR + LINE_FOR * Math.min(details.length, LISTED);
  leaveLater();
}

function leaveLater() {
  clearTimeout(timer);
  timer = setTimeout(clear, shownFor);
}

/**
 * Show what a change failed with.
 *
 * @param {unknown} error
 */
export function alertError(error) {
  alert(error instanceof Error ? error.message : String(error));
}

/**
 * Say something to a screen reader alone.
 *
 * @param {string} sentence
 */
export function announce(sentence) {
  setText(announcer, sentence);
}

/**
 * @param {HTMLElement} where
 * @param {string} sentence
 * @param {string[]} details
 */
function show(where, sentence, details) {
  clear();
  const host = [...document.querySelectorAll("dialog[open]")].at(-1) ?? document.body;
  if (notices.parentElement !== host) host.append(notices);
  const words = make("div", {}, make("p", {}, sentence));
  const left = details.length - LISTED;
  if (details.length > 0) {
    const lines = details.slice(0, LISTED).map((line) => make("li", {}, line));
    if (left > 0) lines.push(make("li", {}, texts.notices.more(left)));
    words.append(make("ul", {}, ...lines));
  }
  const close = make("button", { type: "button" }, texts.close);
  close.addEventListener("click", clear);
  where.append(make("div", { class: "notice" }, words, close));
}

function clear() {
  clearTimeout(timer);
  place.replaceChildren();
  alarm.replaceChildren();
}
