// Try pictures: each is sent, and shown with its answer. None is kept unless it is added to a label.

import { find, make, setText } from "./elements.js";
import { alert } from "./notices.js";
import { PictureAnswer } from "./picture_answer.js";
import { PictureTeaching } from "./picture_teaching.js";
import { texts } from "./texts.js";

/** @typedef {import("./studio.js").Studio} Studio */
/** @typedef {import("./types.js").PictureAnswer} Answer */

const MOST = 24; // pictures at once
const SETTLED = 500; // milliseconds without a change after which all are classified again

/**
 * What the pictures are tried with.
 *
 * @typedef {object} Asked
 * @property {(file: File) => Promise<Answer>} classify
 * @property {() => string[]} labels those that there are, in their order
 * @property {() => number | undefined} most bytes of a picture
 * @property {() => boolean} isPart whether only a part of each picture is looked at
 * @property {Studio} [studio] where pictures may become snapshots
 */

export class TryDialog {
  #asked;
  #part = make("p", { class: "hint try-part", "data-testid": "try-part" }, texts.trying.part);
  #list = make("ul", { class: "tried-list", "data-testid": "tried-list" });
  #said = make("p", { class: "visually-hidden", role: "status", "data-testid": "tried-said" });
  #back = make("button", { type: "button", class: "primary", "data-testid": "try-back" }, texts.trying.back);
  #dialog;
  /** @type {{shown: PictureAnswer, teaching: PictureTeaching | null}[]} newest first */
  #tried = [];
  #round = 0; // counts how often all were asked about
  /** The requests so far: one after another, because the live picture needs the device as well. */
  #asking = Promise.resolve();
  #version = "";
  #timer = 0;

  /** @param {Asked} asked */
  constructor(asked) {
    this.#asked = asked;
    const more = this.#chooser();
    this.#dialog = make(
      "dialog",
      { class: "label-dialog try-dialog", "aria-labelledby": "try-title", "data-testid": "try-dialog" },
      make("div", { class: "dialog-head" }, make("h2", { id: "try-title" }, texts.trying.dialogTitle)),
      make("div", { class: "try-body", tabindex: "0", role: "group", "aria-labelledby": "try-title" }, this.#part, this.#list),
      this.#said,
      make(
        "div",
        { class: "dialog-foot" },
        more,
        ...(asked.studio ? [make("p", { class: "hint" }, texts.trying.nothingRecorded)] : []),
        this.#back,
      ),
    );
    document.body.append(this.#dialog);
    this.#dialog.addEventListener("close", () => this.#forgetAll());
    this.#back.addEventListener("click", () => {
      this.#dialog.close();
      find("stage", HTMLDivElement).focus();
    });
    this.listenTo(find("try-pictures", HTMLInputElement));
  }

  /**
   * Try what is chosen with an input.
   *
   * @param {HTMLInputElement} input
   */
  listenTo(input) {
    input.addEventListener("change", () => {
      const files = [...(input.files ?? [])];
      input.value = "";
      this.offer(files);
    });
  }

  /** @param {File[]} files */
  offer(files) {
    if (files.length === 0) return;
    if (document.querySelector("dialog[open]:not(.try-dialog)")) {
      alert(texts.trying.busy);
      return;
    }
    if (!this.#dialog.open) {
      this.#dialog.showModal();
      this.#back.focus();
    }
    this.#part.hidden = !this.#asked.isPart();
    if (files.length > MOST) alert(texts.trying.most(MOST));
    const added = files.slice(0, MOST).map((file) => this.#added(file));
    this.#list.prepend(...added.map((one) => one.shown.element));
    this.#tried = [...added, ...this.#tried];
    for (const gone of this.#tried.splice(MOST)) gone.shown.forget();
    this.#list.parentElement?.scrollTo({ top: 0 });
    this.#askLater(added);
  }

  /**
   * Classify all pictures again if the model has changed, once it has settled.
   *
   * @param {string} version of what answers
   */
  update(version) {
    if (version === this.#version) return;
    this.#version = version;
    clearTimeout(this.#timer);
    if (!this.#dialog.open) return;
    this.#timer = setTimeout(() => {
      this.#round += 1;
      this.#part.hidden = !this.#asked.isPart();
      this.#askLater(this.#tried);
    }, SETTLED);
  }

  #chooser() {
    const accept = find("try-pictures", HTMLInputElement).accept;
    const input = make("input", {
      id: "try-more",
      class: "file-input",
      type: "file",
      multiple: "",
      accept,
      "data-testid": "try-more",
    });
    this.listenTo(input);
    const label = make("label", { for: "try-more", class: "file-button" }, texts.trying.more);
    return make("span", { class: "try-choice" }, input, label);
  }

  /** @param {File} file */
  #added(file) {
    const studio = this.#asked.studio;
    const teaching = studio ? new PictureTeaching(studio, file) : null;
    return { shown: new PictureAnswer(file, this.#asked.labels, teaching?.element), teaching };
  }

  /** @param {{shown: PictureAnswer, teaching: PictureTeaching | null}[]} tried */
  #askLater(tried) {
    const round = this.#round;
    this.#asking = this.#asking.then(() => this.#askAbout(tried, round));
  }

  /**
   * @param {{shown: PictureAnswer, teaching: PictureTeaching | null}[]} tried
   * @param {number} round in which they are asked about; another one takes over
   */
  async #askAbout(tried, round) {
    for (const { shown, teaching } of tried) {
      if (round !== this.#round) return;
      const before = shown.verdict;
      try {
        const answer = await this.#answer(shown.file);
        shown.show(answer);
        teaching?.offer(answer.likeliest ?? null);
      } catch (error) {
        shown.fail(error instanceof Error ? error.message : String(error));
      }
      if (this.#dialog.open && shown.verdict !== before) setText(this.#said, shown.said);
    }
  }

  /** @param {File} file */
  async #answer(file) {
    const isOther = file.type !== "" && !file.type.startsWith("image/");
    // A folder also has a name and a size, but its content can't be read.
    const isThere = await file.slice(0, 1).arrayBuffer().then(
      (read) => read.byteLength > 0,
      () => false,
    );
    if (isOther || !isThere) throw new Error(texts.trying.noPicture(file.name));
    const most = this.#asked.most();
    if (most !== undefined && file.size > most)
      throw new Error(texts.importing.tooLarge(file.name, file.size, most));
    return this.#asked.classify(file);
  }

  #forgetAll() {
    this.#round += 1;
    clearTimeout(this.#timer);
    for (const { shown } of this.#tried) shown.forget();
    this.#tried = [];
    setText(this.#said, "");
  }
}
