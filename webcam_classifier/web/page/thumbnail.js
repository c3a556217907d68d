// Show a small copy of a snapshot, also of one that is still on its way to the disk.

import { path } from "./studio.js";

const TRIES = 6;
const WAIT = 250; // milliseconds before the second try; longer before each further one

/**
 * @param {HTMLImageElement} picture
 * @param {string | null} label null for a picture that waits for one
 * @param {string} file
 * @param {number} side pixels of the longer side
 */
export function showPicture(picture, label, file, side) {
  const place = label === null ? path("unlabelled", file) : path("pictures", label, file);
  let tries = 1;
  picture.addEventListener("load", () => picture.classList.remove("missing"));
  picture.addEventListener("error", () => {
    picture.classList.add("missing");
    if (tries === TRIES) return;
    setTimeout(() => {
      if (picture.isConnected)
        picture.src = `${place}?side=${side}&try=${tries}`;
    }, WAIT * tries);
    tries += 1;
  });
  picture.src = `${place}?side=${side}`;
}
