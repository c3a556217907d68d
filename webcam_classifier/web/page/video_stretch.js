// One stretch of a video, recorded while a label is held: its frames become one burst.

import { drawFrame } from "./video_frame.js";

/** @typedef {import("./studio.js").Studio} Studio */

const LONGER_SIDE = 1280; // pixels at the most: more than any network looks at
const QUALITY = 0.92;
const USUAL_RATE = 8; // frames a second, until the studio has said its own
const LATE_RELEASE = 200; // milliseconds before the release of a key that are dropped: people release it late
const LOOK_EVERY = 50; // milliseconds between two looks for a frame that may be sent

/**
 * A frame that waits to be sent.
 *
 * @typedef {{blob: Promise<Blob | null>, at: number, time: number}} Frame at: milliseconds of `performance.now`
 */

let made = 0; // stretches

export class Stretch {
  /** A unique id. */
  id = String(made++);
  /** Files of the frames that were recorded. @type {string[]} */
  names = [];
  /** How many frames were left out, by reason. @type {Map<string, number>} */
  leftOut = new Map();
  /** @type {"recording" | "sending" | "done" | "failed"} */
  state = "recording";
  problem = "";

  #studio;
  #video;
  #onChange;
  #canvas = document.createElement("canvas");
  /** @type {Frame[]} */
  #waiting = [];
  #last = Number.NEGATIVE_INFINITY; // seconds of the video: the frame that was taken last
  #taken = 0;
  #sentTo; // seconds of the video: the frame that was sent last
  #rate = USUAL_RATE;

  /**
   * Begin with the frame that is shown now.
   *
   * @param {Studio} studio
   * @param {HTMLVideoElement} video
   * @param {string} label
   * @param {() => void} onChange
   */
  constructor(studio, video, label, onChange) {
    this.#studio = studio;
    this.#video = video;
    this.label = label;
    this.#onChange = onChange;
    /** Seconds of the video. */
    this.from = video.currentTime;
    /** Seconds of the video. */
    this.to = video.currentTime;
    this.#sentTo = video.currentTime;
    this.take(video.currentTime);
    void this.#send();
  }

  /** How many frames were left out. */
  get leftOutCount() {
    return [...this.leftOut.values()].reduce((sum, count) => sum + count, 0);
  }

  /**
   * Take the frame that is shown, if one is due.
   *
   * @param {number} time of it, in seconds of the video
   */
  take(time) {
    if (this.state !== "recording" || !this.#video.videoWidth) return;
    this.to = Math.max(this.to, time);
    if (time - this.#last < 1 / this.#rate - 0.002) return;
    this.#last = time;
    this.#taken += 1;
    this.#waiting.push({ blob: this.#drawn(), at: performance.now(), time });
    this.#onChange();
  }

  /**
   * Take no more frames, and drop those of the last moment, but never the first one.
   *
   * @param {boolean} isLate whether a person has let a key go, and not the video ended
   */
  end(isLate) {
    if (this.state !== "recording") return;
    this.state = "sending";
    if (isLate) {
      const until = performance.now() - LATE_RELEASE;
      const first = this.#taken - this.#waiting.length;
      this.#waiting = this.#waiting.filter(
        (frame, place) => first + place === 0 || frame.at <= until,
      );
      this.to = Math.max(this.from, this.#waiting.at(-1)?.time ?? this.#sentTo);
    }
    this.#onChange();
  }

  /** @returns {Promise<Blob | null>} */
  #drawn() {
    drawFrame(this.#video, this.#canvas, LONGER_SIDE);
    return new Promise((resolve) => {
      this.#canvas.toBlob(resolve, "image/jpeg", QUALITY);
    });
  }

  async #send() {
    try {
      const { burst, rate } = await this.#studio.beginBurst(this.label);
      this.#rate = rate ?? Number.POSITIVE_INFINITY;
      for (;;) {
        const frame = await this.#next();
        if (!frame) break;
        this.#sentTo = frame.time;
        const picture = await frame.blob;
        if (picture) this.#note(await this.#studio.addFrame(burst, picture));
      }
      this.state = "done";
    } catch (error) {
      this.state = "failed";
      this.problem = error instanceof Error ? error.message : String(error);
      this.#waiting = [];
    }
    this.#onChange();
  }

  /** Wait for a frame that is old enough to be kept; undefined at the end. */
  async #next() {
    let isSent = this.state === "sending";
    while (!isSent) {
      const frame = this.#waiting[0];
      const isFirst = frame !== undefined && this.#taken === this.#waiting.length;
      if (frame && (isFirst || performance.now() - frame.at > 2 * LATE_RELEASE)) break;
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY));
      isSent = this.state === "sending";
    }
    return this.#waiting.shift();
  }

  /** @param {{name: string, reason: string}} answer */
  #note({ name, reason }) {
    if (name) this.names.push(name);
    else this.leftOut.set(reason, (this.leftOut.get(reason) ?? 0) + 1);
    this.#onChange();
  }
}
