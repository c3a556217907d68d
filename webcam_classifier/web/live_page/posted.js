// Classify a picture with the running loop's model; the picture is not kept.

import { texts } from "./texts.js";

/**
 * @param {File} file
 * @returns {Promise<import("/page/types.js").PictureAnswer>}
 */
export async function classify(file) {
  const answer = await fetch("/classify", { method: "POST", body: file }).catch(() => null);
  if (answer === null) throw new Error(texts.watch.away);
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(said.error ?? texts.watch.away);
  return said;
}
