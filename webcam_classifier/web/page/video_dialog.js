// Label a video: while a label is held, the video plays and its frames are recorded for the label.
// The file stays in the browser; only the frames that are recorded are sent.

import { make, reconcile, setText } from "./elements.js";
import { holdButton } from "./hold_button.js";
import { alert, alertError, notice } from "./notices.js";
import { texts } from "./texts.js";
import { Stretch } from "./video_stretch.js";
import { VideoTimeline, videoTime } from "./video_timeline.js";
import { colourOf } from "./words.js";

/** @typedef {import("./studio.js").Studio} Studio */
/** @typedef {import("./types.js").State} State */
/** @typedef {import("./types.js").Label} Label */

const FRAME = 1 / 30; // seconds, until the video has shown how far its frames are apart
const LONG_STEP = 1; // seconds, with Shift

/** @param {File} file */
export function isVideo(file) {
  return file.type.startsWith("video/") || /\.(mp4|m4v|mov|webm|mkv|avi|ogv|mpe?g)$/i.test(file.name);
}

export class VideoDialog {
  #studio;
  #title = make("h2", { id: "video-title", dir: "auto" });
  #video = make("video", { playsinline: "", preload: "auto", tabindex: "-1", "data-testid": "video" });
  #problem = make("p", { class: "problem", role: "alert", "data-testid": "video-problem" });
  #play = make("button", { type: "button", class: "video-play", "data-testid": "video-play" });
  #back = make("button", { type: "button", "aria-label": texts.video.back, "data-testid": "video-back" });
  #onwards = make("button", { type: "button", "aria-label": texts.video.onwards, "data-testid": "video-onwards" });
  #timeline = new VideoTimeline((time) => this.#seek(time));
  #labels = make("ul", { class: "video-labels", "aria-labelledby": "video-labels-title" });
  #noLabels = make("p", { class: "hint" }, texts.video.noLabels);
  #name = make("input", {
    id: "video-new-label",
    type: "text",
    maxlength: "120",
    placeholder: texts.gather.newLabel,
    enterkeyhint: "done",
    autocapitalize: "off",
    spellcheck: "false",
    required: "",
    "data-testid": "video-new-label",
  });
  #addLabel = make("button", { type: "submit", "data-testid": "video-add-label" }, texts.gather.addLabel);
  #list = make("ol", { class: "video-stretches", "aria-labelledby": "video-stretches-title" });
  #nothing = make("p", { class: "hint" }, texts.video.noStretches);
  #said = make("p", { class: "visually-hidden", role: "status", "data-testid": "video-said" });
  #dialog;

  /** @type {Map<string, HTMLLIElement>} */
  #labelItems = new Map();
  /** @type {Map<string, HTMLLIElement>} */
  #stretchItems = new Map();
  /** @type {Stretch[]} */
  #stretches = [];
  /** @type {Stretch | null} */
  #held = null;
  #holder = "";
  #playedBefore = false; // before the label was held
  #file = ""; // what tells the file from others
  #fileName = "";
  #frame = FRAME;
  #shownAt = 0; // seconds of the video: its frame that is on the screen
  #isReady = false;
  #added = ""; // a label that was added here, until its button is there
  #watched = 0; // counts the videos, so that the watch over an earlier one ends

  /** @param {Studio} studio */
  constructor(studio) {
    this.#studio = studio;
    this.#video.muted = true;
    const close = make("button", { type: "button", class: "quiet", "data-testid": "video-close" }, texts.close);
    const form = make(
      "form",
      { class: "new-label", autocomplete: "off" },
      make("label", { class: "visually-hidden", for: "video-new-label" }, texts.gather.newLabelName),
      this.#name,
      this.#addLabel,
    );
    this.#dialog = make(
      "dialog",
      { class: "label-dialog video-dialog", "aria-labelledby": "video-title", "data-testid": "video-dialog" },
      make("div", { class: "dialog-head" }, this.#title, close),
      make(
        "div",
        { class: "video-body" },
        make(
          "div",
          { class: "video-left" },
          make("div", { class: "video-stage" }, this.#video),
          this.#problem,
          this.#timeline.element,
          make("div", { class: "video-row" }, this.#back, this.#play, this.#onwards, this.#timeline.words),
        ),
        make(
          "div",
          { class: "video-right" },
          make("h3", { id: "video-labels-title" }, texts.card.hold),
          this.#noLabels,
          this.#labels,
          form,
          make("p", { class: "hint video-keys" }, texts.video.keys),
          make("h3", { id: "video-stretches-title" }, texts.video.stretches),
          this.#nothing,
          this.#list,
        ),
      ),
      this.#said,
    );
    document.body.append(this.#dialog);
    close.addEventListener("click", () => this.#dialog.close());
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#add();
    });
    this.#play.addEventListener("click", () => this.#toggle());
    this.#back.addEventListener("click", () => this.#step(-this.#frame));
    this.#onwards.addEventListener("click", () => this.#step(this.#frame));
    this.#dialog.addEventListener("close", () => this.#closed());
    // Wherever the keyboard is: a button that is switched off loses it.
    addEventListener("keydown", (event) => this.#obey(event));
    addEventListener("keyup", (event) => this.#release(event.code));
    for (const kind of ["play", "pause", "seeked", "timeupdate"])
      this.#video.addEventListener(kind, () => this.#showTime());
    this.#video.addEventListener("ended", () => this.#stop(false));
    this.#video.addEventListener("loadeddata", () => void this.#loaded());
    this.#video.addEventListener("error", () => this.#failed(texts.video.cantPlay(this.#fileName)));
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
    this.#fileName = file.name;
    this.#frame = FRAME;
    this.#isReady = false;
    this.#showProblem("");
    setText(this.#title, file.name);
    this.#video.src = URL.createObjectURL(file);
    this.#showTime();
    this.#dialog.showModal();
    if (this.#studio.state) this.update(this.#studio.state);
    this.#watched += 1;
    this.#watch(this.#watched);
    void this.#lookWhatIsLeft();
  }

  /** @param {State} state */
  update(state) {
    if (!this.#dialog.open) return;
    if (this.#held && !this.#mayRecord(this.#held.label)) this.#stop(true);
    this.#showLabels(state.labels);
    this.#showStretches();
  }

  /** @param {string} label */
  #mayRecord(label) {
    return this.#studio.mayTeach && !!this.#studio.state?.labels.some((one) => one.name === label);
  }

  async #loaded() {
    if (!Number.isFinite(this.#video.duration)) {
      // Some recorded files don't state their duration; seeking to the end finds it.
      await this.#seeked(Number.MAX_SAFE_INTEGER);
      await this.#seeked(0);
    }
    if (!this.#video.videoWidth) {
      this.#failed(texts.video.noPicture(this.#fileName));
      return;
    }
    this.#isReady = true;
    this.#timeline.duration = this.#video.duration;
    this.#showTime();
    this.#play.focus();
    if (this.#studio.state) this.update(this.#studio.state);
  }

  /** @param {number} time seconds */
  #seeked(time) {
    return new Promise((resolve) => {
      this.#video.addEventListener("seeked", resolve, { once: true });
      this.#video.currentTime = time;
    });
  }

  /** @param {string} sentence */
  #failed(sentence) {
    if (!this.#video.hasAttribute("src")) return; // it was closed
    this.#isReady = false;
    this.#showProblem(sentence);
    this.#showTime();
    if (this.#studio.state) this.update(this.#studio.state);
  }

  /** @param {string} sentence why it can't be played; empty where it can */
  #showProblem(sentence) {
    setText(this.#problem, sentence);
    this.#problem.hidden = sentence === "";
    this.#dialog.classList.toggle("unplayable", sentence !== "");
  }

  /**
   * Watch each frame as it is shown, while this video is open.
   *
   * @param {number} watched
   */
  #watch(watched) {
    if (watched !== this.#watched || !this.#dialog.open) return;
    const tells = "requestVideoFrameCallback" in this.#video;
    const look = (/** @type {number} */ time) => {
      const apart = time - this.#shownAt;
      if (!this.#video.paused && apart > 0.004 && apart < 0.2)
        this.#frame = Math.min(apart, this.#frame === FRAME ? apart : this.#frame);
      this.#shownAt = time;
      if (watched === this.#watched) this.#held?.take(time);
      this.#showTime();
      this.#watch(watched);
    };
    if (tells) this.#video.requestVideoFrameCallback((_now, frame) => look(frame.mediaTime));
    else requestAnimationFrame(() => look(this.#video.currentTime));
  }

  #showTime() {
    const { paused } = this.#video;
    this.#play.dataset.state = paused ? "paused" : "playing";
    setText(this.#play, paused ? texts.video.play : texts.video.pause);
    for (const button of [this.#play, this.#back, this.#onwards]) button.disabled = !this.#isReady;
    this.#timeline.disabled = !this.#isReady;
    if (this.#isReady) this.#timeline.showTime(this.#video.currentTime);
    if (this.#held) this.#showStretches();
  }

  #toggle() {
    if (!this.#isReady) return;
    if (!this.#video.paused) this.#video.pause();
    else this.#begin();
  }

  #begin() {
    this.#video.play().catch(() => {}); // a pause that comes at once ends it
  }

  /** @param {number} time seconds */
  #seek(time) {
    if (!this.#isReady) return;
    this.#stop(true);
    this.#video.currentTime = Math.max(0, Math.min(time, this.#video.duration));
  }

  /** @param {number} seconds of the video, onwards or back */
  #step(seconds) {
    if (!this.#isReady) return;
    this.#stop(true);
    this.#video.pause();
    const now = this.#video.currentTime;
    const shown = Math.abs(now - this.#shownAt) < this.#frame ? this.#shownAt : now;
    this.#seek(shown + seconds + 0.001); // just after the frame's start, because times are rounded
  }

  /**
   * @param {string} label
   * @param {string} holder what holds it: only its release, or what ends it, lets it go
   */
  #hold(label, holder) {
    if (this.#held?.label === label && this.#holder === holder) return;
    this.#stop(true);
    if (!this.#isReady || !this.#mayRecord(label) || this.#video.ended) return;
    this.#playedBefore = !this.#video.paused;
    this.#holder = holder;
    this.#held = new Stretch(this.#studio, this.#video, label, () => this.#changed());
    this.#stretches.push(this.#held);
    if (!this.#playedBefore) this.#begin();
    if (this.#studio.state) this.update(this.#studio.state);
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
    if (!this.#playedBefore) this.#video.pause();
    if (this.#studio.state) this.update(this.#studio.state);
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
    if (last?.state === "done") setText(this.#said, texts.video.recorded(last.label, describe(last)));
    if (this.#dialog.open) this.#showStretches();
  }

  /** @param {Label[]} labels */
  #showLabels(labels) {
    this.#noLabels.hidden = labels.length > 0;
    const names = labels.map((label) => label.name);
    reconcile(this.#labels, this.#labelItems, names, (name) => this.#labelItem(name));
    labels.forEach((label, place) => {
      const item = /** @type {HTMLLIElement} */ (this.#labelItems.get(label.name));
      item.dataset.colour = colourOf(place);
      const button = /** @type {HTMLButtonElement} */ (item.querySelector("button"));
      const isHeld = this.#held?.label === label.name;
      button.disabled = !this.#isReady || !this.#studio.mayTeach;
      button.setAttribute("aria-pressed", String(isHeld));
      setText(/** @type {Node} */ (button.querySelector(".record-key")), label.key ? texts.video.orKey(label.key) : "");
    });
    this.#name.disabled = this.#addLabel.disabled = !this.#studio.mayTeach;
    const added = this.#labelItems.get(this.#added)?.querySelector("button");
    if (added) {
      this.#added = "";
      added.focus();
    }
  }

  /** @param {string} name */
  #labelItem(name) {
    const button = make(
      "button",
      { type: "button", class: "record", "data-testid": "video-record", "data-label": name, "aria-pressed": "false" },
      make("span", { class: "record-dot", "aria-hidden": "true" }),
      make("span", { class: "visually-hidden" }, `${texts.video.hold} `),
      make("span", { class: "record-name", dir: "auto" }, name),
      make("span", { class: "record-key" }),
    );
    const holder = `button ${name}`;
    holdButton(
      button,
      () => this.#hold(name, holder),
      () => this.#release(holder),
    );
    return make("li", {}, button);
  }

  async #add() {
    const name = this.#name.value.trim();
    if (!name) return;
    try {
      await this.#studio.addLabel(name);
    } catch (error) {
      alertError(error);
      return;
    }
    this.#name.value = "";
    this.#added = name.normalize("NFC");
    if (this.#studio.state) this.update(this.#studio.state);
  }

  #showStretches() {
    const labels = this.#studio.state?.labels.map((label) => label.name) ?? [];
    const colour = (/** @type {string} */ label) => colourOf(Math.max(0, labels.indexOf(label)));
    this.#timeline.showStretches(this.#stretches, colour);
    this.#nothing.hidden = this.#stretches.length > 0;
    const keys = new Map([...this.#stretches].reverse().map((one) => [one.id, one]));
    reconcile(this.#list, this.#stretchItems, [...keys.keys()], (key) =>
      this.#stretchItem(/** @type {Stretch} */ (keys.get(key))),
    );
    for (const [key, stretch] of keys) {
      const item = /** @type {HTMLLIElement} */ (this.#stretchItems.get(key));
      item.dataset.colour = colour(stretch.label);
      item.dataset.state = stretch.state;
      const when = `${videoTime(stretch.from)}–${videoTime(stretch.to)}`;
      setText(/** @type {Node} */ (item.querySelector(".stretch-when")), when);
      setText(/** @type {Node} */ (item.querySelector(".stretch-words")), describe(stretch));
      setText(
        /** @type {Node} */ (item.querySelector(".visually-hidden")),
        texts.video.takeBackOf(stretch.label, when),
      );
      const back = /** @type {HTMLButtonElement} */ (item.querySelector("button.quiet"));
      back.disabled =
        !this.#studio.mayTeach || stretch.state === "recording" || stretch.state === "sending";
    }
  }

  /** @param {Stretch} stretch */
  #stretchItem(stretch) {
    const when = make("button", { type: "button", class: "stretch-when", "data-testid": "stretch-when" });
    when.addEventListener("click", () => {
      this.#video.pause();
      this.#seek(stretch.from);
    });
    const back = make(
      "button",
      { type: "button", class: "quiet", "data-testid": "take-back" },
      make("span", {}, texts.video.takeBack, make("span", { class: "visually-hidden" })),
    );
    back.addEventListener("click", () => void this.#takeBack(stretch));
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

  /** @param {Stretch} stretch */
  async #takeBack(stretch) {
    const place = this.#stretches.indexOf(stretch);
    if (place < 0 || stretch.state === "recording" || stretch.state === "sending") return;
    try {
      /** @type {[string, string][]} */
      const pictures = stretch.names.map((name) => [stretch.label, name]);
      if (pictures.length > 0) await this.#studio.removeReviewed({ pictures, shelf: [] });
    } catch (error) {
      alertError(error);
      await this.#lookWhatIsLeft();
      return;
    }
    this.#stretches = this.#stretches.filter((one) => one !== stretch);
    this.#showStretches();
    const next = this.#list.querySelector("button.quiet");
    (next instanceof HTMLButtonElement ? next : this.#play).focus();
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
      const length = event.shiftKey ? LONG_STEP : this.#frame;
      this.#step(event.key === "ArrowLeft" ? -length : length);
      return;
    }
    if (event.key === " " && !(target instanceof HTMLButtonElement)) {
      event.preventDefault();
      if (!event.repeat) this.#toggle();
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
    this.#watched += 1;
    this.#isReady = false;
    this.#video.pause();
    const address = this.#video.src;
    this.#video.removeAttribute("src");
    this.#video.load();
    URL.revokeObjectURL(address);
    const count = this.#stretches.reduce((sum, one) => sum + one.names.length, 0);
    if (count > 0) notice(texts.video.recordedAll(count, this.#fileName));
  }
}

/** @param {Stretch} stretch */
function describe(stretch) {
  const parts = [texts.video.pictures(stretch.names.length)];
  if (stretch.leftOutCount > 0)
    parts.push(texts.video.leftOut(stretch.leftOutCount, [...stretch.leftOut.keys()].join("; ")));
  if (stretch.state === "sending") parts.push(texts.video.stillSending);
  return parts.join(", ");
}
