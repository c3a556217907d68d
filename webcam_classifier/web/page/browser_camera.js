// This browser's camera, sent to the studio: the newest picture as a JPEG, when the studio asks, with
// the time when it was taken. No picture is sent twice, so a frozen camera sends none.

import { texts } from "./texts.js";
import { drawFrame } from "./video_frame.js";

const WIDTH = 640; // pixels: more than the network looks at
const QUALITY = 0.85;
const RETRY_AFTER = 1000; // milliseconds
const FRAME_WAIT = 200; // milliseconds between two checks for a new frame if the browser reports none

/** The camera can't be used; the message is a sentence for the person. */
export class CameraRefused extends Error {}

export class BrowserCamera {
  /** @type {MediaStream | null} */
  #stream = null;
  /** @type {WebSocket | null} */
  #socket = null;
  #sentTime = -1; // of the video: of the frame that was sent last
  #video = document.createElement("video");
  #canvas = document.createElement("canvas");
  #onEnd;

  /** @param {(reason: string) => void} onEnd the camera went, or the studio wants no more of it */
  constructor(onEnd) {
    this.#onEnd = onEnd;
    this.#video.muted = true;
    this.#video.playsInline = true;
  }

  get active() {
    return this.#stream !== null;
  }

  /** The id of the camera that is on; empty if the browser does not say. */
  get device() {
    return this.#stream?.getVideoTracks()[0]?.getSettings().deviceId ?? "";
  }

  /**
   * Switch the camera on, or to another one.
   *
   * @param {string} [device]
   */
  async start(device) {
    if (!navigator.mediaDevices) {
      throw new CameraRefused(texts.camera.needsHttps);
    }
    this.stop();
    const size = { width: { ideal: WIDTH }, height: { ideal: 480 } };
    const which = device ? { deviceId: { exact: device } } : { facingMode: "user" };
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({
        video: { ...size, ...which },
        audio: false,
      });
    } catch (error) {
      throw new CameraRefused(reasonOf(error));
    }
    this.#stream = stream;
    stream
      .getVideoTracks()[0]
      .addEventListener("ended", () => this.#end(texts.camera.gone));
    this.#video.srcObject = stream;
    await this.#video.play();
  }

  /**
   * Send pictures to the studio from now on, and reconnect whenever the connection is lost.
   *
   * @param {string} client who this page is
   */
  connect(client) {
    const address = new URL(
      `/ws/camera?client=${encodeURIComponent(client)}`,
      location.href.replace(/^http/, "ws"),
    );
    const socket = new WebSocket(address);
    this.#socket?.close();
    this.#socket = socket;
    socket.onmessage = (event) => {
      const { clock } = JSON.parse(event.data); // the studio only asks for the next picture
      socket.send(JSON.stringify({ type: "clock", clock, browser: seconds(performance.now()) }));
      void this.#send(socket);
    };
    socket.onclose = (event) => {
      if (socket !== this.#socket) return;
      if (event.reason) this.#end(event.reason);
      else setTimeout(() => this.#reconnect(socket, client), RETRY_AFTER);
    };
  }

  /**
   * Reconnect after a broken connection, unless another one was made in the meantime.
   *
   * @param {WebSocket} socket the broken one
   * @param {string} client
   */
  #reconnect(socket, client) {
    if (this.active && socket === this.#socket) this.connect(client);
  }

  stop() {
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = null;
    this.#video.srcObject = null;
  }

  /** Return the cameras of this browser, once it is allowed to list them. */
  async devices() {
    const all = await navigator.mediaDevices.enumerateDevices();
    return all.filter((device) => device.kind === "videoinput" && device.deviceId);
  }

  /** @param {WebSocket} socket */
  async #send(socket) {
    const takenAt = await this.#newFrame(socket);
    if (takenAt === null || !this.#video.videoWidth) return;
    drawFrame(this.#video, this.#canvas, WIDTH);
    this.#canvas.toBlob(
      (picture) => {
        if (!picture || socket.readyState !== WebSocket.OPEN) return;
        socket.send(JSON.stringify({ type: "frame", captured: seconds(takenAt) }));
        socket.send(picture);
      },
      "image/jpeg",
      QUALITY,
    );
  }

  /**
   * Wait for a picture that has not been sent yet.
   *
   * @param {WebSocket} socket
   * @returns {Promise<number | null>} when it was taken, on the clock of `performance.now`; null
   *   if the camera or the studio is gone
   */
  async #newFrame(socket) {
    for (;;) {
      if (!this.active || socket !== this.#socket || socket.readyState !== WebSocket.OPEN)
        return null;
      const takenAt = await this.#nextFrame();
      if (this.#video.currentTime === this.#sentTime) continue;
      this.#sentTime = this.#video.currentTime;
      return takenAt;
    }
  }

  /** Wait until the browser reports a frame, or for a while: in the background it reports none. */
  #nextFrame() {
    return /** @type {Promise<number>} */ (
      new Promise((resolve) => {
        const tells = "requestVideoFrameCallback" in this.#video;
        setTimeout(() => resolve(performance.now()), tells ? FRAME_WAIT : 33);
        if (tells)
          this.#video.requestVideoFrameCallback((now, frame) => resolve(frame.captureTime ?? now));
      })
    );
  }

  /** @param {string} reason */
  #end(reason) {
    this.stop();
    this.#onEnd(reason);
  }
}

/** @param {number} milliseconds */
function seconds(milliseconds) {
  return milliseconds / 1000;
}

/** @param {unknown} error of getUserMedia */
function reasonOf(error) {
  const name = error instanceof DOMException ? error.name : "";
  if (name === "NotAllowedError") return texts.camera.notAllowed;
  if (name === "NotFoundError" || name === "OverconstrainedError")
    return texts.camera.notFound;
  if (name === "NotReadableError") return texts.camera.busy;
  return texts.camera.failed(error instanceof Error ? error.message : String(error));
}
