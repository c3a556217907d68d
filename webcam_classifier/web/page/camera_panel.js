// The choice of camera: the device's, this browser's, or none; and whether it is mirrored.

import { BrowserCamera } from "./browser_camera.js";
import { find, make, setText } from "./elements.js";
import { alertError } from "./notices.js";
import { texts } from "./texts.js";

/** @typedef {import("./studio.js").Studio} Studio */
/** @typedef {import("./types.js").State} State */

const MIRROR_KEY = "mirror"; // in this browser's storage: "yes", "no", or nothing yet

export class CameraPanel {
  #studio;
  #camera;
  #set = /** @type {HTMLFieldSetElement} */ (document.getElementById("camera"));
  #radios = [...this.#set.querySelectorAll("input")];
  #choice = find("camera-choice", HTMLSelectElement);
  #choiceLabel = find("camera-choice-label", HTMLLabelElement);
  #description = find("camera-description", HTMLParagraphElement);
  #problem = find("camera-problem", HTMLParagraphElement);
  #mirror = find("mirror", HTMLButtonElement);
  #ownProblem = "";

  /** @param {Studio} studio */
  constructor(studio) {
    this.#studio = studio;
    this.#camera = new BrowserCamera((reason) => this.#ended(reason));
    for (const radio of this.#radios) {
      // A click, not a change: choosing this browser's camera again switches it on again.
      radio.addEventListener("click", () => void this.#choose(radio.value));
    }
    this.#choice.addEventListener("change", () => void this.#useBrowser(this.#choice.value));
    this.#mirror.addEventListener("click", () => {
      localStorage.setItem(
        MIRROR_KEY,
        this.#mirror.getAttribute("aria-pressed") === "true" ? "no" : "yes",
      );
      this.#showMirror();
    });
  }

  /** After a lost connection, go on with this browser's camera if it was in use. */
  reconnect() {
    if (this.#camera.active) this.#camera.connect(this.#studio.connection.client);
  }

  /** @param {State} state */
  update(state) {
    this.#set.disabled = this.#choice.disabled = !this.#studio.mayTeach;
    for (const radio of this.#radios) radio.checked = radio.value === state.camera.kind;
    if (this.#camera.active && state.teacher === "other") this.#camera.stop();
    setText(this.#description, state.camera.description);
    // A problem of the studio's camera is shown in place of its picture.
    setText(this.#problem, this.#ownProblem);
    this.#problem.hidden = this.#ownProblem === "";
    this.#choiceLabel.hidden = !this.#camera.active || this.#choice.options.length < 2;
    this.#showMirror();
  }

  /** @param {string} kind */
  async #choose(kind) {
    if (kind === "browser") return this.#useBrowser();
    this.#camera.stop();
    this.#ownProblem = "";
    try {
      await this.#studio.useCamera(kind === "device" ? "device" : "none");
    } catch (error) {
      alertError(error);
    }
    this.#refresh();
  }

  /** @param {string} [device] */
  async #useBrowser(device) {
    this.#ownProblem = "";
    try {
      await this.#camera.start(device);
      this.#studio.connection.claim();
      this.#camera.connect(this.#studio.connection.client);
      await this.#listDevices();
    } catch (error) {
      this.#ownProblem = error instanceof Error ? error.message : String(error);
    }
    this.#refresh();
  }

  async #listDevices() {
    const devices = await this.#camera.devices();
    const options = devices.map((device, place) =>
      make("option", { value: device.deviceId }, device.label || texts.camera.numbered(place + 1)),
    );
    this.#choice.replaceChildren(...options);
    this.#choice.value = this.#camera.device;
  }

  /** @param {string} reason */
  #ended(reason) {
    this.#ownProblem = reason;
    this.#refresh();
  }

  #refresh() {
    if (this.#studio.state) this.update(this.#studio.state);
  }

  /** People are used to mirror images of themselves; saved pictures are never mirrored. */
  #showMirror() {
    const chosen = localStorage.getItem(MIRROR_KEY);
    const looksAtPerson = this.#studio.state?.camera.mirror ?? this.#camera.active;
    const mirrored = chosen === null ? looksAtPerson : chosen === "yes";
    this.#mirror.setAttribute("aria-pressed", String(mirrored));
    find("stage", HTMLDivElement).classList.toggle("mirrored", mirrored);
  }
}
