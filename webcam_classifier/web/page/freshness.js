// Whether the picture on the screen is current. If it is not, no label, bar, age or rate may be shown
// beside it; instead, the page shows for how long there was no picture.

import { texts } from "./texts.js";

/** @typedef {import("./types.js").State} State */
/** @typedef {import("./types.js").Link} Link */

const SILENT = 3000; // milliseconds without a picture after which it counts as stale
const LOOK_EVERY = 250; // milliseconds

/**
 * Why there is no picture, and for how long.
 *
 * @typedef {{seconds: number, reason: string}} Staleness
 */

export class Freshness {
  /** @type {Staleness | null} */
  stale = null;

  #onChange;
  #lost;
  #link = /** @type {Link} */ ("connecting");
  #isLive = false;
  #isOff = false;
  #reason = "";
  /** @type {number | null} when the picture on the screen was taken, on this page's clock */
  #takenAt = null;
  #shownAt = 0;
  #isShownSince = false; // whether a picture came since the camera was last reported live

  /**
   * @param {() => void} onChange called when `stale` is another one
   * @param {string} lost the reason shown if the server can't be reached
   */
  constructor(onChange, lost = texts.link.away) {
    this.#onChange = onChange;
    this.#lost = lost;
    setInterval(() => this.#look(), LOOK_EVERY);
    document.addEventListener("visibilitychange", () => this.#look());
  }

  /** @param {State} state */
  update(state) {
    const { kind, live, problem, no_picture_for: seconds } = state.camera;
    if (!live) this.#isShownSince = false;
    this.#isLive = live;
    this.#isOff = kind === "none";
    this.#reason = problem ?? "";
    // The server knows better than this page when the last picture was taken.
    if (seconds !== null && this.#takenAt !== null)
      this.#takenAt = Math.min(this.#takenAt, performance.now() - 1000 * seconds);
    this.#look();
  }

  /** @param {Link} link */
  setLink(link) {
    this.#link = link;
    if (link !== "connected") this.#isShownSince = false;
    this.#look();
  }

  /**
   * Note that a picture is on the screen.
   *
   * @param {number} age milliseconds since it was taken
   */
  shown(age) {
    this.#shownAt = performance.now();
    this.#takenAt = this.#shownAt - age;
    this.#isShownSince = this.#isLive;
    this.#look();
  }

  #look() {
    const before = this.stale;
    this.stale = this.#staleness();
    if (before?.seconds !== this.stale?.seconds || before?.reason !== this.stale?.reason)
      this.#onChange();
  }

  /** @returns {Staleness | null} */
  #staleness() {
    if (this.#takenAt === null || this.#isOff) return null; // there is nothing on the screen
    const now = performance.now();
    const isFresh =
      this.#link === "connected" && this.#isShownSince && now - this.#shownAt < SILENT;
    if (isFresh) return null;
    const lost = this.#link === "connected" ? "" : this.#lost;
    return {
      seconds: Math.max(0, Math.floor((now - this.#takenAt) / 1000)),
      reason: lost || this.#reason,
    };
  }
}
