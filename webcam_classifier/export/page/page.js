// The page: from the camera's newest frame to a steady label on it. `window.webcamClassifier` is its
// API for scripts of the same page; docs/web_page.md describes it.

import { Bars } from "./bars.js";
import { Camera } from "./camera.js";
import { Classifier, Smoothing } from "./classifier.js";
import { isEmbedded, listenToParent, tellParent } from "./embedding.js";
import { keepForOffline } from "./offline.js";
import { percent, texts } from "./texts.js";

const SURE_FROM = 0.7; // as in the window of live.py
const STALE_AFTER = 1000; // milliseconds without a new frame: the label is of the past then
const OPENS_WITHIN = 5000; // milliseconds
const RATE_OVER = 20; // frames

/** @type {(id: string) => any} */
const byId = (id) => document.getElementById(id);
const video = byId("video");
const stage = byId("stage");
const view = byId("view");

const events = new EventTarget();
const camera = new Camera(video, (reason) => stopped(reason));
/** @type {any} */
let classifier = null;
let bars = null;
let smoothing = null;
let isBusy = false;
let hasNewer = false;
let run = 0; // the number of the camera's run; answers of an older one are dropped
let seenAt = 0;
let answeredAt = [];

const ready = load();
ready.catch(() => {}); // shown on the page

/** @type {any} */ (window).webcamClassifier = {
  ready,
  start,
  stop,
  classify: async (source) => (await ready).classify(source),
  addEventListener: events.addEventListener.bind(events),
  removeEventListener: events.removeEventListener.bind(events),
};

listenToParent({
  start: ({ facing }) => start({ facing }),
  stop: async () => stop(),
  classify: async ({ picture }) => (await ready).classify(picture),
});

const begin = (which) => start(which).catch(() => {}); // the page shows why
byId("start").addEventListener("click", () => begin());
byId("stop").addEventListener("click", () => stop());
byId("flip").addEventListener("click", () => begin({ facing: camera.facing === "user" ? "environment" : "user" }));
byId("mirror").addEventListener("click", () => setMirror(byId("mirror").getAttribute("aria-pressed") !== "true"));
byId("cameras").addEventListener("change", () => begin({ deviceId: byId("cameras").value }));
navigator.mediaDevices?.addEventListener?.("devicechange", () => listCameras());
video.addEventListener("resize", fitView);
setInterval(noticeStale, STALE_AFTER / 4);
document.addEventListener("visibilitychange", () => {
  seenAt = performance.now(); // a hidden page gets no frames, and that is no fault of the camera
});

async function load() {
  document.body.classList.toggle("embedded", isEmbedded);
  try {
    classifier = await Classifier.open();
  } catch (error) {
    guide(texts.model.failed, error.message);
    tell("status", { state: "failed", message: error.message });
    throw error;
  }
  const { card, notes, runtime, files } = classifier;
  document.title = byId("title").textContent = card.title;
  bars = new Bars(card.names);
  smoothing = new Smoothing(card.smoothing);
  byId("unknown").hidden = card.unknown_threshold === null;
  byId("runtime").textContent = runtime;
  byId("accuracy").textContent = card.accuracy === null ? texts.facts.notMeasured : texts.facts.accuracyOf(card.accuracy, card.accuracy_count);
  byId("notes").replaceChildren(...notes.map((note) => Object.assign(document.createElement("li"), { textContent: note })));
  showCrop(card.crop);
  off();
  tell("ready", { labels: card.labels, names: card.names, runtime });
  keepForOffline(files, offerNewer).then((isKept) => {
    byId("offline").textContent = isKept ? texts.facts.works : texts.facts.needsNetwork;
    tell("status", { state: "kept", offline: isKept });
  });
  // Who allowed the camera before wants to see it.
  const permission = await navigator.permissions?.query({ name: "camera" }).catch(() => null);
  if (permission?.state === "granted" && !isEmbedded) begin();
  return classifier;
}

/**
 * Open a camera, by its id or by where it looks: `user` or `environment`.
 *
 * @param {{facing?: string, deviceId?: string}} which
 */
async function start({ facing, deviceId } = {}) {
  if (!classifier) await ready;
  if (facing) camera.facing = facing;
  problem("");
  byId("stop").disabled = false;
  smoothing.clear();
  const mine = ++run;
  guide(texts.camera.opening);
  stage.dataset.state = "loading";
  try {
    await camera.start(deviceId);
  } catch (error) {
    if (mine === run) stopped(error.message);
    throw error;
  }
  if (mine !== run || !camera.isOn) return;
  seenAt = performance.now();
  answeredAt = [];
  setMirror(camera.looksAtUser);
  await listCameras();
  watch(mine);
  tell("status", { state: "live" });
}

function stop() {
  run++;
  camera.stop();
  off();
  tell("status", { state: "stopped" });
}

function stopped(reason) {
  run++;
  camera.stop();
  off();
  problem(reason);
  tell("status", { state: "problem", message: reason });
}

/** Take each new frame; while one is classified, only the newest of those that come is kept. */
function watch(mine) {
  const next = (step) => (video.requestVideoFrameCallback ? video.requestVideoFrameCallback(step) : requestAnimationFrame(step));
  const step = () => {
    if (mine !== run) return;
    seenAt = performance.now();
    if (isBusy) hasNewer = true;
    else classifyFrame(mine);
    next(step);
  };
  next(step);
}

async function classifyFrame(mine) {
  isBusy = true;
  try {
    do {
      hasNewer = false;
      const at = performance.now();
      const answer = await classifier.classify(video);
      if (mine === run) show(answer, at);
    } while (hasNewer && mine === run);
  } catch (error) {
    if (mine === run) stopped(error.message);
  } finally {
    isBusy = false;
  }
}

function show(answer, at) {
  const steady = classifier.describe(smoothing.add(answer, at / 1000));
  const isSure = steady.confidence >= SURE_FROM;
  stage.dataset.state = "live";
  stage.dataset.sure = steady.isUnknown ? "unknown" : isSure ? "yes" : "no";
  setText("verdict", steady.isUnknown ? texts.unknown : steady.name);
  setText("verdict-words", steady.isUnknown ? texts.picture.unlike : isSure ? texts.picture.sure : texts.picture.notSure);
  setText("confidence", steady.isUnknown ? "" : percent(steady.confidence));
  bars.show(steady);
  const now = performance.now();
  answeredAt = [...answeredAt, now].slice(-RATE_OVER);
  setText("time", texts.facts.milliseconds(answer.milliseconds.prepare + answer.milliseconds.run));
  if (answeredAt.length > 1) setText("rate", ((1000 * (answeredAt.length - 1)) / (now - answeredAt[0])).toFixed(1));
  const { probabilities, label, name, confidence, isUnknown, unknownScore } = steady;
  tell("answer", { label, name, confidence, isUnknown, unknownScore, probabilities, age: now - at });
}

function noticeStale() {
  const silent = performance.now() - seenAt;
  const patience = stage.dataset.state === "loading" ? OPENS_WITHIN : STALE_AFTER;
  if (!camera.isOn || document.hidden || silent < patience) return;
  if (stage.dataset.state === "live") tell("status", { state: "no picture" });
  stage.dataset.state = "stale";
  bars.clear();
  smoothing.clear();
  guide(texts.picture.noneFor(silent / 1000), texts.picture.noFrames);
}

function off() {
  stage.dataset.state = "off";
  byId("stop").disabled = true;
  bars?.clear();
  guide(texts.camera.ready, texts.camera.allow, true);
}

function guide(title, words = "", canStart = false) {
  setText("guide-title", title);
  setText("guide-words", words);
  byId("start").hidden = !canStart;
}

function problem(text) {
  setText("problem", text);
  byId("problem").hidden = !text;
}

function offerNewer(loadNewer) {
  const button = Object.assign(document.createElement("button"), { type: "button", textContent: texts.facts.loadNewer });
  button.dataset.testid = "newer";
  button.addEventListener("click", loadNewer);
  const note = document.createElement("li");
  note.append(`${texts.facts.newer} `, button);
  byId("notes").append(note);
}

function setText(id, text) {
  if (byId(id).textContent !== text) byId(id).textContent = text;
}

/** Only what is shown: the model sees the picture as the camera gives it. */
function setMirror(isMirrored) {
  view.classList.toggle("mirrored", isMirrored);
  byId("mirror").setAttribute("aria-pressed", String(isMirrored));
}

async function listCameras() {
  const cameras = await camera.list();
  const current = camera.deviceId;
  byId("cameras").replaceChildren(...cameras.map(({ id, name }) => new Option(name, id, false, id === current)));
  byId("cameras-label").hidden = cameras.length < 2;
  byId("flip").hidden = cameras.length < 2 || !matchMedia("(pointer: coarse)").matches;
}

function fitView() {
  if (video.videoWidth) view.style.setProperty("--ratio", video.videoWidth / video.videoHeight);
}

function showCrop(crop) {
  byId("crop").hidden = !crop;
  for (const side of crop ? ["left", "top", "width", "height"] : []) {
    byId("crop").style.setProperty(side, `${100 * crop[side]}%`);
  }
}

function tell(type, fields) {
  events.dispatchEvent(new CustomEvent(type, { detail: fields }));
  tellParent(type, fields);
}
