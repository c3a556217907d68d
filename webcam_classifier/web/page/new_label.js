// Add a label whose name was typed into a field.

import { alertError } from "./notices.js";

/** @typedef {import("./studio.js").Studio} Studio */

/**
 * Add the label, and empty the field. A failure is shown, and leaves the field as it is.
 *
 * @param {Studio} studio
 * @param {HTMLInputElement} field
 * @returns {Promise<string>} the label's name as the studio has it; empty if none was added
 */
export async function addTypedLabel(studio, field) {
  const name = field.value.trim();
  if (!name) return "";
  try {
    await studio.addLabel(name);
  } catch (error) {
    alertError(error);
    return "";
  }
  field.value = "";
  return name.normalize("NFC");
}
