// The keys of the whole page: 1 to 9 are held to record, n adds a label, Ctrl+Z undoes.

/** @typedef {import("./studio.js").Studio} Studio */
/** @typedef {import("./recording.js").Recording} Recording */

/**
 * @param {Studio} studio
 * @param {Recording} recording
 * @param {{onNewLabel: () => void, onUndo: () => void}} actions
 */
export function listenToKeys(studio, recording, actions) {
  addEventListener("keydown", (event) => {
    if (isTyping(event.target) || document.querySelector("dialog[open]")) return;
    if ((event.ctrlKey || event.metaKey) && event.code === "KeyZ" && !event.shiftKey) {
      event.preventDefault();
      if (!event.repeat) actions.onUndo();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "n" && !event.repeat) {
      event.preventDefault();
      actions.onNewLabel();
      return;
    }
    const label = labelOf(studio, event);
    if (label === null) return;
    event.preventDefault();
    if (!event.repeat) recording.begin(label, event.code);
  });
  addEventListener("keyup", (event) => recording.release(event.code));
}

/**
 * @param {Studio} studio
 * @param {KeyboardEvent} event
 */
function labelOf(studio, event) {
  // By the key's position, so that it works where digits need Shift, as on a French keyboard.
  const key = /^(?:Digit|Numpad)([1-9])$/.exec(event.code)?.[1];
  if (key === undefined) return null;
  return studio.state?.labels.find((label) => label.key === key)?.name ?? null;
}

/** @param {EventTarget | null} target */
export function isTyping(target) {
  if (target instanceof HTMLInputElement)
    return !["radio", "checkbox", "file", "button"].includes(target.type);
  return target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement;
}
