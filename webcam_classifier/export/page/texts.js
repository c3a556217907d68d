// Everything that the page says: to translate it, translate this file.

/** @param {number} share 0 to 1 */
export function percent(share) {
  return `${Math.round(100 * share)} %`;
}

export const texts = {
  language: "en",
  title: "Camera classifier",
  privacy: "No picture leaves this device.",
  unknown: "unknown",

  picture: {
    title: "Live picture",
    camera: "The camera’s picture",
    sure: "sure",
    notSure: "not sure",
    unlike: "like nothing it was shown",
    noneFor: (/** @type {number} */ seconds) => `No picture for ${Math.round(seconds)} s`,
    noFrames: "The camera gives no new frames.",
  },

  camera: {
    title: "Camera",
    ready: "Ready",
    allow: "Allow the camera when the browser asks.",
    start: "Start the camera",
    stop: "Stop",
    flip: "Front or back",
    mirror: "Mirror",
    opening: "Opening the camera…",
    numbered: (/** @type {number} */ number) => `Camera ${number}`,
    needsHttps: "A browser gives a camera to pages over https and on this machine alone. Open the page so.",
    gone: "The camera was unplugged or taken away. Start it again.",
    failed: (/** @type {string} */ reason) => `The camera can't be opened (${reason}).`,
    /** By the name of the browser's error. @type {Record<string, string>} */
    reasons: {
      NotAllowedError: "The browser was not allowed to use the camera. Allow it beside the address, and start again.",
      NotFoundError: "There is no camera here. Attach one, and start again.",
      NotReadableError: "The camera is used by another program. Close that one, and start again.",
      OverconstrainedError: "That camera is gone. Choose another one.",
    },
  },

  answers: {
    title: "How likely each label is",
    yes: "yes",
    no: "no",
  },

  facts: {
    runtime: "Runs on",
    time: "Time a picture",
    milliseconds: (/** @type {number} */ value) => `${value.toFixed(1)} ms`,
    rate: "Pictures a second",
    accuracy: "Measured accuracy",
    accuracyOf: (/** @type {number} */ share, /** @type {number} */ count) => `${(100 * share).toFixed(1)} % of ${count}`,
    notMeasured: "not measured",
    offline: "Without a network",
    notYet: "not yet",
    works: "works",
    needsNetwork: "needs one",
    licences: "Licences",
    newer: "There is a newer version of this page.",
    loadNewer: "Load it",
  },

  model: {
    loading: "Loading the model…",
    failed: "The model can't be run",
    stopped: (/** @type {string} */ reason) => `The model stopped: ${reason || "its program could not be loaded"}.`,
    closed: "The classifier was closed.",
    noPicture: "There is no picture yet. Wait until it is loaded.",
    noRuntime: "No runtime of this browser can run the model.",
    notLoaded: (/** @type {string} */ file, /** @type {number} */ status) =>
      `${file} could not be loaded (${status}). Load the page again.`,
    twoVersions: "The model and its description are not of one version. Load the page again in a few minutes.",
    answersApart: (/** @type {number} */ apart) =>
      `This browser's answers differ from the original's by up to ${apart.toFixed(3)}.`,
    answersOtherwise: (/** @type {string} */ runtime) => `${runtime} answers otherwise here, and is left out.`,
    couldNotRun: (/** @type {string} */ runtime, /** @type {string} */ reason) =>
      `${runtime} could not run the model here (${reason}).`,
    threads: (/** @type {string} */ runtime, /** @type {number} */ count) =>
      `${runtime}, ${count} ${count === 1 ? "thread" : "threads"}`,
    noCommand: (/** @type {string} */ name) => `There is no command "${name}".`,
  },
};
