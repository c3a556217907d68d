// The list of the stretches that were recorded from a video, each of which can be taken back.

import { make, reconcile, setText } from "./elements.js";
import { texts } from "./texts.js";
import { videoTime } from "./video_timeline.js";

/** @typedef {import("./video_stretch.js").Stretch} Stretch */

export class VideoStretchList {
  /** All that is to be seen of them, one below the other. */
  elements;

  #list = make("ol", { class: "video-stretches", "aria-labelledby": "video-stretches-title" });
  #none = make("p", { class: "hint" }, texts.video.noStretches);
  /** @type {Map<string, HTMLLIElement>} */
  #items = new Map();
  #onChoose;
  #onTakeBack;

  /**
   * @param {object} listeners
   * @param {(stretch: Stretch) => void} listeners.onChoose somebody wants to see it
   * @param {(stretch: Stretch) => void} listeners.onTakeBack
   */
  constructor({ onChoose, onTakeBack }) {
    this.#onChoose = onChoose;
    this.#onTakeBack = onTakeBack;
    this.elements = [
      make("h3", { id: "video-stretches-title" }, texts.video.stretches),
      this.#none,
      this.#list,
    ];
  }

  /**
   * @param {readonly Stretch[]} stretches the oldest first; the newest is shown on top
   * @param {(label: string) => string} colour a label's colour, as a number
   * @param {boolean} mayTeach whether this page may take one back
   */
  update(stretches, colour, mayTeach) {
    this.#none.hidden = stretches.length > 0;
    const byId = new Map([...stretches].reverse().map((one) => [one.id, one]));
    reconcile(this.#list, this.#items, [...byId.keys()], (id) =>
      this.#item(/** @type {Stretch} */ (byId.get(id))),
    );
    for (const [id, stretch] of byId) {
      const item = /** @type {HTMLLIElement} */ (this.#items.get(id));
      item.dataset.colour = colour(stretch.label);
      item.dataset.state = stretch.state;
      const when = `${videoTime(stretch.from)}–${videoTime(stretch.to)}`;
      setText(/** @type {Node} */ (item.querySelector(".stretch-when")), when);
      setText(/** @type {Node} */ (item.querySelector(".stretch-words")), describeStretch(stretch));
      setText(
        /** @type {Node} */ (item.querySelector(".visually-hidden")),
        texts.video.takeBackOf(stretch.label, when),
      );
      const back = /** @type {HTMLButtonElement} */ (item.querySelector("button.quiet"));
      back.disabled = !mayTeach || stretch.state === "recording" || stretch.state === "sending";
    }
  }

  /** The button that takes the newest one back; null if there is none. */
  get firstButton() {
    return /** @type {HTMLButtonElement | null} */ (this.#list.querySelector("button.quiet"));
  }

  /** @param {Stretch} stretch */
  #item(stretch) {
    const when = make("button", { type: "button", class: "stretch-when", "data-testid": "stretch-when" });
    when.addEventListener("click", () => this.#onChoose(stretch));
    const back = make(
      "button",
      { type: "button", class: "quiet", "data-testid": "take-back" },
      make("span", {}, texts.video.takeBack, make("span", { class: "visually-hidden" })),
    );
    back.addEventListener("click", () => this.#onTakeBack(stretch));
    return make(
      "li",
      { "data-testid": "stretch", "data-label": stretch.label },
      make("span", { class: "key", "aria-hidden": "true" }),
      make(
        "div",
        {},
        make("b", { dir: "auto" }, stretch.label),
        when,
        make("span", { class: "stretch-words" }),
      ),
      back,
    );
  }
}

/**
 * Say what was recorded, and what was left out.
 *
 * @param {Stretch} stretch
 */
export function describeStretch(stretch) {
  const parts = [texts.video.pictures(stretch.names.length)];
  if (stretch.leftOutCount > 0)
    parts.push(texts.video.leftOut(stretch.leftOutCount, [...stretch.leftOut.keys()].join("; ")));
  if (stretch.state === "sending") parts.push(texts.video.stillSending);
  return parts.join(", ");
}
