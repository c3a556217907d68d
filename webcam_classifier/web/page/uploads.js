// Send files to the studio one after another, and say what became of them.

import { alert, alertError, notice } from "./notices.js";
import { fileSize, many } from "./words.js";

/** @typedef {import("./studio.js").Studio} Studio */

/** @param {File} file */
export function isZip(file) {
  return /\.zip$/i.test(file.name) || /zip/.test(file.type);
}

/**
 * @param {Studio} studio
 * @param {string | null} label whose snapshots they are; null for zips with a folder for each label
 * @param {File[]} files
 */
export async function sendFiles(studio, label, files) {
  let added = 0;
  let untold = 0; // refused, but not named by the studio, which names a hundred
  /** @type {string[]} */
  const refused = [];
  for (const [number, file] of files.entries()) {
    const problem = problemOf(studio, label, file);
    if (problem) {
      refused.push(`${file.name}: ${problem}`);
      continue;
    }
    notice(
      files.length > 1 ? `Adding ${number + 1} of ${files.length} files…` : `Adding ${file.name}…`,
    );
    try {
      const answer = await studio.upload(label, file);
      added += answer.added;
      refused.push(...answer.refused.map((one) => `${one.name}: ${one.reason}`));
      untold += (answer.refused_count ?? answer.refused.length) - answer.refused.length;
    } catch (error) {
      if (files.length === 1) return alertError(error);
      refused.push(`${file.name}: ${error instanceof Error ? error.message : error}`);
    }
  }
  const whose = label === null ? "" : ` to ${label}`;
  const sentence = added === 0 ? "Nothing was added." : `Added ${many(added, "picture")}${whose}.`;
  if (refused.length === 0) notice(sentence);
  else alert(`${sentence} ${refused.length + untold} could not be used:`, refused);
}

/**
 * Say what speaks against a file before it is sent in vain.
 *
 * @param {Studio} studio
 * @param {string | null} label
 * @param {File} file
 */
function problemOf(studio, label, file) {
  if (label === null && !isZip(file)) return "drop pictures onto the label that they belong to";
  const limits = studio.state?.limits;
  const most = limits && (isZip(file) ? limits.zip_bytes : limits.picture_bytes);
  return most && file.size > most
    ? `${fileSize(file.size)} is more than the ${fileSize(most)} allowed`
    : "";
}
