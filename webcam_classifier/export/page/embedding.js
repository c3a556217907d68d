// What the page tells a page that embeds it, and what it is told there, by postMessage.
//
// Out: {source: "webcam-classifier", type: "ready" | "status" | "answer" | "classified" | "refused", ...}
// In:  {target: "webcam-classifier", type: "start" | "stop" | "classify", ...}

import { texts } from "./texts.js";

const NAME = "webcam-classifier";

export const isEmbedded = window.parent !== window;

/** Tell the embedding page, whichever it is: it was given the camera by who uses it. */
export function tellParent(type, fields) {
  if (isEmbedded) window.parent.postMessage({ source: NAME, type, ...fields }, "*");
}

/**
 * Do what the embedding page asks for; nobody else is listened to.
 *
 * @param {Record<string, (message: object) => Promise<object | void>>} commands By type. What a
 *   `classify` comes to is sent back as "classified" with its `id`.
 */
export function listenToParent(commands) {
  if (!isEmbedded) return;
  window.addEventListener("message", async (event) => {
    const message = event.data;
    if (event.source !== window.parent || message?.target !== NAME) return;
    const { type, id } = message;
    try {
      if (!Object.hasOwn(commands, type)) throw new Error(texts.model.noCommand(type));
      const result = await commands[type](message);
      if (result) tellParent("classified", { id, ...result });
    } catch (error) {
      tellParent("refused", { id, command: type, error: error.message });
    }
  });
}
