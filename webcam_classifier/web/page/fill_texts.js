// Put the texts into the elements of index.html: the key in `data-text` gives an element's text, that
// in `data-text-placeholder` its placeholder, and so on.

const ATTRIBUTES = ["aria-label", "placeholder", "title"];

/**
 * @param {object} texts groups of texts by name, `language` among them
 */
export function fillTexts(texts) {
  document.documentElement.lang = textOf(texts, "language");
  for (const element of document.querySelectorAll("[data-text]"))
    element.textContent = textOf(texts, element.getAttribute("data-text"));
  for (const attribute of ATTRIBUTES)
    for (const element of document.querySelectorAll(`[data-text-${attribute}]`))
      element.setAttribute(attribute, textOf(texts, element.getAttribute(`data-text-${attribute}`)));
}

/**
 * @param {object} texts
 * @param {string | null} key such as `gather.title`
 * @returns {string}
 */
function textOf(texts, key) {
  /** @type {any} */
  let found = texts;
  for (const part of (key ?? "").split(".")) found = found?.[part];
  if (typeof found !== "string") throw new Error(`There is no text ${key}`);
  return found;
}
