// Ask before something is removed.

import { find, setText } from "./elements.js";

const dialog = find("confirm-dialog", HTMLDialogElement);

/**
 * @param {string} title the question
 * @param {string} text what will happen
 * @param {string} yes what the button that does it says
 * @returns {Promise<boolean>}
 */
export function confirm(title, text, yes) {
  setText(find("confirm-title", HTMLHeadingElement), title);
  setText(find("confirm-text", HTMLParagraphElement), text);
  setText(find("confirm-yes", HTMLButtonElement), yes);
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}
