// What a person should do next, as long as nothing can be told apart yet.

/** @typedef {import("./types.js").State} State */
/** @typedef {import("./types.js").Prediction} Prediction */

/**
 * @param {State} state
 * @param {Prediction | null} prediction the last one; null before the first picture
 * @returns {{title: string, text: string, camera?: "device" | "browser"} | null} null once the picture speaks for itself
 */
export function nextStep(state, prediction) {
  if (state.camera.kind === "none") {
    return {
      title: "The camera is off",
      text: "Start the device’s camera, or choose this browser’s below.",
      camera: "device",
    };
  }
  if (prediction === null) {
    if (state.camera.problem) {
      const text = state.camera.problem;
      const camera = state.camera.kind === "device" ? "browser" : undefined;
      return { title: "No picture yet", text, camera };
    }
    return { title: "Waiting for the camera…", text: "" };
  }
  if (prediction.labels.length >= 2) return null;
  if (state.teacher === "other")
    return { title: "Someone is teaching", text: "Its answers appear here." };
  if (state.labels.length === 0)
    return {
      title: "Add a label to begin",
      text: "Name a thing to recognise, such as “cup”.",
    };

  const unrecorded = state.labels.find((label) => label.count === 0);
  const recorded = state.labels.filter((label) => label.count > 0);
  if (recorded.length >= 2) return { title: "Learning…", text: "" };
  if (recorded.length === 1 && !unrecorded) {
    return { title: "Add a second label", text: "It needs at least two labels to choose between." };
  }
  const hasKeys = matchMedia("(any-hover: hover)").matches; // a phone has none
  const key = hasKeys && unrecorded?.key ? `, or the key ${unrecorded.key},` : "";
  const text = `Hold its button${key} for a second or two, and turn it a little.`;
  return {
    title: `${recorded.length ? "Now show" : "Show"} ${unrecorded?.name} and record it`,
    text,
  };
}
