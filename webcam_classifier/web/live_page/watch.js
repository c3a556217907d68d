// The page of a running loop: its picture with the label, and the latest changes.

import "/page/types.js";
import { Bars } from "/page/bars.js";
import { Connection } from "/page/connection.js";
import { find, make, setText } from "/page/elements.js";
import { Freshness } from "/page/freshness.js";
import { HeatMap } from "/page/heat_map.js";
import { ReadingPace, likeliest } from "/page/reading_pace.js";
import { TryDialog } from "/page/try_dialog.js";
import { acceptDrops } from "/page/drop.js";
import { SURE_FROM, clockTime, percent } from "/page/words.js";
import { ModelChoice } from "./model_choice.js";
import { classify } from "./posted.js";
import { RegionList } from "./region_list.js";
import { texts } from "./texts.js";

/** @typedef {import("/page/types.js").Prediction} Prediction */

const TOO_LATE = 1000; // milliseconds that a picture may wait to be shown
const CHANGES = 12; // that are listed

const stage = find("stage", HTMLDivElement);
const canvas = find("picture", HTMLCanvasElement);
const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { alpha: false }));
const verdict = find("verdict", HTMLParagraphElement);
const words = find("verdict-words", HTMLParagraphElement);
const confidence = find("confidence", HTMLParagraphElement);
const note = find("no-picture", HTMLDivElement);
const unknownBar = find("unknown-bar", HTMLDivElement);
const changes = find("changes", HTMLOListElement);

const bars = new Bars();
const pace = new ReadingPace();
const models = new ModelChoice();
const regions = new RegionList();
const tries = new TryDialog({
  classify,
  labels: () => state?.labels.map((/** @type {{name: string}} */ label) => label.name) ?? [],
  most: () => state?.limits.picture_bytes,
  isPart: () => Boolean(state?.crop),
});
const freshness = new Freshness(showStale, texts.watch.away);
const connection = new Connection({ onState, onPrediction, onLink, onRefused() {} });
const heatMap = new HeatMap(connection);
/** @type {any} */
let state = null;

/** @param {any} next */
function onState(next) {
  state = next;
  setText(find("where", HTMLParagraphElement), `${state.model} · ${state.source}`);
  setText(find("camera-description", HTMLParagraphElement), state.camera.description);
  bars.update(state);
  regions.update(state.regions);
  find("heat-map", HTMLButtonElement).hidden = state.regions.length > 0;
  freshness.update(state);
  models.update(state.model);
  tries.update(state.model);
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
    if (bitmap && waited <= TOO_LATE && state?.camera.live === true) show(prediction, bitmap, waited);
    bitmap?.close();
    connection.shown(prediction.frame); // only now may the next one come
  });
}

/**
 * @param {Prediction} prediction
 * @param {ImageBitmap} bitmap
 * @param {number} waited milliseconds
 */
function show(prediction, bitmap, waited) {
  freshness.shown(prediction.age_ms + waited);
  if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
    canvas.width = bitmap.width;
    canvas.height = bitmap.height;
  }
  context.drawImage(bitmap, 0, 0);
  heatMap.draw(context, prediction.heat_map);
  stage.classList.remove("empty");
  const withText = pace.isDue(prediction);
  bars.show(prediction, withText);
  unknownBar.hidden = prediction.unknown_score === null; // the model can't say unknown
  if (prediction.regions) regions.show(prediction.regions);
  else if (withText) showVerdict(prediction);
}

/** @param {Prediction} prediction */
function showVerdict(prediction) {
  const best = likeliest(prediction);
  if (best === null) return;
  const sure = prediction.unknown ? "unknown" : best.confidence >= SURE_FROM ? "yes" : "no";
  stage.dataset.sure = sure;
  setText(verdict, prediction.unknown ? texts.unknown : best.label);
  const { perhaps, sure: isSure, notSure } = texts.picture;
  setText(words, { unknown: perhaps(best.label), yes: isSure, no: notSure }[sure]);
  setText(confidence, prediction.unknown ? "" : percent(best.confidence));
}

function showStale() {
  const stale = freshness.stale;
  note.hidden = stale === null;
  stage.classList.toggle("stale", stale !== null);
  bars.setStale(stale !== null);
  if (stale !== null) regions.rest();
  if (stale === null) return;
  for (const text of [verdict, words, confidence]) setText(text, "");
  setText(find("no-picture-for", HTMLElement), texts.picture.noneFor(stale.seconds));
  setText(find("no-picture-reason", HTMLSpanElement), stale.reason);
}

/**
 * @param {import("/page/types.js").Link} link
 * @param {string} problem
 */
function onLink(link, problem) {
  document.body.dataset.link = link;
  const shown = find("connection", HTMLSpanElement);
  shown.dataset.state = link;
  setText(shown, texts.link[link]);
  const lost = texts.watch.awayTriedAgain;
  const said = { connecting: "", connected: "", lost, refused: problem }[link];
  setText(find("offline", HTMLDivElement), said);
  freshness.setLink(link);
}

/** Listen to changes of the label; those missed during a reconnect are sent again. */
function listen() {
  const events = new EventSource(`/events?latest=${CHANGES}`);
  events.addEventListener("change", (event) => {
    const change = JSON.parse(event.data);
    const label = change.label === "no_picture" ? texts.watch.noPicture : change.label;
    const sure = change.confidence === null ? "" : percent(change.confidence);
    const place = change.region ? `${change.region}: ` : "";
    changes.prepend(
      make(
        "li",
        {},
        make("time", { datetime: change.time }, timeOf(change.time)),
        make("b", { dir: "auto" }, place + label),
        sure,
      ),
    );
    while (changes.children.length > CHANGES) changes.lastElementChild?.remove();
    setText(find("announcer", HTMLDivElement), texts.picture.sees(`${place}${label}`));
  });
}

/** @param {string} moment in ISO 8601 */
function timeOf(moment) {
  const date = new Date(moment);
  return Number.isNaN(date.getTime()) ? clockTime(moment) : date.toLocaleTimeString();
}

acceptDrops({ mayTeach: false }, (_label, files) => tries.offer(files));
connection.open();
listen();
