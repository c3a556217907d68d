// The page's interface to the studio: its newest state, and all requests.

import { Connection } from "./connection.js";
import { texts } from "./texts.js";

/** @typedef {import("./types.js").State} State */

/** A change that the studio refused, with its sentence for the person. */
export class Refused extends Error {}

export class Studio {
  /** @type {State | null} */
  state = null;

  /** @type {Connection} */
  connection;

  /** @param {Connection} connection */
  constructor(connection) {
    this.connection = connection;
  }

  /** Whether this page may change anything now. */
  get mayTeach() {
    return (
      this.connection.link === "connected" && this.state !== null && this.state.teacher !== "other"
    );
  }

  /** The folder that removed pictures are moved to, as a person reads it. */
  get removedFolder() {
    return `${this.state?.dataset_folder ?? "dataset"}/.removed`;
  }

  /** @param {string} name */
  addLabel(name) {
    return this.#change("POST", "/api/labels", { name });
  }

  /**
   * @param {string} label
   * @param {string} name
   */
  renameLabel(label, name) {
    return this.#change("PATCH", path("labels", label), { name });
  }

  /** @param {string} label */
  removeLabel(label) {
    return this.#change("DELETE", path("labels", label));
  }

  /**
   * @param {string} label
   * @param {string} file
   */
  removePicture(label, file) {
    return this.#change("DELETE", path("pictures", label, file));
  }

  /**
   * @param {string} label
   * @returns {Promise<string[]>} file names, newest first
   */
  async pictures(label) {
    const answer = await this.#call("GET", `${path("labels", label)}/pictures`);
    return answer.pictures;
  }

  /**
   * Classify a picture, which is not kept.
   *
   * @param {File} file
   * @returns {Promise<import("./types.js").PictureAnswer>}
   */
  classify(file) {
    return this.#call("POST", "/api/classify", file);
  }

  /**
   * Add a picture to a label, as a burst that is undone as one.
   *
   * @param {string} label
   * @param {File} file
   * @returns {Promise<{added: number, refused: {name: string, reason: string}[]}>}
   */
  addPicture(label, file) {
    return this.#change("PUT", path("labels", label, "uploads", file.name), file);
  }

  /**
   * Begin an import.
   *
   * @param {string | null} label that all of it shows; null for a zip file that says it itself
   * @returns {Promise<string>} what the studio calls it
   */
  async beginImport(label) {
    return (await this.#change("POST", "/api/imports", { label })).import;
  }

  /**
   * Return the request that sends a file; unlike `fetch`, it reports its progress.
   *
   * @param {string} imported
   * @param {string} name
   */
  importRequest(imported, name) {
    const request = new XMLHttpRequest();
    request.open("PUT", path("imports", imported, "files", name));
    request.setRequestHeader("X-Studio-Client", this.connection.client);
    return request;
  }

  /**
   * @param {string} imported
   * @returns {Promise<{done: number, total: number | null}>}
   */
  importProgress(imported) {
    return this.#call("GET", path("imports", imported));
  }

  /**
   * @param {string} imported
   * @returns {Promise<import("./types.js").ImportAnswer>} what would be added
   */
  lookAtImport(imported) {
    return this.#change("POST", path("imports", imported, "look"));
  }

  /**
   * @param {string} imported
   * @returns {Promise<import("./types.js").ImportAnswer>} what was added
   */
  addImport(imported) {
    return this.#change("POST", path("imports", imported, "add"));
  }

  /** @param {string} imported */
  dropImport(imported) {
    return this.#change("DELETE", path("imports", imported));
  }

  /**
   * Begin a burst of frames of a video.
   *
   * @param {string} label
   * @returns {Promise<{burst: string, rate: number | null}>} frames a second that are usual
   */
  beginBurst(label) {
    return this.#change("POST", "/api/bursts", { label });
  }

  /**
   * @param {string} burst
   * @param {Blob} frame a JPEG
   * @returns {Promise<{name: string, reason: string}>} its file, or why it was left out
   */
  addFrame(burst, frame) {
    return this.#change("POST", path("bursts", burst, "frames"), frame);
  }

  /** @returns {Promise<import("./types.js").ReviewAnswer>} the suspects */
  review() {
    return this.#call("GET", "/api/review");
  }

  /**
   * @param {import("./types.js").Chosen} chosen
   * @param {string} to
   */
  moveReviewed(chosen, to) {
    return this.#change("POST", "/api/review/move", { ...chosen, to });
  }

  /** @param {import("./types.js").Chosen} chosen */
  removeReviewed(chosen) {
    return this.#change("POST", "/api/review/remove", chosen);
  }

  undoReviewed() {
    return this.#change("POST", "/api/review/undo");
  }

  undo() {
    return this.#change("POST", "/api/undo");
  }

  /**
   * @param {import("./types.js").Crop} crop
   * @returns {Promise<{analysed_again: number}>} how many snapshots are analysed again
   */
  lookAt(crop) {
    return this.#change("POST", "/api/crop", crop);
  }

  /** @param {"device" | "browser" | "none"} kind */
  useCamera(kind) {
    return this.#change("POST", "/api/camera", { kind });
  }

  /**
   * @param {"head" | "finetune"} mode
   * @param {number} [epochs]
   */
  teach(mode, epochs) {
    return this.#change("POST", "/api/teach", { mode, epochs });
  }

  /** @param {string} precision */
  export(precision) {
    return this.#change("POST", "/api/export", { precision });
  }

  /** @param {"page" | "dataset"} what is written as a zip file */
  pack(what) {
    return this.#change("POST", "/api/pack", { what });
  }

  cancel() {
    return this.#change("POST", "/api/cancel");
  }

  /** @param {"head" | "model"} source */
  watch(source) {
    return this.#change("POST", "/api/watch", { with: source });
  }

  /**
   * @param {string} method
   * @param {string} place
   * @param {object} [body] a file goes as it is, anything else as JSON
   */
  async #change(method, place, body) {
    if (this.state?.teacher === null) this.connection.claim();
    return this.#call(method, place, body);
  }

  /**
   * @param {string} method
   * @param {string} place
   * @param {object} [body]
   * @returns {Promise<any>}
   */
  async #call(method, place, body) {
    /** @type {Record<string, string>} */
    const headers = { "X-Studio-Client": this.connection.client };
    if (body !== undefined && !(body instanceof Blob)) headers["Content-Type"] = "application/json";
    const sent = body === undefined || body instanceof Blob ? body : JSON.stringify(body);
    let answer;
    try {
      answer = await fetch(place, { method, headers, body: sent });
    } catch {
      throw new Refused(texts.link.awayDoAgain);
    }
    const said = await answer.json().catch(() => ({}));
    if (!answer.ok)
      throw new Refused(said.error ?? texts.link.answered(answer.status));
    return said;
  }
}

/**
 * Return the path of a resource from its names, whatever characters they contain.
 *
 * @param {...string} parts
 */
export function path(...parts) {
  return `/api/${parts.map(encodeURIComponent).join("/")}`;
}
