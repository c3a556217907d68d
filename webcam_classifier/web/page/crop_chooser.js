// The choice of a part of the picture: dragged with mouse or finger, or entered as four numbers.

import { find, setText } from "./elements.js";
import { alertError, announce, notice } from "./notices.js";
import { texts } from "./texts.js";

/** @typedef {import("./studio.js").Studio} Studio */
/** @typedef {import("./types.js").State} State */
/** @typedef {import("./types.js").Crop} Crop */

const SMALLEST = 0.05; // of a side
const WHOLE = { left: 0, top: 0, width: 1, height: 1 };
const MIDDLE = { left: 0.25, top: 0.25, width: 0.5, height: 0.5 };
const SIDES = /** @type {const} */ (["left", "top", "width", "height"]);

export class CropChooser {
  #studio;
  #onDraft;
  #stage = find("stage", HTMLDivElement);
  #canvas = find("picture", HTMLCanvasElement);
  #choose = find("choose-part", HTMLButtonElement);
  #whole = find("whole-picture", HTMLButtonElement);
  #form = find("part-form", HTMLFormElement);
  #fields = SIDES.map((side) => find(`part-${side}`, HTMLInputElement));
  /** @type {Crop | null} what is being chosen, as the camera sees it; null where nothing is */
  draft = null;
  /** @type {{x: number, y: number} | null} where the pointer went down, as fractions */
  #from = null;

  /**
   * @param {Studio} studio
   * @param {() => void} onDraft called when `draft` is another one
   */
  constructor(studio, onDraft) {
    this.#studio = studio;
    this.#onDraft = onDraft;
    this.#choose.addEventListener("click", () => (this.draft ? this.#close() : this.#open()));
    this.#whole.addEventListener("click", () => void this.#use(WHOLE));
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.draft) void this.#use(this.draft);
    });
    find("part-cancel", HTMLButtonElement).addEventListener("click", () => this.#close());
    addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !this.draft || document.querySelector("dialog[open]")) return;
      this.#close();
    });
    for (const field of this.#fields) field.addEventListener("change", () => this.#read());
    this.#stage.addEventListener("pointerdown", (event) => this.#press(event));
    this.#stage.addEventListener("pointermove", (event) => this.#drag(event));
    for (const end of ["pointerup", "pointercancel"])
      this.#stage.addEventListener(end, () => (this.#from = null));
  }

  /** @param {State} state */
  update(state) {
    const may = this.#studio.mayTeach;
    if (this.draft && !may) this.#close();
    this.#choose.disabled = this.#whole.disabled = !may;
    this.#choose.hidden = state.camera.kind === "none";
    this.#whole.hidden = state.crop === null;
    setText(this.#choose, state.crop === null ? texts.part.choose : texts.part.chooseOther);
  }

  #open() {
    this.#show(this.#studio.state?.crop ?? MIDDLE);
    this.#setOpen(true);
    this.#stage.scrollIntoView({ block: "nearest" });
    announce(texts.part.how);
  }

  #close() {
    this.draft = this.#from = null;
    const hadFocus = this.#form.contains(document.activeElement);
    this.#setOpen(false);
    if (hadFocus) this.#choose.focus();
    this.#onDraft();
  }

  /** @param {boolean} isOpen */
  #setOpen(isOpen) {
    this.#form.hidden = !isOpen;
    this.#choose.setAttribute("aria-expanded", String(isOpen));
    this.#stage.classList.toggle("choosing", isOpen);
  }

  /** @param {Crop} crop */
  async #use(crop) {
    try {
      const { analysed_again: again } = await this.#studio.lookAt(crop);
      this.#close();
      const isWhole = crop.width * crop.height === 1;
      const used = isWhole ? texts.part.wholeUsed : texts.part.partUsed;
      notice(again ? texts.part.again(used, again) : used);
    } catch (error) {
      alertError(error);
    }
  }

  /** @param {Crop} crop as the camera sees it */
  #show(crop) {
    this.draft = crop;
    const shown = this.#mirrored(crop);
    SIDES.forEach((side, place) => {
      this.#fields[place].value = String(Math.round(100 * shown[side]));
    });
    this.#onDraft();
  }

  /** Read the numbers, and limit them to the picture. */
  #read() {
    const shares = this.#fields.map((field) => clamp((field.valueAsNumber || 0) / 100, 0, 1));
    const left = Math.min(shares[0], 1 - SMALLEST);
    const top = Math.min(shares[1], 1 - SMALLEST);
    const width = clamp(shares[2], SMALLEST, 1 - left);
    const height = clamp(shares[3], SMALLEST, 1 - top);
    this.#show(this.#mirrored(rounded({ left, top, width, height })));
  }

  /** @param {PointerEvent} event */
  #press(event) {
    if (!this.draft || event.button !== 0) return;
    event.preventDefault();
    this.#stage.setPointerCapture(event.pointerId);
    this.#from = this.#placeOf(event);
  }

  /** @param {PointerEvent} event */
  #drag(event) {
    if (!this.draft || !this.#from) return;
    const to = this.#placeOf(event);
    const left = Math.min(this.#from.x, to.x);
    const top = Math.min(this.#from.y, to.y);
    const width = Math.abs(to.x - this.#from.x);
    const height = Math.abs(to.y - this.#from.y);
    if (width < SMALLEST || height < SMALLEST) return; // too small yet, or only a tap
    this.#show(this.#mirrored(rounded({ left, top, width, height })));
  }

  /**
   * Return the position of the pointer, as fractions of the picture as it is shown.
   *
   * @param {PointerEvent} event
   */
  #placeOf(event) {
    const box = this.#canvas.getBoundingClientRect();
    const { width, height } = this.#canvas;
    const scale = Math.min(box.width / width, box.height / height); // it may have bars at its sides
    const x = (event.clientX - box.left - (box.width - width * scale) / 2) / (width * scale);
    const y = (event.clientY - box.top - (box.height - height * scale) / 2) / (height * scale);
    return { x: clamp(x, 0, 1), y: clamp(y, 0, 1) };
  }

  /**
   * Convert a part from the camera's coordinates to those of the screen, or back.
   *
   * @param {Crop} crop
   * @returns {Crop}
   */
  #mirrored(crop) {
    if (!this.#stage.classList.contains("mirrored")) return crop;
    return { ...crop, left: Math.max(0, Math.round(1e4 * (1 - crop.left - crop.width)) / 1e4) };
  }
}

/**
 * Round a part so that it stays within the picture.
 *
 * @param {Crop} crop
 * @returns {Crop}
 */
function rounded(crop) {
  const left = Math.round(1e4 * crop.left) / 1e4;
  const top = Math.round(1e4 * crop.top) / 1e4;
  const width = Math.min(Math.round(1e4 * crop.width), 1e4 - Math.round(1e4 * left)) / 1e4;
  const height = Math.min(Math.round(1e4 * crop.height), 1e4 - Math.round(1e4 * top)) / 1e4;
  return { left, top, width, height };
}

/**
 * @param {number} value
 * @param {number} least
 * @param {number} most
 */
function clamp(value, least, most) {
  return Math.min(most, Math.max(least, value));
}
