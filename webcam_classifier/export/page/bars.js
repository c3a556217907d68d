// A bar for each label, and one for the score of unknown.

import { percent as written, texts } from "./texts.js";

const MOST = 10; // with more labels than that, the likeliest are shown
const COLOURS = 9;

/** @type {(id: string) => any} */
const byId = (id) => document.getElementById(id);

/** The bars of one model. */
export class Bars {
  /** @type {any[]} */
  #rows;

  constructor(names) {
    this.names = names;
    this.#rows = Array.from({ length: Math.min(names.length, MOST) }, () => {
      const row = document.createElement("li");
      row.className = "bar";
      const [name, track, fill, percent] = ["bar-name", "track", "fill", "bar-percent"].map((kind) => {
        const part = document.createElement("span");
        part.className = kind;
        return part;
      });
      track.append(fill);
      row.append(name, track, percent);
      return { row, name, fill, percent };
    });
    byId("bars").replaceChildren(...this.#rows.map(({ row }) => row));
    this.clear();
  }

  show(answer) {
    const order = answer.probabilities.map((_, number) => number);
    if (order.length > MOST) order.sort((a, b) => answer.probabilities[b] - answer.probabilities[a]);
    this.#rows.forEach(({ row, name, fill, percent }, place) => {
      const number = order[place];
      this.#label(row, name, number);
      const share = answer.probabilities[number];
      row.classList.toggle("best", this.names[number] === answer.name && !answer.isUnknown);
      fill.style.setProperty("--share", share);
      percent.textContent = written(share);
    });
    this.#unknown(answer);
  }

  clear() {
    this.#rows.forEach(({ row, name, fill, percent }, number) => {
      this.#label(row, name, number);
      row.classList.remove("best");
      fill.style.setProperty("--share", 0);
      percent.textContent = "–";
    });
    byId("unknown-words").textContent = "–";
    byId("unknown").querySelector(".fill").style.setProperty("--share", 0);
    byId("unknown").classList.remove("over");
  }

  #label(row, name, number) {
    name.textContent = this.names[number];
    name.title = this.names[number];
    row.style.setProperty("--label", `var(--label-${(number % COLOURS) + 1})`);
  }

  #unknown({ unknownScore, unknownThreshold, isUnknown }) {
    if (unknownScore === null || unknownThreshold === null) return;
    // The threshold stands in the middle.
    const share = Math.min(1, Math.max(0, unknownScore / unknownThreshold / 2));
    byId("unknown").querySelector(".fill").style.setProperty("--share", share);
    byId("unknown").classList.toggle("over", isUnknown);
    byId("unknown-words").textContent = isUnknown ? texts.answers.yes : texts.answers.no;
  }
}
