// The page's texts, before the model is loaded: a key in `data-text` becomes the element's text, one
// in `data-text-aria-label` its name.

import { texts } from "./texts.js";

document.documentElement.lang = texts.language;
for (const element of document.querySelectorAll("[data-text]")) {
  element.textContent = textOf(element.getAttribute("data-text"));
}
for (const element of document.querySelectorAll("[data-text-aria-label]")) {
  element.setAttribute("aria-label", textOf(element.getAttribute("data-text-aria-label")));
}

/** @param {string} key Such as `camera.title`. */
function textOf(key) {
  /** @type {any} */
  let found = texts;
  for (const part of key.split(".")) found = found?.[part];
  if (typeof found !== "string") throw new Error(`There is no text ${key}`);
  return found;
}
