// The model as a JavaScript API, for the page and for whoever builds on it:
//
//   import { Classifier } from "./classifier.js";
//   const classifier = await Classifier.open();
//   const answer = await classifier.classify(document.querySelector("video"));
//   answer.name, answer.confidence, answer.isUnknown

import { Smoothing, isUnknown, likeliest } from "./smoothing.js";
import { texts } from "./texts.js";

export { Smoothing };

/** Runs the model that lies beside this file; pictures never leave the device. */
export class Classifier {
  #worker;
  #waiting = new Map();
  #number = 0;
  #canvas = document.createElement("canvas");
  #failure = null;

  /**
   * @param {{runtime?: "webgpu" | "wasm"}} options Which runtime alone may be used; else WebGPU where
   *   it is there and answers rightly, and WebAssembly where not.
   * @returns {Promise<Classifier>} Ready to answer.
   */
  static async open({ runtime } = {}) {
    const classifier = new Classifier();
    try {
      const opened = await classifier.#ask({ type: "open", runtime });
      Object.assign(classifier, opened);
    } catch (error) {
      classifier.close();
      throw error;
    }
    return classifier;
  }

  /** Use `Classifier.open`. */
  constructor() {
    this.#worker = new Worker(new URL("./model_worker.js", import.meta.url), { type: "module" });
    this.#worker.addEventListener("message", ({ data }) => {
      const { resolve, reject } = this.#waiting.get(data.id);
      this.#waiting.delete(data.id);
      if ("error" in data) reject(new Error(data.error));
      else resolve(data.result);
    });
    this.#worker.addEventListener("error", (event) => {
      event.preventDefault();
      this.#fail(new Error(texts.model.stopped(event.message)));
    });
  }

  /**
   * Say what is on a picture.
   *
   * @param {HTMLVideoElement | HTMLImageElement | HTMLCanvasElement | ImageBitmap | ImageData | Blob} source
   *   A Blob is a picture file, such as one that was chosen or dropped.
   * @returns {Promise<object>} label, name, confidence (0 to 1), isUnknown, probabilities (in the
   *   labels' order), unknownScore and unknownThreshold (null where the model has none),
   *   milliseconds {prepare, run}.
   */
  async classify(source) {
    const { data, width, height } = await this.#pixels(source);
    const image = { data, width, height };
    return this.describe(await this.#ask({ type: "classify", image }, source instanceof ImageData ? [] : [data.buffer]));
  }

  /** Put names to an answer, such as one that `Smoothing` made steady. */
  describe(answer) {
    const best = likeliest(answer.probabilities);
    return {
      ...answer,
      label: /** @type {any} */ (this).card.labels[best],
      name: /** @type {any} */ (this).card.names[best],
      confidence: answer.probabilities[best],
      isUnknown: isUnknown(answer),
    };
  }

  /** End it; what was not answered yet is refused. */
  close() {
    this.#worker.terminate();
    this.#fail(new Error(texts.model.closed));
  }

  #fail(error) {
    this.#failure = error;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }

  #ask(message, transferred = []) {
    if (this.#failure) return Promise.reject(this.#failure);
    const id = this.#number++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ ...message, id }, transferred);
    });
  }

  async #pixels(source) {
    if (source instanceof ImageData) return source;
    const isFile = source instanceof Blob;
    // Without conversion a file's bytes are read as OpenCV reads them, whatever its profile says.
    const drawn = isFile ? await createImageBitmap(source, { colorSpaceConversion: "none" }) : source;
    const width = drawn.videoWidth ?? drawn.naturalWidth ?? drawn.width;
    const height = drawn.videoHeight ?? drawn.naturalHeight ?? drawn.height;
    if (!width || !height) throw new Error(texts.model.noPicture);
    const canvas = this.#canvas;
    if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
    const context = canvas.getContext("2d", { willReadFrequently: true, alpha: false });
    context.drawImage(drawn, 0, 0);
    if (isFile) drawn.close();
    return context.getImageData(0, 0, width, height);
  }
}
