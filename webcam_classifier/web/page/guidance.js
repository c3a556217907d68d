// The next step for the person, until there are labels to tell apart.

import { texts } from "./texts.js";

/** @typedef {import("./types.js").State} State */
/** @typedef {import("./types.js").Prediction} Prediction */

/**
 * @param {State} state
 * @param {Prediction | null} prediction the last one; null before the first picture
 * @param {string | null} recording the label that is being recorded
 * @returns {{title: string, text: string, camera?: "device" | "browser"} | null} null once there is an answer to show
 */
export function nextStep(state, prediction, recording) {
  if (state.camera.kind === "none") {
    return {
      title: texts.guide.off,
      text: texts.guide.offText,
      camera: "device",
    };
  }
  if (prediction === null) {
    if (state.camera.problem) {
      const text = state.camera.problem;
      const camera = state.camera.kind === "device" ? "browser" : undefined;
      return { title: texts.guide.noPicture, text, camera };
    }
    return { title: texts.guide.waiting, text: "" };
  }
  if (prediction.labels.length >= 2) return null;
  if (state.teacher === "other")
    return { title: texts.guide.otherTeaches, text: texts.guide.otherText };
  if (recording !== null) return { title: texts.guide.turn, text: texts.guide.letGo };
  if (state.labels.length === 0)
    return {
      title: texts.guide.addLabel,
      text: texts.guide.addLabelText,
    };

  const unrecorded = state.labels.find((label) => label.count === 0);
  const recorded = state.labels.filter((label) => label.count > 0);
  if (recorded.length >= 2) return { title: texts.guide.learning, text: "" };
  if (recorded.length === 1 && !unrecorded) {
    return { title: texts.guide.second, text: texts.guide.secondText };
  }
  const hasKeys = matchMedia("(any-hover: hover)").matches; // a phone has none
  const name = unrecorded?.name ?? "";
  const key = hasKeys ? unrecorded?.key : null;
  return {
    title: recorded.length > 0 ? texts.guide.nowShow(name) : texts.guide.show(name),
    text: key ? texts.guide.holdButtonOrKey(key) : texts.guide.holdButton,
  };
}
