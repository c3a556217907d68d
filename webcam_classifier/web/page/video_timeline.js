// The timeline of a video: its position, and the stretches that were recorded for each label.

import { make, setText } from "./elements.js";
import { texts } from "./texts.js";

/** @typedef {import("./video_stretch.js").Stretch} Stretch */

/** @param {number} seconds */
export function videoTime(seconds) {
  const tenths = Math.max(0, Math.round(10 * seconds));
  const rest = tenths % 600;
  return `${Math.floor(tenths / 600)}:${String(Math.floor(rest / 10)).padStart(2, "0")}.${rest % 10}`;
}

export class VideoTimeline {
  element;
  words = make("output", { class: "video-time", "data-testid": "video-time" });

  #slider = make("input", {
    type: "range",
    min: "0",
    max: "0",
    step: "any",
    value: "0",
    "aria-label": texts.timeline.position,
    "data-testid": "video-position",
  });
  #stretches = make("div", { class: "timeline-stretches", "aria-hidden": "true" });
  #duration = 0; // seconds

  /** @param {(time: number) => void} onSeek somebody chose another place, in seconds */
  constructor(onSeek) {
    this.element = make(
      "div",
      { class: "timeline" },
      make("div", { class: "timeline-track" }, this.#stretches),
      this.#slider,
    );
    this.#slider.addEventListener("input", () => onSeek(Number(this.#slider.value)));
  }

  /** @param {number} duration seconds */
  set duration(duration) {
    this.#duration = duration;
    this.#slider.max = String(duration);
  }

  /** @param {number} time seconds */
  showTime(time) {
    this.#slider.value = String(time);
    const words = texts.timeline.of(videoTime(time), videoTime(this.#duration));
    this.#slider.setAttribute("aria-valuetext", words);
    setText(this.words, words);
  }

  /**
   * @param {readonly Stretch[]} stretches
   * @param {(label: string) => string} colourOf a label's colour, as a number
   */
  showStretches(stretches, colourOf) {
    while (this.#stretches.childElementCount > stretches.length)
      this.#stretches.lastElementChild?.remove();
    stretches.forEach((stretch, place) => {
      let shown = /** @type {HTMLElement | undefined} */ (this.#stretches.children[place]);
      if (!shown) {
        shown = make("span", { "data-testid": "timeline-stretch" });
        this.#stretches.append(shown);
      }
      shown.dataset.colour = colourOf(stretch.label);
      shown.dataset.label = stretch.label;
      shown.classList.toggle("recording", stretch.state === "recording");
      const share = (/** @type {number} */ time) => (this.#duration ? time / this.#duration : 0);
      shown.style.left = `${100 * share(stretch.from)}%`;
      shown.style.width = `${100 * (share(stretch.to) - share(stretch.from))}%`;
    });
  }

  /** @param {boolean} isOff */
  set disabled(isOff) {
    this.#slider.disabled = isOff;
  }

  focus() {
    this.#slider.focus();
  }
}
