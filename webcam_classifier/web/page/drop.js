// Files that are dropped or pasted: onto a label, they are for that label.

import { isTyping } from "./keyboard.js";

/**
 * @param {{mayTeach: boolean}} page whether labels take pictures now
 * @param {(label: string | null, files: File[]) => void} onFiles with the label that they fell on
 */
export function acceptDrops(page, onFiles) {
  let depth = 0; // entering a child comes before leaving its parent
  const end = () => {
    depth = 0;
    document.body.classList.remove("dragging", "giving");
    mark(null);
  };
  addEventListener("dragenter", (event) => {
    if (!hasFiles(event)) return;
    depth += 1;
    document.body.classList.add("dragging");
    document.body.classList.toggle("giving", page.mayTeach);
  });
  addEventListener("dragleave", (event) => {
    if (!hasFiles(event)) return;
    depth -= 1;
    if (depth <= 0) end();
  });
  addEventListener("dragover", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault(); // or the browser opens the file in place of the page
    mark(cardAt(event.target) ?? document.getElementById("stage"));
  });
  addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    const label = cardAt(event.target)?.dataset.label ?? openLabel();
    const files = [...(event.dataTransfer?.files ?? [])];
    end();
    onFiles(label, files);
  });
  addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    const isText = event.clipboardData?.types.includes("text/plain") ?? false;
    if (files.length === 0 || (isText && isTyping(event.target))) return;
    event.preventDefault();
    onFiles(openLabel(), files);
  });
}

/** @param {DragEvent} event */
function hasFiles(event) {
  return event.dataTransfer?.types.includes("Files") ?? false;
}

/** @param {EventTarget | null} target */
function cardAt(target) {
  return target instanceof Element
    ? /** @type {HTMLElement | null} */ (target.closest(".card"))
    : null;
}

/** Return the label whose dialog is open: files dropped then are for it. */
function openLabel() {
  return document.querySelector("#label-dialog[open] h2")?.textContent ?? null;
}

/** @param {HTMLElement | null} place that takes what is dropped now */
function mark(place) {
  for (const other of document.querySelectorAll(".drop-here"))
    if (other !== place) other.classList.remove("drop-here");
  place?.classList.add("drop-here");
}
