// The browser's cameras: opening, choosing, front and back, and noticing when one stops.

import { texts } from "./texts.js";

const SIDE = { width: { ideal: 640 }, height: { ideal: 480 } };

/** One camera at a time, shown in a video element. */
export class Camera {
  #video;
  #stream = null;
  #opening = 0;

  /**
   * @param {HTMLVideoElement} video Shows it.
   * @param {(message: string) => void} onEnded Called when it stops by itself.
   */
  constructor(video, onEnded) {
    this.#video = video;
    this.onEnded = onEnded;
    this.facing = "user";
  }

  get isOn() {
    return this.#stream !== null;
  }

  get deviceId() {
    return this.#stream?.getVideoTracks()[0].getSettings().deviceId ?? "";
  }

  /** Whether it looks at who holds the device; a camera that does not say is on a desk, and does. */
  get looksAtUser() {
    return (this.#stream?.getVideoTracks()[0].getSettings().facingMode ?? "user") === "user";
  }

  /** Open a camera by its id, or the one that faces as `facing` says. */
  async start(deviceId = "") {
    if (!navigator.mediaDevices?.getUserMedia) {
      throw new Error(texts.camera.needsHttps);
    }
    const attempt = ++this.#opening;
    this.#close();
    const which = deviceId ? { deviceId: { exact: deviceId } } : { facingMode: this.facing };
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { ...SIDE, ...which }, audio: false });
    } catch (error) {
      throw new Error(texts.camera.reasons[error.name] ?? texts.camera.failed(error.message), { cause: error });
    }
    if (attempt !== this.#opening) {
      for (const track of stream.getTracks()) track.stop(); // it was stopped or changed meanwhile
      return;
    }
    this.#stream = stream;
    stream.getVideoTracks()[0].addEventListener("ended", () => {
      if (stream !== this.#stream) return;
      this.stop();
      this.onEnded(texts.camera.gone);
    });
    this.#video.srcObject = stream;
    await this.#video.play().catch(() => {}); // a newer start or a stop came between
  }

  stop() {
    this.#opening++;
    this.#close();
  }

  /** The cameras by id and name; names are told only once one was allowed. */
  async list() {
    const devices = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
    return devices
      .filter((device) => device.kind === "videoinput" && device.deviceId)
      .map((device, number) => ({ id: device.deviceId, name: device.label || texts.camera.numbered(number + 1) }));
  }

  #close() {
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = null;
    this.#video.srcObject = null;
  }
}
