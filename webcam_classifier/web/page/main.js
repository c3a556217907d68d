// Put the page together: every change of the state goes to every part of it.

import { Bars } from "./bars.js";
import { CameraPanel } from "./camera_panel.js";
import { Connection } from "./connection.js";
import { acceptDrops } from "./drop.js";
import { CropChooser } from "./crop_chooser.js";
import { find } from "./elements.js";
import { Freshness } from "./freshness.js";
import { ImportDialog, isArchive } from "./import_dialog.js";
import { HeatMap } from "./heat_map.js";
import { listenToKeys } from "./keyboard.js";
import { LabelsPanel } from "./labels_panel.js";
import { alert, announce } from "./notices.js";
import { Presence } from "./presence.js";
import { ReadingPace } from "./reading_pace.js";
import { Recording } from "./recording.js";
import { ReviewDialog } from "./review_dialog.js";
import { Stage } from "./stage.js";
import { Studio } from "./studio.js";
import { TeachPanel } from "./teach_panel.js";
import { texts } from "./texts.js";
import { TryDialog } from "./try_dialog.js";
import { isVideo, VideoDialog } from "./video_dialog.js";

/** @typedef {import("./types.js").State} State */
/** @typedef {import("./types.js").Prediction} Prediction */

const connection = new Connection({ onState, onPrediction, onLink, onRefused });
const studio = new Studio(connection);
const recording = new Recording(studio, refresh);
const imports = new ImportDialog(studio);
const video = new VideoDialog(studio);
const tries = new TryDialog({
  classify: (file) => studio.classify(file),
  labels: () => studio.state?.labels.map((label) => label.name) ?? [],
  most: () => studio.state?.limits?.picture_bytes,
  isPart: () => Boolean(studio.state?.watched_crop),
  studio,
});
const labels = new LabelsPanel(studio, recording, takeFiles);
const review = new ReviewDialog(studio);
const stage = new Stage(new HeatMap(connection));
const bars = new Bars();
const pace = new ReadingPace();
const camera = new CameraPanel(studio);
const part = new CropChooser(studio, showCrop);
const teach = new TeachPanel(studio);
const presence = new Presence(connection);
const freshness = new Freshness(showFreshness);
const TOO_LATE = 1000; // milliseconds that a picture may wait for the screen
let taughtHere = false;
let labelsSeen = -1; // how many labels the last prediction was about

listenToKeys(studio, recording, {
  onNewLabel: () => labels.focusNewLabel(),
  onUndo: () => void labels.undo(),
});
acceptDrops(studio, (label, files) => {
  if (label !== null) takeFiles(label, files);
  else void takeAny(files);
});
for (const name of ["import-zip", "video-file"]) {
  const input = find(name, HTMLInputElement);
  input.addEventListener("change", () => {
    const files = [...(input.files ?? [])];
    input.value = "";
    takeFiles(null, files);
  });
}
connection.open();

/**
 * @param {string | null} label that was chosen for them
 * @param {File[]} files
 */
function takeFiles(label, files) {
  if (!studio.mayTeach) return;
  if (files.some(isVideo)) video.offer(files);
  else void imports.offer(label, files);
}

/**
 * Take files without a label: a zip file or a video becomes snapshots, anything else is tried.
 *
 * @param {File[]} files
 */
async function takeAny(files) {
  const known = files.filter((file) => isVideo(file) || isArchive(file));
  if (known.some(isVideo)) takeFiles(null, known);
  else if (known.length > 0 && studio.mayTeach) await imports.offer(null, known);
  tries.offer(files.filter((file) => !known.includes(file)));
}

/** @param {State} state */
function onState(state) {
  tellBurst(studio.state, state);
  studio.state = state;
  taughtHere = state.teacher === "you";
  recording.check();
  freshness.update(state);
  refresh();
}

/** Hide label, bars, age and rate while the picture is stale. */
function showFreshness() {
  stage.setStale(freshness.stale);
  bars.setStale(freshness.stale !== null);
}

function showCrop() {
  stage.crop = part.draft ?? studio.state?.watched_crop ?? null;
}

function refresh() {
  const state = studio.state;
  if (state === null) return;
  labels.update(state);
  review.update(state);
  video.update(state);
  stage.update(state, recording.label ?? state.recording);
  bars.update(state);
  camera.update(state);
  part.update(state);
  showCrop();
  teach.update(state);
  presence.update(state);
  tries.update(JSON.stringify([state.version, state.watching, state.models, studio.mayTeach]));
}

/**
 * @param {Prediction} prediction
 * @param {Blob | null} picture
 */
async function onPrediction(prediction, picture) {
  const arrivedAt = performance.now();
  const bitmap = picture && (await createImageBitmap(picture).catch(() => null));
  requestAnimationFrame(() => {
    const waited = performance.now() - arrivedAt; // minutes, if the page was in the background
    if (waited > TOO_LATE || studio.state?.camera.live !== true) {
      bitmap?.close();
      connection.shown(prediction.frame);
      return;
    }
    freshness.shown(prediction.age_ms + waited);
    const withText = pace.isDue(prediction);
    if (bitmap) stage.show(prediction, bitmap, withText);
    bitmap?.close();
    bars.show(prediction, withText);
    if (prediction.labels.length !== labelsSeen) refresh();
    labelsSeen = prediction.labels.length;
    connection.shown(prediction.frame); // only now may the next one come
  });
}

/**
 * @param {import("./types.js").Link} link
 * @param {string} problem
 */
function onLink(link, problem) {
  recording.check();
  if (link !== "connected" && studio.state) studio.state = { ...studio.state, recording: null }; // it ended with the link
  presence.showLink(link, problem);
  freshness.setLink(link);
  refresh();
  if (link !== "connected") return;
  if (taughtHere) connection.claim(); // go on teaching after a lost connection
  camera.reconnect();
}

/** @param {string} sentence */
function onRefused(sentence) {
  recording.stop();
  alert(sentence);
}

/**
 * Announce the result of a recording once it is over.
 *
 * @param {State | null} before
 * @param {State} now
 */
function tellBurst(before, now) {
  if (!before?.recording || now.recording !== null) return;
  const undo = now.undo;
  const count = now.labels.find((label) => label.name === before.recording)?.count ?? 0;
  const taken = undo?.label === before.recording ? undo.count : 0;
  announce(texts.gather.recorded(before.recording, taken, count));
}
