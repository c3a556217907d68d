// The picture, and over it the answer, the recording, or the next step.

import { find, make, setText } from "./elements.js";
import { announce } from "./notices.js";
import { likeliest } from "./reading_pace.js";
import { texts } from "./texts.js";
import { SURE_FROM, colourOf, percent } from "./words.js";
import { nextStep } from "./guidance.js";

/** @typedef {import("./types.js").State} State */
/** @typedef {import("./types.js").Prediction} Prediction */

const KEYS = 9; // of labels, see keyboard.js
const STEADY = 1200; // milliseconds that a label lasts before a screen reader announces it
const OUTSIDE = "rgb(0 0 0 / 0.6)"; // over what is not looked at
const FRAME = 1.5; // pixels of the screen
const QUIET = 4000; // milliseconds between two announcements

export class Stage {
  #stage = find("stage", HTMLDivElement);
  #canvas = find("picture", HTMLCanvasElement);
  #context = /** @type {CanvasRenderingContext2D} */ (
    this.#canvas.getContext("2d", { alpha: false })
  );
  #panel = find("verdict-panel", HTMLDivElement);
  #key = find("verdict-key", HTMLSpanElement);
  #verdict = find("verdict", HTMLParagraphElement);
  #words = find("verdict-words", HTMLParagraphElement);
  #confidence = find("confidence", HTMLParagraphElement);
  #guide = find("guide", HTMLDivElement);
  #chip = find("recording-chip", HTMLParagraphElement);
  #note = find("no-picture", HTMLDivElement);
  #noteTitle = find("no-picture-for", HTMLElement);
  #noteReason = find("no-picture-reason", HTMLElement);
  #isStale = false;
  #guideTitle = document.createElement("b");
  #guideText = document.createElement("span");
  #startCamera = make("button", { type: "button", "data-testid": "start-camera", hidden: "" });
  /** @type {Prediction | null} */
  #prediction = null;
  /** @type {{label: string, count: number} | null} */
  #burst = null;
  /** @type {import("./types.js").Label[]} */
  #labels = [];
  #said = { label: "", since: 0, announced: "", at: 0 };
  #heatMap;
  /** @type {import("./types.js").Crop | null} the part of the picture that is looked at */
  crop = null;

  /** @param {import("./heat_map.js").HeatMap} heatMap */
  constructor(heatMap) {
    this.#heatMap = heatMap;
    this.#guide.append(this.#guideTitle, this.#guideText, this.#startCamera);
    this.#startCamera.addEventListener("click", () => {
      const choice = `input[name="camera"][value="${this.#startCamera.value}"]`;
      /** @type {HTMLInputElement | null} */ (document.querySelector(choice))?.click();
    });
  }

  /**
   * Show a picture together with its answer.
   *
   * @param {Prediction} prediction
   * @param {ImageBitmap} picture
   * @param {boolean} withText whether words and figures are renewed too
   */
  show(prediction, picture, withText) {
    this.#prediction = prediction;
    if (this.#canvas.width !== picture.width || this.#canvas.height !== picture.height) {
      this.#canvas.width = picture.width;
      this.#canvas.height = picture.height;
    }
    this.#context.drawImage(picture, 0, 0);
    this.#heatMap.draw(this.#context, prediction.heat_map);
    this.#showCrop();
    this.#stage.classList.remove("empty");
    if (withText && prediction.labels.length >= 2) this.#showVerdict(prediction);
  }

  /**
   * Show that the picture is stale, or current again.
   *
   * @param {import("./freshness.js").Staleness | null} stale
   */
  setStale(stale) {
    this.#note.hidden = stale === null;
    this.#stage.classList.toggle("stale", stale !== null);
    if (stale !== null) {
      setText(this.#noteTitle, texts.picture.noneFor(stale.seconds));
      setText(this.#noteReason, stale.reason);
    }
    if (this.#isStale === (stale !== null)) return;
    this.#isStale = stale !== null;
    this.#canvas.setAttribute(
      "aria-label",
      stale ? texts.picture.last : texts.picture.live,
    );
    if (stale) this.#forgetVerdict();
    announce(stale ? texts.picture.gone(stale.reason) : texts.picture.back);
  }

  /** Dim what is outside of the crop, and draw a thin frame around it, as in the window of live.py. */
  #showCrop() {
    const crop = this.crop;
    if (crop === null) return;
    const { width, height } = this.#canvas;
    const context = this.#context;
    const line = (FRAME * width) / Math.max(1, this.#canvas.clientWidth);
    context.beginPath();
    context.rect(0, 0, width, height);
    context.rect(crop.left * width, crop.top * height, crop.width * width, crop.height * height);
    context.fillStyle = OUTSIDE;
    context.fill("evenodd");
    context.strokeStyle = "#fff";
    context.lineWidth = line;
    context.strokeRect(
      crop.left * width + line / 2,
      crop.top * height + line / 2,
      crop.width * width - line,
      crop.height * height - line,
    );
  }

  /** Clear the last answer, so that it is not shown again before there is a new one. */
  #forgetVerdict() {
    for (const text of [this.#verdict, this.#words, this.#confidence]) setText(text, "");
    delete this.#verdict.dataset.label;
    delete this.#verdict.dataset.unknown;
    delete this.#stage.dataset.sure;
    this.#said = { label: "", since: 0, announced: "", at: 0 };
  }

  /**
   * @param {State} state
   * @param {string | null} recording the label that is recorded here or elsewhere
   */
  update(state, recording) {
    this.#labels = state.labels;
    if (state.camera.kind === "none") this.#forgetPicture();
    const step = nextStep(state, this.#prediction, recording);
    this.#guide.hidden = step === null;
    this.#panel.hidden = step !== null;
    setText(this.#guideTitle, step?.title ?? "");
    setText(this.#guideText, step?.text ?? "");
    const camera = state.teacher === "other" ? undefined : step?.camera;
    this.#startCamera.hidden = camera === undefined;
    this.#startCamera.value = camera ?? "";
    setText(this.#startCamera, camera === "browser" ? texts.guide.useBrowserCamera : texts.guide.startCamera);
    this.#showRecording(state, recording);
  }

  #forgetPicture() {
    this.#prediction = null;
    this.#forgetVerdict();
    this.#stage.classList.add("empty");
  }

  /** @param {Prediction} prediction */
  #showVerdict(prediction) {
    const best = likeliest(prediction);
    if (best === null) return;
    const { label, confidence } = best;
    const sure = prediction.unknown ? "unknown" : confidence >= SURE_FROM ? "yes" : "no";
    const shown = prediction.unknown ? texts.unknown : label;
    setText(this.#verdict, shown);
    this.#verdict.dataset.label = label;
    this.#verdict.dataset.unknown = String(prediction.unknown);
    this.#stage.dataset.sure = sure;
    this.#showKey(prediction.unknown ? "" : shown);
    setText(this.#words, { unknown: this.#guess(label), yes: texts.picture.sure, no: texts.picture.notSure }[sure]);
    setText(this.#confidence, prediction.unknown ? "" : percent(confidence));
    this.#say(shown);
  }

  /**
   * Return the guess for an unknown picture, and how to correct it.
   *
   * @param {string} label the likeliest
   */
  #guess(label) {
    const key = this.#labels.findIndex((one) => one.name === label) + 1;
    const { perhaps, perhapsTeach } = texts.picture;
    return key >= 1 && key <= KEYS ? perhapsTeach(label, key) : perhaps(label);
  }

  /** @param {string} shown the label; empty for none */
  #showKey(shown) {
    const place = this.#labels.findIndex((label) => label.name === shown);
    setText(this.#key, shown === "" ? "?" : String(place + 1));
    if (place >= 0) this.#key.dataset.colour = colourOf(place);
    else delete this.#key.dataset.colour;
  }

  /**
   * Announce a label to screen readers once it is steady, and not too often.
   *
   * @param {string} label
   */
  #say(label) {
    const now = performance.now();
    const said = this.#said;
    if (label !== said.label) Object.assign(said, { label, since: now });
    if (label === said.announced || now - said.since < STEADY || now - said.at < QUIET) return;
    Object.assign(said, { announced: label, at: now });
    announce(texts.picture.sees(label));
  }

  /**
   * @param {State} state
   * @param {string | null} recording
   */
  #showRecording(state, recording) {
    const place = state.labels.findIndex((label) => label.name === recording);
    const label = state.labels[place];
    this.#chip.hidden = !label;
    this.#stage.classList.toggle("recording", Boolean(label));
    if (!label) {
      this.#burst = null;
      delete this.#stage.dataset.colour;
      return;
    }
    this.#stage.dataset.colour = colourOf(place);
    if (this.#burst?.label !== label.name) this.#burst = { label: label.name, count: label.count };
    const taken = Math.max(0, label.count - this.#burst.count);
    setText(this.#chip, texts.picture.recording(label.name, taken, state.last_skip ?? ""));
  }
}
