// The dialog of one label: rename it, look through its snapshots, add and remove some, remove it.

import { confirm } from "./confirm.js";
import { find, make, reconcile, setText } from "./elements.js";
import { alertError, notice } from "./notices.js";
import { showPicture } from "./thumbnail.js";
import { texts } from "./texts.js";
import { colourOf } from "./words.js";

/** @typedef {import("./studio.js").Studio} Studio */
/** @typedef {import("./types.js").State} State */

const THUMBNAIL = 240; // pixels of the longer side
const CORRECTED = /-corrected\.[^.]+$/; // in the name of a snapshot that corrected a prediction

export class LabelDialog {
  #studio;
  #onRemoved;
  #onFiles;
  #label = "";
  #count = -1;
  #dialog = find("label-dialog", HTMLDialogElement);
  #name = find("rename-name", HTMLInputElement);
  #files = find("add-pictures", HTMLInputElement);
  #list = find("label-pictures", HTMLUListElement);
  /** @type {Map<string, HTMLLIElement>} */
  #pictures = new Map();

  /**
   * @param {Studio} studio
   * @param {() => void} onRemoved once the label is gone, and the element with the focus as well
   * @param {(label: string | null, files: File[]) => void} onFiles that were chosen for it
   */
  constructor(studio, onRemoved, onFiles) {
    this.#studio = studio;
    this.#onRemoved = onRemoved;
    this.#onFiles = onFiles;
    find("label-dialog-close", HTMLButtonElement).addEventListener("click", () =>
      this.#dialog.close(),
    );
    find("remove-label", HTMLButtonElement).addEventListener(
      "click",
      () => void this.#removeLabel(),
    );
    find("rename-form", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#rename();
    });
    this.#files.addEventListener("change", () => this.#addPictures());
    this.#dialog.addEventListener("click", (event) => {
      if (event.target === this.#dialog) this.#dialog.close(); // beside it
    });
  }

  /** @param {string} label */
  async open(label) {
    this.#show(label);
    this.#count = -1;
    this.#list.replaceChildren();
    this.#pictures.clear();
    this.#dialog.showModal();
    if (this.#studio.state) this.update(this.#studio.state);
  }

  /** @param {State} state */
  update(state) {
    if (!this.#dialog.open) return;
    const place = state.labels.findIndex((label) => label.name === this.#label);
    const label = state.labels[place];
    if (!label) {
      this.#dialog.close();
      return;
    }
    find("label-dialog-key", HTMLSpanElement).dataset.colour = colourOf(place);
    setText(find("label-dialog-key", HTMLSpanElement), String(place + 1));
    setText(find("label-pictures-title", HTMLHeadingElement), texts.label.snapshots(label.count));
    const hint = texts.label.removedTo(this.#studio.removedFolder);
    setText(find("removed-hint", HTMLParagraphElement), hint);
    if (label.count !== this.#count) {
      this.#count = label.count;
      void this.#load();
    }
  }

  /** @param {string} label */
  #show(label) {
    this.#label = label;
    this.#name.value = label;
    setText(find("label-dialog-title", HTMLHeadingElement), label);
  }

  async #load() {
    const label = this.#label;
    try {
      const files = await this.#studio.pictures(label);
      if (label !== this.#label) return;
      find("no-pictures", HTMLParagraphElement).hidden = files.length > 0;
      this.#list.hidden = files.length === 0;
      reconcile(this.#list, this.#pictures, files, (file) => this.#picture(label, file));
    } catch (error) {
      alertError(error);
    }
  }

  /**
   * @param {string} label
   * @param {string} file
   */
  #picture(label, file) {
    const picture = make("img", { alt: texts.label.snapshot(file), loading: "lazy", decoding: "async" });
    showPicture(picture, label, file, THUMBNAIL);
    const remove = make("button", {
      type: "button",
      "aria-label": texts.label.removeSnapshot(file),
      "data-testid": "remove-picture",
      "data-file": file,
    });
    remove.addEventListener("click", () => void this.#removePicture(file));
    const kind = CORRECTED.test(file) ? "corrected" : "";
    return make(
      "li",
      { class: kind, "data-testid": "label-picture", "data-file": file },
      picture,
      remove,
    );
  }

  /** @param {string} file */
  async #removePicture(file) {
    const element = this.#pictures.get(file);
    const neighbour = element?.nextElementSibling ?? element?.previousElementSibling;
    try {
      await this.#studio.removePicture(this.#label, file);
    } catch (error) {
      alertError(error);
      return;
    }
    element?.remove();
    this.#pictures.delete(file);
    const next =
      neighbour?.querySelector("button") ?? find("label-dialog-close", HTMLButtonElement);
    next.focus();
    notice(texts.label.movedTo(this.#studio.removedFolder));
  }

  #addPictures() {
    const files = [...(this.#files.files ?? [])];
    this.#files.value = "";
    this.#onFiles(this.#label, files);
  }

  async #rename() {
    const name = this.#name.value.trim().normalize("NFC");
    if (!name || name === this.#label) return;
    const before = this.#label;
    this.#show(name); // before the new state comes, in which the old name is gone
    try {
      await this.#studio.renameLabel(before, name);
      notice(texts.label.renamed(before, name));
    } catch (error) {
      this.#show(before);
      alertError(error);
    }
  }

  async #removeLabel() {
    const label = this.#label;
    const folder = this.#studio.removedFolder;
    const text = texts.label.removeWords(this.#count, folder);
    if (!(await confirm(texts.label.removeSure(label), text, texts.label.remove))) return;
    try {
      await this.#studio.removeLabel(label);
      this.#dialog.close();
      notice(texts.label.removed(label, folder));
      this.#onRemoved();
    } catch (error) {
      alertError(error);
    }
  }
}
