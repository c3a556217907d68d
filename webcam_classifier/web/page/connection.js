// The WebSocket to the studio, which reconnects by itself, and asks for one picture at a time.

import { texts } from "./texts.js";
import "./types.js";

/** @typedef {import("./types.js").State} State */
/** @typedef {import("./types.js").Prediction} Prediction */
/** @typedef {import("./types.js").Link} Link */

const WAITS = [300, 600, 1200, 2500, 5000]; // milliseconds before each attempt; the last one repeats
const SILENCE = 4000; // milliseconds without a message after which the link counts as lost; normally there is one a second
const LOOPBACK = ["localhost", "127.0.0.1", "[::1]"]; // needs no network

/**
 * The callbacks of the page.
 *
 * @typedef {object} Listener
 * @property {(state: State) => void} onState
 * @property {(prediction: Prediction, picture: Blob | null) => void} onPrediction
 * @property {(link: Link, problem: string) => void} onLink
 * @property {(sentence: string) => void} onRefused
 */

export class Connection {
  /** The id of this page, from the server; empty until it is known. */
  client = "";

  /** @type {Link} */
  link = "connecting";

  /** @type {WebSocket | null} */
  #socket = null;
  /** @type {Prediction | null} */
  #awaitingPicture = null;
  #wantsHeatMaps = false;
  #failures = 0;
  #timer = 0;
  #listener;

  /** @param {Listener} listener */
  constructor(listener) {
    this.#listener = listener;
    // When a phone wakes up or the network is back, try again at once.
    addEventListener("online", () => this.#retryNow());
    addEventListener("offline", () => {
      if (!LOOPBACK.includes(location.hostname)) this.#socket?.close();
    });
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") this.#retryNow();
    });
  }

  open() {
    clearTimeout(this.#timer);
    const socket = new WebSocket(new URL("/ws/live", location.href.replace(/^http/, "ws")));
    socket.binaryType = "blob";
    this.#socket = socket;
    const gone = () => {
      if (socket === this.#socket) void this.#lost();
      socket.close(); // this may take long without a network
    };
    this.#timer = setTimeout(gone, SILENCE);
    socket.onopen = () => {
      this.#send({ type: "hello", pictures: true });
      if (this.#wantsHeatMaps) this.wantHeatMaps(true);
    };
    socket.onmessage = (event) => {
      if (socket !== this.#socket) return;
      clearTimeout(this.#timer);
      this.#timer = setTimeout(gone, SILENCE);
      this.#receive(event.data);
    };
    socket.onclose = gone;
  }

  /**
   * Say that a frame is on the screen, which also asks for the next one.
   *
   * @param {number} frame
   */
  shown(frame) {
    this.#send({ type: "shown", frame });
  }

  /**
   * Ask for a heat map with each picture, or for none.
   *
   * @param {boolean} on
   */
  wantHeatMaps(on) {
    this.#wantsHeatMaps = on;
    this.#send({ type: "heat_map", on });
  }

  /**
   * @param {string} label
   * @param {boolean} on
   */
  record(label, on) {
    this.#send({ type: "record", label, on });
  }

  claim() {
    this.#send({ type: "claim" });
  }

  release() {
    this.#send({ type: "release" });
  }

  /** @param {object} message */
  #send(message) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  /** @param {string | Blob} data */
  #receive(data) {
    if (data instanceof Blob) {
      const prediction = this.#awaitingPicture;
      this.#awaitingPicture = null;
      if (prediction) this.#listener.onPrediction(prediction, data);
      return;
    }
    const message = JSON.parse(data);
    if (message.type === "welcome") this.#welcomed(message.client);
    else if (message.type === "state") this.#listener.onState(message);
    else if (message.type === "prediction") this.#awaitingPicture = message;
    else if (message.type === "refused") this.#listener.onRefused(message.error);
  }

  /** @param {string} client */
  #welcomed(client) {
    this.client = client;
    this.#failures = 0;
    this.#setLink("connected");
  }

  async #lost() {
    clearTimeout(this.#timer);
    this.#socket = null;
    this.#awaitingPicture = null;
    const problem = await whyRefused();
    if (this.#socket !== null) return; // another attempt has begun in the meantime
    this.#setLink(problem ? "refused" : "lost", problem);
    const wait = WAITS[Math.min(this.#failures, WAITS.length - 1)];
    this.#failures += 1;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.open(), wait);
  }

  #retryNow() {
    if (this.#socket === null) this.open();
  }

  /**
   * @param {Link} link
   * @param {string} [problem]
   */
  #setLink(link, problem = "") {
    this.link = link;
    this.#listener.onLink(link, problem);
  }
}

/** A WebSocket does not say why it was refused; an HTTP answer does. */
async function whyRefused() {
  try {
    const answer = await fetch("/api/state", { signal: AbortSignal.timeout(SILENCE) });
    if (answer.status !== 401 && answer.status !== 403) return "";
    return (
      (await answer.json()).error ?? texts.link.oldLink
    );
  } catch {
    return "";
  }
}
