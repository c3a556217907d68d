// Label a video: while a label is held, the video plays and its frames are recorded for the label.
// The file stays in the browser; only the frames that are recorded are sent.

import { make, setText } from "./elements.js";
import { alert, alertError, notice } from "./notices.js";
import { texts } from "./texts.js";
import { VideoLabels } from "./video_labels.js";
import { VideoPlayer } from "./video_player.js";
import { Stretch } from "./video_stretch.js";
import { describeStretch, VideoStretchList } from "./video_stretch_list.js";
import { colourOf } from "./words.js";

/** @typedef {import("./studio.js").Studio} Studio */
/** @typedef {import("./types.js").State} State */

/** @param {File} file */
export function isVideo(file) {
  return file.type.startsWith("video/") || /\.(mp4|m4v|mov|webm|mkv|avi|ogv|mpe?g)$/i.test(file.name);
}

export class VideoDialog {
  #studio;
  #player = new VideoPlayer({
    onFrame: (time) => this.#held?.take(time),
    onTime: () => {
      if (this.#held) this.#showStretches();
    },
    onJump: () => this.#stop(true),
    onEnd: () => this.#stop(false),
    onReadyChange: () => this.#readyChanged(),
  });
  #labels;
  #list = new VideoStretchList({
    onChoose: (stretch) => {
      this.#player.pause();
      this.#player.seek(stretch.from);
    },
    onTakeBack: (stretch) => void this.#takeBack(stretch),
  });
  #title = make("h2", { id: "video-title", dir: "auto" });
  #said = make("p", { class: "visually-hidden", role: "status", "data-testid": "video-said" });
  #dialog;

  /** @type {Stretch[]} */
  #stretches = [];
  /** @type {Stretch | null} */
  #held = null;
  #holder = "";
  #playedBefore = false; // before the label was held
  #file = ""; // what tells the file from others

  /** @param {Studio} studio */
  constructor(studio) {
    this.#studio = studio;
    this.#labels = new VideoLabels(studio, {
      onHold: (label, holder) => this.#hold(label, holder),
      onRelease: (holder) => this.#release(holder),
      onAdded: () => this.#updateAgain(),
    });
    const close = make("button", { type: "button", class: "quiet", "data-testid": "video-close" }, texts.close);
    this.#dialog = make(
      "dialog",
      { class: "label-dialog video-dialog", "aria-labelledby": "video-title", "data-testid": "video-dialog" },
      make("div", { class: "dialog-head" }, this.#title, close),
      make(
        "div",
        { class: "video-body" },
        make("div", { class: "video-left" }, ...this.#player.elements),
        make(
          "div",
          { class: "video-right" },
          ...this.#labels.elements,
          make("p", { class: "hint video-keys" }, texts.video.keys),
          ...this.#list.elements,
        ),
      ),
      this.#said,
    );
    document.body.append(this.#dialog);
    close.addEventListener("click", () => this.#dialog.close());
    this.#dialog.addEventListener("close", () => this.#closed());
    // Wherever the keyboard is: a button that is switched off loses it.
    addEventListener("keydown", (event) => this.#obey(event));
    addEventListener("keyup", (event) => this.#release(event.code));
    addEventListener("blur", () => this.#stop(true));
    document.addEventListener("visibilitychange", () => this.#stop(true));
  }

  /** @param {File[]} files one video, unless somebody chose too much */
  offer(files) {
    if (files.length > 1 || this.#dialog.open) alert(texts.video.oneVideo);
    else this.#open(files[0]);
  }

  /** @param {File} file */
  #open(file) {
    const key = `${file.name}/${file.size}/${file.lastModified}`;
    if (key !== this.#file) this.#stretches = [];
    this.#file = key;
    setText(this.#title, file.name);
    this.#player.open(file);
    this.#dialog.showModal();
    this.#readyChanged();
    void this.#lookWhatIsLeft();
  }

  /** @param {State} state */
  update(state) {
    if (!this.#dialog.open) return;
    if (this.#held && !this.#mayRecord(this.#held.label)) this.#stop(true);
    this.#labels.update(state.labels, this.#held?.label, this.#player.isReady);
    this.#showStretches();
  }

  #readyChanged() {
    this.#dialog.classList.toggle("unplayable", this.#player.isUnplayable);
    this.#updateAgain();
  }

  #updateAgain() {
    if (this.#studio.state) this.update(this.#studio.state);
  }

  /** @param {string} label */
  #mayRecord(label) {
    return this.#studio.mayTeach && !!this.#studio.state?.labels.some((one) => one.name === label);
  }

  /**
   * @param {string} label
   * @param {string} holder what holds it: only its release, or what ends it, lets it go
   */
  #hold(label, holder) {
    if (this.#held?.label === label && this.#holder === holder) return;
    this.#stop(true);
    const { video } = this.#player;
    if (!this.#player.isReady || !this.#mayRecord(label) || video.ended) return;
    this.#playedBefore = !video.paused;
    this.#holder = holder;
    this.#held = new Stretch(this.#studio, video, label, () => this.#changed());
    this.#stretches.push(this.#held);
    if (!this.#playedBefore) this.#player.play();
    this.#updateAgain();
  }

  /** @param {string} holder */
  #release(holder) {
    if (this.#held && holder === this.#holder) this.#stop(true);
  }

  /** @param {boolean} isLate whether somebody let it go, and not the video ended */
  #stop(isLate) {
    const held = this.#held;
    if (!held) return;
    this.#held = null;
    this.#holder = "";
    held.end(isLate);
    if (!this.#playedBefore) this.#player.pause();
    this.#updateAgain();
  }

  #changed() {
    for (const one of this.#stretches) {
      if (one.state !== "failed") continue;
      if (one.problem) alertError(new Error(one.problem));
      one.problem = "";
      if (one === this.#held) this.#stop(true);
    }
    // A stretch of which all frames were left out stays and says so; one that failed does not.
    this.#stretches = this.#stretches.filter(
      (one) => one.state !== "failed" || one.names.length > 0,
    );
    const last = this.#stretches.at(-1);
    if (last?.state === "done") setText(this.#said, texts.video.recorded(last.label, describeStretch(last)));
    if (this.#dialog.open) this.#showStretches();
  }

  #showStretches() {
    const labels = this.#studio.state?.labels.map((label) => label.name) ?? [];
    const colour = (/** @type {string} */ label) => colourOf(Math.max(0, labels.indexOf(label)));
    this.#player.timeline.showStretches(this.#stretches, colour);
    this.#list.update(this.#stretches, colour, this.#studio.mayTeach);
  }

  /** @param {Stretch} stretch */
  async #takeBack(stretch) {
    const place = this.#stretches.indexOf(stretch);
    if (place < 0 || stretch.state === "recording" || stretch.state === "sending") return;
    try {
      /** @type {[string, string][]} */
      const pictures = stretch.names.map((name) => [stretch.label, name]);
      if (pictures.length > 0) await this.#studio.removeReviewed({ pictures, unlabelled: [] });
    } catch (error) {
      alertError(error);
      await this.#lookWhatIsLeft();
      return;
    }
    this.#stretches = this.#stretches.filter((one) => one !== stretch);
    this.#showStretches();
    (this.#list.firstButton ?? this.#player).focus();
    if (stretch.names.length > 0)
      notice(texts.video.tookBack(stretch.names.length, stretch.label, this.#studio.removedFolder));
  }

  /** Check what is left, since pictures of this video may have been moved or removed elsewhere. */
  async #lookWhatIsLeft() {
    for (const label of new Set(this.#stretches.map((one) => one.label))) {
      const there = new Set(await this.#studio.pictures(label).catch(() => /** @type {string[]} */ ([])));
      for (const one of this.#stretches)
        if (one.label === label && one.state === "done")
          one.names = one.names.filter((name) => there.has(name));
    }
    this.#stretches = this.#stretches.filter((one) => one.state !== "done" || one.names.length > 0);
    this.#showStretches();
  }

  /** @param {KeyboardEvent} event */
  #obey(event) {
    if (!this.#dialog.open) return;
    const target = event.target;
    if (target instanceof HTMLInputElement && target.type === "text") return;
    if ((event.ctrlKey || event.metaKey) && event.code === "KeyZ" && !event.shiftKey) {
      event.preventDefault();
      const last = this.#stretches.at(-1);
      if (last && !event.repeat) void this.#takeBack(last);
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
      event.preventDefault();
      this.#player.step(event.key === "ArrowLeft" ? -1 : 1, event.shiftKey);
      return;
    }
    if (event.key === " " && !(target instanceof HTMLButtonElement)) {
      event.preventDefault();
      if (!event.repeat) this.#player.toggle();
      return;
    }
    const digit = /^(?:Digit|Numpad)([1-9])$/.exec(event.code)?.[1];
    const label = this.#studio.state?.labels.find((one) => one.key === digit)?.name;
    if (digit === undefined || label === undefined) return;
    event.preventDefault();
    if (!event.repeat) this.#hold(label, event.code);
  }

  #closed() {
    this.#stop(true);
    this.#player.close();
    const count = this.#stretches.reduce((sum, one) => sum + one.names.length, 0);
    if (count > 0) notice(texts.video.recordedAll(count, this.#player.fileName));
  }
}
