// Drop files from the desktop: pictures onto a label, a zip or a video anywhere.

/** @typedef {import("./studio.js").Studio} Studio */

/**
 * @param {Studio} studio
 * @param {(label: string | null, files: File[]) => void} onFiles with the label that they fell on
 */
export function acceptDrops(studio, onFiles) {
  let depth = 0; // entering a child comes before leaving its parent
  const end = () => {
    depth = 0;
    document.body.classList.remove("dragging");
    mark(null);
  };
  addEventListener("dragenter", (event) => {
    if (!hasFiles(event) || !studio.mayTeach) return;
    depth += 1;
    document.body.classList.add("dragging");
  });
  addEventListener("dragleave", (event) => {
    if (!hasFiles(event)) return;
    depth -= 1;
    if (depth <= 0) end();
  });
  addEventListener("dragover", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault(); // or the browser opens the file in place of the page
    mark(cardAt(event.target));
  });
  addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    const label = cardAt(event.target)?.dataset.label ?? openLabel();
    const files = [...(event.dataTransfer?.files ?? [])];
    end();
    if (studio.mayTeach) onFiles(label, files);
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

/** The label whose dialog is open: what is dropped then is meant for it. */
function openLabel() {
  return document.querySelector("#label-dialog[open] h2")?.textContent ?? null;
}

/** @param {HTMLElement | null} card */
function mark(card) {
  for (const other of document.querySelectorAll(".drop-here"))
    if (other !== card) other.classList.remove("drop-here");
  card?.classList.add("drop-here");
}
