// The review: a grid of suspect snapshots and pictures without a label, to be moved or removed.

import { find, make, reconcile, setText } from "./elements.js";
import { alertError, notice } from "./notices.js";
import { showPicture } from "./thumbnail.js";
import { texts } from "./texts.js";
import { capitalised } from "./words.js";

/** @typedef {import("./studio.js").Studio} Studio */
/** @typedef {import("./types.js").State} State */
/** @typedef {import("./types.js").Suspect} Suspect */
/** @typedef {import("./types.js").UnlabelledPicture} UnlabelledPicture */
/** @typedef {"label" | "copy" | "quality" | "unlabelled"} Kind */

/**
 * @typedef {object} Item
 * @property {string | null} label null for an unlabelled picture
 * @property {string} name
 * @property {string} suggested the label that it looks like; empty where nothing is suggested
 * @property {string} words
 */

const THUMBNAIL = 240; // pixels of the longer side
const AT_ONCE = 400; // pictures in one request
const LOOKED_AT = 2000; // data sets up to this many snapshots are checked automatically
const QUIET = 3000; // milliseconds without a change before that
// Values of choices that are no label: a label's name can't have a slash.
const AS_SUGGESTED = "/suggested"; // move each where it seems to belong
const NOT_CHOSEN = "/";

const KINDS = /** @type {Kind[]} */ (Object.keys(texts.review.kinds));

export class ReviewDialog {
  #studio;
  #button = find("review", HTMLButtonElement);
  #dialog = find("review-dialog", HTMLDialogElement);
  #kinds = /** @type {HTMLFieldSetElement} */ (document.getElementById("review-kinds"));
  #words = find("review-words", HTMLParagraphElement);
  #list = find("review-pictures", HTMLUListElement);
  #all = find("review-all", HTMLButtonElement);
  #to = find("review-to", HTMLSelectElement);
  #move = find("review-move", HTMLButtonElement);
  #remove = find("review-remove", HTMLButtonElement);
  #undo = find("review-undo", HTMLButtonElement);
  /** @type {Map<string, HTMLLIElement>} */
  #elements = new Map();
  /** @type {Record<Kind, Item[]>} */
  #items = { label: [], copy: [], quality: [], unlabelled: [] };
  /** @type {Kind} */
  #kind = "label";
  #isLooking = false;
  #isKnown = false; // whether it was looked through at all
  #isBusy = false;
  #timer = 0;
  #seen = ""; // the snapshots that were looked through
  #labels = "";
  #isPicked = false; // whether somebody chose where to move to

  /** @param {Studio} studio */
  constructor(studio) {
    this.#studio = studio;
    this.#button.addEventListener("click", () => void this.#open());
    find("review-close", HTMLButtonElement).addEventListener("click", () => this.#dialog.close());
    this.#dialog.addEventListener("click", (event) => {
      if (event.target === this.#dialog) this.#dialog.close(); // beside it
    });
    this.#kinds.addEventListener("change", (event) => {
      if (event.target instanceof HTMLInputElement)
        this.#choose(/** @type {Kind} */ (event.target.value));
    });
    this.#list.addEventListener("change", () => this.#showChosen());
    this.#to.addEventListener("change", () => {
      this.#isPicked = true;
      this.#showChosen();
    });
    this.#all.addEventListener("click", () => this.#chooseAll());
    this.#move.addEventListener("click", () => void this.#moveTo(this.#to.value));
    this.#remove.addEventListener("click", () => void this.#removeChosen());
    this.#undo.addEventListener("click", () => void this.#undoLast());
    this.#dialog.addEventListener("keydown", (event) => this.#obey(event));
    for (const kind of KINDS) this.#addTab(kind);
  }

  /** @param {State} state */
  update(state) {
    const count = state.labels.reduce((sum, label) => sum + label.count, 0);
    this.#button.hidden = count + state.unlabelled === 0;
    this.#showButton(state);
    this.#showLabels(state);
    this.#showChosen();
    const now = JSON.stringify([state.labels.map((label) => [label.name, label.count]), state.unlabelled]);
    const isSettled = state.pending === 0 && state.recording === null && count <= LOOKED_AT;
    if (now === this.#seen || !isSettled || this.#isBusy) return;
    this.#seen = now;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#look(), QUIET);
  }

  async #open() {
    this.#dialog.showModal();
    if (this.#isKnown) this.#chooseFirst();
    this.#show();
    clearTimeout(this.#timer);
    const isFirst = !this.#isKnown;
    await this.#look();
    if (isFirst) this.#chooseFirst();
    this.#show();
  }

  /** Choose the first kind that has pictures. */
  #chooseFirst() {
    this.#choose(KINDS.find((kind) => this.#items[kind].length > 0) ?? "label");
  }

  async #look() {
    if (this.#isLooking) return;
    this.#isLooking = true;
    this.#show();
    try {
      const answer = await this.#studio.review();
      for (const kind of /** @type {const} */ (["label", "copy", "quality"]))
        this.#items[kind] = answer.suspects.filter((one) => one.reason === kind).map(itemOf);
      this.#items.unlabelled = answer.unlabelled.map(unlabelledItemOf);
      this.#isKnown = true;
      this.#showUndo(answer.undo);
    } catch (error) {
      if (this.#dialog.open) alertError(error);
    }
    this.#isLooking = false;
    this.#show();
  }

  #show() {
    if (this.#studio.state) this.#showButton(this.#studio.state);
    if (!this.#dialog.open) return;
    for (const kind of KINDS) {
      const tab = this.#kinds.querySelector(`input[value="${kind}"]`);
      const count = this.#items[kind].length;
      const label = tab?.parentElement;
      if (label) label.hidden = kind === "unlabelled" && count === 0 && this.#kind !== "unlabelled";
      if (tab?.nextElementSibling)
        setText(tab.nextElementSibling, `${texts.review.kinds[kind].tab}${this.#isKnown ? ` ${count}` : ""}`);
      if (tab instanceof HTMLInputElement) tab.checked = kind === this.#kind;
    }
    const items = this.#items[this.#kind];
    const { words, none } = texts.review.kinds[this.#kind];
    setText(this.#words, this.#isKnown ? (items.length ? words : none) : texts.review.looking);
    const keys = new Map(items.map((item) => [JSON.stringify([item.label, item.name]), item]));
    reconcile(this.#list, this.#elements, [...keys.keys()], (key) =>
      picture(/** @type {Item} */ (keys.get(key))),
    );
    if (this.#studio.state) this.#showLabels(this.#studio.state);
    this.#showChosen();
  }

  /** @param {Kind} kind */
  #choose(kind) {
    if (kind !== this.#kind) {
      this.#list.replaceChildren();
      this.#elements.clear();
      this.#labels = "";
      this.#isPicked = false;
    }
    this.#kind = kind;
    this.#show();
  }

  /** @param {Kind} kind */
  #addTab(kind) {
    const input = make("input", {
      type: "radio",
      name: "review-kind",
      value: kind,
      "data-testid": `review-${kind}`,
    });
    this.#kinds.append(make("label", {}, input, make("span", {}, texts.review.kinds[kind].tab)));
  }

  /** @param {State} state */
  #showButton(state) {
    const wrong = this.#items.label.length;
    setText(this.#button, texts.review.button(wrong, state.unlabelled));
    this.#button.classList.toggle("quiet", wrong + state.unlabelled === 0);
  }

  /** @param {State} state */
  #showLabels(state) {
    const names = state.labels.map((label) => label.name);
    const suggests = this.#items[this.#kind].some((item) => item.suggested !== "");
    const now = JSON.stringify([names, suggests]);
    if (now === this.#labels) return;
    this.#labels = now;
    const chosen = this.#isPicked ? this.#to.value : "";
    const options = names.map((name) => make("option", { value: name }, texts.review.toLabel(name)));
    const first = suggests
      ? make("option", { value: AS_SUGGESTED }, texts.review.toSuggested)
      : make("option", { value: NOT_CHOSEN }, texts.review.toWhich);
    this.#to.replaceChildren(first, ...options);
    this.#isPicked = names.includes(chosen);
    if (this.#isPicked) this.#to.value = chosen;
  }

  get #chosen() {
    return this.#items[this.#kind].filter((item) => boxOf(this.#elements, item)?.checked);
  }

  #showChosen() {
    const count = this.#chosen.length;
    const every = this.#items[this.#kind].length;
    const mayTeach = this.#studio.mayTeach && !this.#isBusy;
    this.#all.disabled = every === 0;
    setText(this.#all, count > 0 && count === every ? texts.review.none : texts.review.all);
    this.#move.disabled = !mayTeach || count === 0 || this.#to.value === NOT_CHOSEN;
    this.#remove.disabled = !mayTeach || count === 0;
    setText(this.#move, count > 0 ? texts.review.moveCount(count) : texts.review.move);
    setText(this.#remove, count > 0 ? texts.review.removeCount(count) : texts.review.remove);
  }

  #chooseAll() {
    const items = this.#items[this.#kind];
    const all = this.#chosen.length < items.length;
    for (const item of items) {
      const box = boxOf(this.#elements, item);
      if (box) box.checked = all;
    }
    this.#showChosen();
  }

  /** @param {KeyboardEvent} event */
  #obey(event) {
    if ((event.ctrlKey || event.metaKey) && event.code === "KeyZ" && !event.shiftKey) {
      event.preventDefault();
      if (!event.repeat) void this.#undoLast();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || event.target instanceof HTMLSelectElement)
      return;
    if (event.key === "Delete" || event.key === "Backspace") {
      event.preventDefault();
      if (!this.#remove.disabled) void this.#removeChosen();
      return;
    }
    const digit = /^(?:Digit|Numpad)([1-9])$/.exec(event.code)?.[1];
    const label = this.#studio.state?.labels.find((one) => one.key === digit)?.name;
    if (digit === undefined || label === undefined || this.#remove.disabled) return;
    event.preventDefault();
    void this.#moveTo(label);
  }

  /** @param {string} to */
  async #moveTo(to) {
    /** @type {Map<string, Item[]>} */
    const ways = new Map();
    for (const item of this.#chosen) {
      const label = to === AS_SUGGESTED ? item.suggested : to;
      if (label && label !== item.label) ways.set(label, [...(ways.get(label) ?? []), item]);
    }
    await this.#change(async () => {
      for (const [label, items] of ways)
        await this.#inParts(items, (chosen) => this.#studio.moveReviewed(chosen, label));
      const count = [...ways.values()].flat().length;
      const [where] = ways.keys();
      notice(
        ways.size === 1 ? texts.review.moved(count, where) : texts.review.movedToSuggested(count),
      );
    });
  }

  async #removeChosen() {
    await this.#change(async () => {
      const items = this.#chosen;
      await this.#inParts(items, (chosen) => this.#studio.removeReviewed(chosen));
      notice(texts.review.removed(items.length));
    });
  }

  async #undoLast() {
    if (this.#undo.disabled) return;
    await this.#change(async () => {
      const { undone, undo } = await this.#studio.undoReviewed();
      this.#showUndo(undo);
      if (undone) notice(texts.review.movedBack(undone.count));
    });
    await this.#look();
  }

  /**
   * Change something, and keep the keyboard in the grid afterwards.
   *
   * @param {() => Promise<void>} work
   */
  async #change(work) {
    if (this.#isBusy) return;
    const focused = document.activeElement?.closest("li");
    const place = focused ? [...this.#list.children].indexOf(focused) : 0;
    this.#isBusy = true;
    this.#showChosen();
    try {
      await work();
    } catch (error) {
      alertError(error);
      this.#isBusy = false;
      await this.#look();
    }
    this.#isBusy = false;
    this.#show();
    const next = this.#list.children[Math.min(place, this.#list.childElementCount - 1)];
    (next?.querySelector("input") ?? find("review-close", HTMLButtonElement)).focus();
  }

  /**
   * @param {Item[]} items
   * @param {(chosen: import("./types.js").Chosen) => Promise<{undo: import("./types.js").UndoableMoves | null}>} send
   */
  async #inParts(items, send) {
    for (let start = 0; start < items.length; start += AT_ONCE) {
      const some = items.slice(start, start + AT_ONCE);
      const unlabelled = some.filter((item) => item.label === null).map((item) => item.name);
      /** @type {[string, string][]} */
      const pictures = [];
      for (const item of some) if (item.label !== null) pictures.push([item.label, item.name]);
      const { undo } = await send({ pictures, unlabelled });
      this.#showUndo(undo);
      const gone = new Set(some);
      for (const kind of KINDS)
        this.#items[kind] = this.#items[kind].filter((item) => !gone.has(item));
    }
  }

  /** @param {import("./types.js").UndoableMoves | null} undo */
  #showUndo(undo) {
    this.#undo.disabled = undo === null || !this.#studio.mayTeach;
    const { undoMoving, undoRemoving } = texts.review;
    const what = undo?.to == null ? undoRemoving : undoMoving;
    setText(this.#undo, undo === null ? texts.undo : what(undo.count));
  }
}

/**
 * @param {Suspect} suspect
 * @returns {Item}
 */
function itemOf(suspect) {
  const { label, name, reason, about, probability } = suspect;
  const words = {
    label: texts.review.looksLike(label, about, probability),
    copy: texts.review.copyOf(label),
    quality: texts.review.wrongWith(label, about),
  }[reason];
  return { label, name, suggested: reason === "label" ? about : "", words };
}

/**
 * @param {UnlabelledPicture} one
 * @returns {Item}
 */
function unlabelledItemOf(one) {
  const reason = one.reason === "change" ? texts.review.beforeChange : (one.reason ?? "");
  const guess = one.guess ? texts.review.guess(one.guess, one.confidence ?? 0) : "";
  return {
    label: null,
    name: one.name,
    suggested: "", // the model was not sure, so a person has to decide
    words: capitalised([reason, guess].filter(Boolean).join("; ")),
  };
}

/** @param {Item} item */
function picture(item) {
  const image = make("img", { alt: "", loading: "lazy", decoding: "async" });
  showPicture(image, item.label, item.name, THUMBNAIL);
  const box = make("input", { type: "checkbox", "data-testid": "review-box" });
  const words = make("span", { class: "review-caption", dir: "auto" }, item.words || item.name);
  return make(
    "li",
    { "data-testid": "review-picture", "data-file": item.name, title: item.name },
    make("label", {}, box, image, words),
  );
}

/**
 * @param {Map<string, HTMLLIElement>} elements
 * @param {Item} item
 */
function boxOf(elements, item) {
  return elements.get(JSON.stringify([item.label, item.name]))?.querySelector("input") ?? null;
}
