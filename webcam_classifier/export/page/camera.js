// The browser's cameras: opening, choosing, front and back, and noticing when one stops.

const SIDE = { width: { ideal: 640 }, height: { ideal: 480 } };
const REASONS = {
  NotAllowedError: "The browser was not allowed to use the camera. Allow it beside the address, and start again.",
  NotFoundError: "There is no camera here. Attach one, and start again.",
  NotReadableError: "The camera is used by another program. Close that one, and start again.",
  OverconstrainedError: "That camera is gone. Choose another one.",
};

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
      throw new Error("A browser gives a camera to pages over https and on this machine alone. Open the page so.");
    }
    const attempt = ++this.#opening;
    this.#close();
    const which = deviceId ? { deviceId: { exact: deviceId } } : { facingMode: this.facing };
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { ...SIDE, ...which }, audio: false });
    } catch (error) {
      throw new Error(REASONS[error.name] ?? `The camera can't be opened (${error.message}).`, { cause: error });
    }
    if (attempt !== this.#opening) {
      for (const track of stream.getTracks()) track.stop(); // it was stopped or changed meanwhile
      return;
    }
    this.#stream = stream;
    stream.getVideoTracks()[0].addEventListener("ended", () => {
      if (stream !== this.#stream) return;
      this.stop();
      this.onEnded("The camera was unplugged or taken away. Start it again.");
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
      .map((device, number) => ({ id: device.deviceId, name: device.label || `Camera ${number + 1}` }));
  }

  #close() {
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = null;
    this.#video.srcObject = null;
  }
}
