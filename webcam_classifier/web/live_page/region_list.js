// The label of each region, a line each; empty if one model labels the whole picture.

import { find, make, reconcile, setText } from "/page/elements.js";
import { percent } from "/page/words.js";
import { texts } from "./texts.js";

/** @typedef {import("/page/types.js").RegionAnswer} RegionAnswer */

const EVERY = 100; // milliseconds between two updates of the texts

/** @typedef {{element: HTMLElement, label: HTMLElement, words: HTMLElement}} Line */

export class RegionList {
  #list = find("regions", HTMLUListElement);
  #panel = /** @type {HTMLElement} */ (document.querySelector(".verdict-panel"));
  /** @type {Map<string, HTMLElement>} */
  #elements = new Map();
  /** @type {Map<string, Line>} */
  #lines = new Map();
  #at = 0;

  /** @param {string[]} names */
  update(names) {
    this.#list.hidden = names.length === 0;
    this.#panel.hidden = names.length > 0;
    reconcile(this.#list, this.#elements, names, (name) => this.#line(name).element);
  }

  /** @param {RegionAnswer[]} regions */
  show(regions) {
    const now = performance.now();
    if (now - this.#at < EVERY) return;
    this.#at = now;
    for (const region of regions) {
      const line = this.#lines.get(region.name);
      if (!line) continue;
      setText(line.label, region.unknown ? texts.unknown : region.label);
      setText(line.words, region.unknown ? texts.picture.perhaps(region.label) : percent(region.confidence));
    }
  }

  /** Show no labels while there is no picture. */
  rest() {
    this.#at = 0;
    for (const line of this.#lines.values()) {
      setText(line.label, "–");
      setText(line.words, "");
    }
  }

  /** @param {string} name */
  #line(name) {
    const label = make("b", { dir: "auto", "data-testid": "region-label" }, "–");
    const words = make("span", {});
    const element = make("li", { "data-region": name }, make("span", { dir: "auto" }, name), label, words);
    const line = { element, label, words };
    this.#lines.set(name, line);
    return line;
  }
}
