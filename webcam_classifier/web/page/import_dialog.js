// Import other tools' data sets, or pictures for a label: send them, show them, add them after a yes.

import { make, setText } from "./elements.js";
import { alert, notice } from "./notices.js";
import { Refused } from "./studio.js";
import { number, texts } from "./texts.js";

/** @typedef {import("./studio.js").Studio} Studio */
/** @typedef {import("./types.js").ImportAnswer} ImportAnswer */

const LOOK_EVERY = 300; // milliseconds between two looks at how far the studio is
const SHOWN_OPEN = 4; // files that were left out, up to which they are listed at once

/** @param {File} file */
export function isArchive(file) {
  return /\.(zip|tm)$/i.test(file.name) || /zip/.test(file.type);
}

/** Return the name under which a file is sent: the studio recognises a zip file by its ending.
 *
 * @param {File} file */
function sentName(file) {
  return isArchive(file) && !/\.(zip|tm)$/i.test(file.name) ? `${file.name}.zip` : file.name;
}

export class ImportDialog {
  #studio;
  #title = make("h2", { id: "import-title" });
  #lead = make("p", { class: "import-lead", role: "status", "data-testid": "import-lead" });
  #bar = make("progress", { class: "import-bar", "aria-labelledby": "import-title" });
  #problem = make("p", { class: "problem", role: "alert", "data-testid": "import-problem" });
  #found = make("div", { class: "import-found", tabindex: "0", role: "group", "aria-labelledby": "import-title" });
  #cancel = make("button", { type: "button", class: "quiet", "data-testid": "import-cancel" });
  #add = make("button", { type: "button", class: "primary", "data-testid": "import-add" });
  #dialog = make(
    "dialog",
    { class: "label-dialog import-dialog", "aria-labelledby": "import-title", "data-testid": "import-dialog" },
    make("div", { class: "dialog-head" }, this.#title),
    make("div", { class: "import-body" }, this.#lead, this.#bar, this.#problem, this.#found),
    make("div", { class: "dialog-foot" }, this.#cancel, this.#add),
  );
  #import = ""; // what the studio calls it
  #isCancelled = false;
  /** @type {(isWanted: boolean) => void} */
  #decide = () => {};
  /** @type {XMLHttpRequest | null} */
  #sending = null;

  /** @param {Studio} studio */
  constructor(studio) {
    this.#studio = studio;
    document.body.append(this.#dialog);
    this.#cancel.addEventListener("click", () => this.#stop());
    this.#add.addEventListener("click", () => this.#decide(true));
    this.#dialog.addEventListener("cancel", (event) => {
      event.preventDefault(); // it closes once the studio has cancelled it
      this.#stop();
    });
  }

  /**
   * Send files, show what they are, and add them if the person agrees; one after another.
   *
   * @param {string | null} label that they show; null for zip files that say it themselves
   * @param {File[]} files
   */
  async offer(label, files) {
    if (this.#dialog.open) {
      alert(texts.importing.busy);
      return;
    }
    const archives = files.filter(isArchive);
    const pictures = files.filter((file) => !isArchive(file));
    if (label === null && pictures.length > 0) alert(texts.importing.needsLabel);
    const groups = archives.map((file) => [file]);
    if (label !== null && pictures.length > 0) groups.push(pictures);
    for (const group of groups) {
      const large = this.#tooLarge(group);
      if (large) alert(large);
      else await this.#offerOne(label, group);
    }
  }

  /**
   * @param {string | null} label
   * @param {File[]} files
   */
  async #offerOne(label, files) {
    const title =
      label === null || isArchive(files[0])
        ? files[0].name
        : texts.importing.titleOfPictures(files.length, label);
    setText(this.#title, title);
    this.#isCancelled = false;
    this.#problem.hidden = true;
    this.#found.hidden = true;
    this.#show(texts.importing.sending);
    this.#dialog.showModal();
    this.#cancel.focus();
    try {
      this.#import = await this.#studio.beginImport(label);
      if (this.#isCancelled) await this.#drop(); // it had no id yet when it was cancelled
      this.#goOn();
      await this.#send(files);
      this.#show(texts.importing.reading);
      const shown = await this.#followed(this.#studio.lookAtImport(this.#import));
      this.#goOn();
      this.#showFound(shown);
      if (await this.#agreed()) {
        this.#show(texts.importing.adding);
        const done = await this.#followed(this.#studio.addImport(this.#import));
        this.#import = "";
        this.#dialog.close();
        notice(texts.importing.added(done.count, done.labels.length));
      }
    } catch (error) {
      if (!this.#isCancelled) await this.#showProblem(error);
    }
    await this.#letGo();
    this.#dialog.close();
  }

  /** @param {File[]} files */
  #tooLarge(files) {
    const limits = this.#studio.state?.limits;
    if (!limits) return "";
    for (const file of files) {
      const most = isArchive(file) ? limits.zip_bytes : limits.picture_bytes;
      if (file.size > most) return texts.importing.tooLarge(file.name, file.size, most);
    }
    const size = files.reduce((sum, file) => sum + file.size, 0);
    return size > limits.zip_bytes
      ? texts.importing.allTooLarge(files.length, size, limits.zip_bytes)
      : "";
  }

  /** @param {File[]} files */
  async #send(files) {
    const all = files.reduce((sum, file) => sum + file.size, 0);
    let before = 0;
    for (const file of files) {
      await this.#sendOne(file, (sent) => this.#showShare((before + sent) / all));
      before += file.size;
      this.#showShare(before / all);
    }
  }

  /**
   * @param {File} file
   * @param {(bytes: number) => void} onSent
   * @returns {Promise<void>}
   */
  #sendOne(file, onSent) {
    return new Promise((resolve, reject) => {
      const request = this.#studio.importRequest(this.#import, sentName(file));
      this.#sending = request;
      request.upload.onprogress = (event) => onSent(event.loaded);
      request.onerror = request.onabort = () => reject(new Refused(texts.importing.unreachable));
      request.onload = () => {
        if (request.status === 200) resolve();
        else reject(new Refused(errorOf(request.responseText) ?? texts.importing.unreachable));
      };
      if (this.#isCancelled) reject(new Refused(texts.importing.unreachable));
      else request.send(file);
    });
  }

  /**
   * Show the studio's progress while it works.
   *
   * @template T
   * @param {Promise<T>} work
   * @returns {Promise<T>}
   */
  async #followed(work) {
    const timer = setInterval(async () => {
      const { done, total } = await this.#studio
        .importProgress(this.#import)
        .catch(() => ({ done: 0, total: null }));
      if (total) this.#showShare(done / total);
    }, LOOK_EVERY);
    try {
      return await work;
    } finally {
      clearInterval(timer);
    }
  }

  /** @returns {Promise<boolean>} */
  #agreed() {
    return new Promise((resolve) => {
      this.#decide = resolve;
    });
  }

  /** Stop if the import was cancelled while the studio was working. */
  #goOn() {
    if (this.#isCancelled) throw new Error("cancelled");
  }

  #stop() {
    if (this.#isCancelled) return;
    this.#isCancelled = true;
    setText(this.#lead, texts.importing.cancelling);
    this.#sending?.abort();
    this.#decide(false);
    void this.#drop();
  }

  /** Have the studio delete the files, which also cancels its work on them. */
  async #drop() {
    if (!this.#import) return;
    await this.#studio.dropImport(this.#import).catch(() => {}); // it deletes them by itself later
  }

  async #letGo() {
    if (this.#import && !this.#isCancelled) await this.#drop();
    this.#import = "";
    this.#decide = () => {};
  }

  /** @param {string} words */
  #show(words) {
    setText(this.#lead, words);
    this.#lead.hidden = false;
    this.#bar.hidden = false;
    this.#bar.removeAttribute("value");
    this.#found.hidden = true;
    this.#add.hidden = true;
    setText(this.#cancel, texts.cancel);
  }

  /** @param {number} share 0 to 1 */
  #showShare(share) {
    this.#bar.value = Math.min(1, share);
  }

  /**
   * Show why nothing was added, until the dialog is closed.
   *
   * @param {unknown} error
   */
  async #showProblem(error) {
    this.#bar.hidden = true;
    this.#lead.hidden = true;
    this.#found.hidden = true;
    this.#add.hidden = true;
    setText(this.#problem, error instanceof Error ? error.message : String(error));
    this.#problem.hidden = false;
    setText(this.#cancel, texts.close);
    this.#cancel.focus();
    await this.#agreed();
  }

  /** @param {ImportAnswer} found */
  #showFound(found) {
    const tool = texts.importing.tools[found.tool] ?? found.tool;
    const words = found.count
      ? texts.importing.found(found.count, found.labels.length)
      : texts.importing.nothing;
    setText(this.#lead, tool ? `${tool}. ${words}` : words);
    this.#bar.hidden = true;
    this.#found.replaceChildren(...parts(found));
    this.#found.hidden = this.#found.childElementCount === 0;
    this.#add.hidden = found.count === 0;
    setText(this.#add, texts.importing.add(found.count));
    setText(this.#cancel, found.count === 0 ? texts.close : texts.cancel);
    (found.count === 0 ? this.#cancel : this.#add).focus();
  }
}

/** @param {ImportAnswer} found */
function parts(found) {
  const made = [];
  if (found.labels.length > 0) {
    const rows = found.labels.map((label) =>
      make(
        "li",
        { "data-testid": "import-label", "data-label": label.name },
        make("span", { class: "import-name", dir: "auto" }, label.name),
        ...(label.is_new ? [make("span", { class: "import-new" }, texts.importing.isNew)] : []),
        make("span", { class: "import-count" }, number(label.count)),
      ),
    );
    made.push(make("ul", { class: "import-labels" }, ...rows));
  }
  const sentences = [
    ...(found.known > 0 ? [texts.importing.known(found.known)] : []),
    ...found.renamed.map((one) => texts.importing.renamed(one.old, one.new)),
    ...found.notes,
  ];
  if (sentences.length > 0)
    made.push(
      make("ul", { class: "import-notes" }, ...sentences.map((words) => make("li", {}, words))),
    );
  if (found.left_out_count > 0) made.push(leftOut(found));
  return made;
}

/** @param {ImportAnswer} found */
function leftOut(found) {
  const lines = found.left_out.map((one) =>
    make("li", {}, make("b", { dir: "auto" }, one.name), ` ${one.reason}`),
  );
  const more = found.left_out_count - found.left_out.length;
  if (more > 0) lines.push(make("li", {}, texts.notices.more(more)));
  const made = make(
    "details",
    { class: "import-left-out", "data-testid": "import-left-out" },
    make("summary", {}, texts.importing.leftOut(found.left_out_count)),
    make("ul", {}, ...lines),
  );
  made.open = found.left_out_count <= SHOWN_OPEN;
  return made;
}

/** @param {string} answer */
function errorOf(answer) {
  try {
    return /** @type {string | undefined} */ (JSON.parse(answer).error);
  } catch {
    return undefined;
  }
}
