// Play a video file: its picture, the buttons below it, the timeline, and steps of one frame.

import { make, setText } from "./elements.js";
import { texts } from "./texts.js";
import { VideoTimeline } from "./video_timeline.js";

/**
 * What a player tells its owner.
 *
 * @typedef {{
 *   onFrame: (time: number) => void,
 *   onTime: () => void,
 *   onJump: () => void,
 *   onEnd: () => void,
 *   onReadyChange: () => void,
 * }} Listeners
 *
 * onFrame: a frame is shown, at this second of the video; onTime: the position or the buttons may
 * have changed; onJump: another place is about to be shown; onEnd: the video has ended;
 * onReadyChange: the video can be played now, or turned out not to.
 */

const FRAME = 1 / 30; // seconds, until the video has shown how far its frames are apart
const LONG_STEP = 1; // seconds

export class VideoPlayer {
  video = make("video", { playsinline: "", preload: "auto", tabindex: "-1", "data-testid": "video" });
  timeline = new VideoTimeline((time) => this.seek(time));
  /** All that is to be seen of it, one below the other. */
  elements;
  /** Whether the video can be played. */
  isReady = false;
  fileName = "";

  #listeners;
  #problem = make("p", { class: "problem", role: "alert", "data-testid": "video-problem" });
  #play = make("button", { type: "button", class: "video-play", "data-testid": "video-play" });
  #back = make("button", { type: "button", "aria-label": texts.video.back, "data-testid": "video-back" });
  #onwards = make("button", { type: "button", "aria-label": texts.video.onwards, "data-testid": "video-onwards" });
  #frame = FRAME;
  #shownAt = 0; // seconds of the video: its frame that is on the screen
  #watched = 0; // counts the videos, so that the watch over an earlier one ends

  /** @param {Listeners} listeners */
  constructor(listeners) {
    this.#listeners = listeners;
    this.video.muted = true;
    this.elements = [
      make("div", { class: "video-stage" }, this.video),
      this.#problem,
      this.timeline.element,
      make("div", { class: "video-row" }, this.#back, this.#play, this.#onwards, this.timeline.words),
    ];
    this.#play.addEventListener("click", () => this.toggle());
    this.#back.addEventListener("click", () => this.step(-1));
    this.#onwards.addEventListener("click", () => this.step(1));
    for (const kind of ["play", "pause", "seeked", "timeupdate"])
      this.video.addEventListener(kind, () => this.#showTime());
    this.video.addEventListener("ended", () => this.#listeners.onEnd());
    this.video.addEventListener("loadeddata", () => void this.#loaded());
    this.video.addEventListener("error", () => this.#failed(texts.video.cantPlay(this.fileName)));
  }

  /** Whether the video was found not to be playable. */
  get isUnplayable() {
    return !this.#problem.hidden;
  }

  /** @param {File} file */
  open(file) {
    this.fileName = file.name;
    this.#frame = FRAME;
    this.isReady = false;
    this.#showProblem("");
    this.video.src = URL.createObjectURL(file);
    this.#showTime();
    this.#watched += 1;
    this.#watch(this.#watched);
  }

  /** Let go of the file. */
  close() {
    this.#watched += 1;
    this.isReady = false;
    this.video.pause();
    const address = this.video.src;
    this.video.removeAttribute("src");
    this.video.load();
    URL.revokeObjectURL(address);
  }

  play() {
    this.video.play().catch(() => {}); // a pause that comes at once ends it
  }

  pause() {
    this.video.pause();
  }

  /** Play, or pause. */
  toggle() {
    if (!this.isReady) return;
    if (!this.video.paused) this.pause();
    else this.play();
  }

  /** @param {number} time seconds */
  seek(time) {
    if (!this.isReady) return;
    this.#listeners.onJump();
    this.video.currentTime = Math.max(0, Math.min(time, this.video.duration));
  }

  /**
   * Pause, and show another frame.
   *
   * @param {1 | -1} direction onwards or back
   * @param {boolean} [isLong] whether to step a second instead of a frame
   */
  step(direction, isLong = false) {
    if (!this.isReady) return;
    this.#listeners.onJump();
    this.pause();
    const now = this.video.currentTime;
    const shown = Math.abs(now - this.#shownAt) < this.#frame ? this.#shownAt : now;
    const seconds = direction * (isLong ? LONG_STEP : this.#frame);
    this.seek(shown + seconds + 0.001); // just after the frame's start, because times are rounded
  }

  focus() {
    this.#play.focus();
  }

  async #loaded() {
    if (!Number.isFinite(this.video.duration)) {
      // Some recorded files don't state their duration; seeking to the end finds it.
      await this.#seeked(Number.MAX_SAFE_INTEGER);
      await this.#seeked(0);
    }
    if (!this.video.videoWidth) {
      this.#failed(texts.video.noPicture(this.fileName));
      return;
    }
    this.isReady = true;
    this.timeline.duration = this.video.duration;
    this.#showTime();
    this.focus();
    this.#listeners.onReadyChange();
  }

  /** @param {number} time seconds */
  #seeked(time) {
    return new Promise((resolve) => {
      this.video.addEventListener("seeked", resolve, { once: true });
      this.video.currentTime = time;
    });
  }

  /** @param {string} sentence */
  #failed(sentence) {
    if (!this.video.hasAttribute("src")) return; // it was closed
    this.isReady = false;
    this.#showProblem(sentence);
    this.#showTime();
    this.#listeners.onReadyChange();
  }

  /** @param {string} sentence why it can't be played; empty where it can */
  #showProblem(sentence) {
    setText(this.#problem, sentence);
    this.#problem.hidden = sentence === "";
  }

  /**
   * Watch each frame as it is shown, while this video is open.
   *
   * @param {number} watched
   */
  #watch(watched) {
    if (watched !== this.#watched) return;
    const tells = "requestVideoFrameCallback" in this.video;
    const look = (/** @type {number} */ time) => {
      const apart = time - this.#shownAt;
      if (!this.video.paused && apart > 0.004 && apart < 0.2)
        this.#frame = Math.min(apart, this.#frame === FRAME ? apart : this.#frame);
      this.#shownAt = time;
      if (watched === this.#watched) this.#listeners.onFrame(time);
      this.#showTime();
      this.#watch(watched);
    };
    if (tells) this.video.requestVideoFrameCallback((_now, frame) => look(frame.mediaTime));
    else requestAnimationFrame(() => look(this.video.currentTime));
  }

  #showTime() {
    const { paused } = this.video;
    this.#play.dataset.state = paused ? "paused" : "playing";
    setText(this.#play, paused ? texts.video.play : texts.video.pause);
    for (const button of [this.#play, this.#back, this.#onwards]) button.disabled = !this.isReady;
    this.timeline.disabled = !this.isReady;
    if (this.isReady) this.timeline.showTime(this.video.currentTime);
    this.#listeners.onTime();
  }
}
