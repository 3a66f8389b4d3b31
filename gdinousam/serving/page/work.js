// Everything that asks the server: opening a picture, segmenting, correcting, clips. One thing at a time is shown.

import * as api from "./api.js";
import { asObject, changed, current, drawnId, isManual, modelOf, optionsFor, state } from "./store.js";
import { draft } from "./tools.js";
import { showAll } from "./view.js";

const MOST_PIXELS_KEPT = 60e6; // of pictures and frames, four bytes each
const POLL = 0.5; // seconds
const byId = (id) => document.getElementById(id);

let running = null; // {controller}
let isFollowing = false; // whether it is a clip that is segmented
const framesKept = new Map(); // "entry frame" -> {picture, bitmap}

export function say(text) {
  byId("status").textContent = text;
}

export function showError(error, again = null) {
  const message = error instanceof api.ApiError ? error.message : `Something went wrong in the page: ${error.message}`;
  byId("message-text").textContent = message;
  byId("retry").hidden = !again;
  byId("retry").onclick = () => {
    clearError();
    again();
  };
  byId("message").hidden = false;
}

export function clearError() {
  byId("message").hidden = true;
}

export function showBusy(text, { part = null, onCancel = null } = {}) {
  byId("busy").hidden = !text;
  byId("busy-text").textContent = text ?? "";
  byId("busy-bar").hidden = part === null;
  if (part !== null) byId("busy-bar").value = part;
  byId("cancel").hidden = !onCancel;
  byId("cancel").onclick = onCancel;
  if (text) say(text);
}

export const isBusy = () => running !== null;

// Run a task that may be cut short by the next one; errors are shown with a way to try again.
async function run(text, task) {
  running?.controller.abort(new DOMException("something else is asked now", "AbortError"));
  const mine = { controller: new AbortController() };
  running = mine;
  clearError();
  showBusy(text);
  changed();
  try {
    await task(mine.controller.signal);
  } catch (error) {
    if (!mine.controller.signal.aborted) showError(error, () => run(text, task));
  } finally {
    if (running === mine) {
      running = null;
      showBusy(null);
    }
    changed();
  }
}

async function bitmapOf(picture) {
  const bytes = Uint8Array.from(atob(picture.png), (one) => one.charCodeAt(0));
  return createImageBitmap(new Blob([bytes], { type: "image/png" }));
}

async function load(entry, frame, signal) {
  const key = `${state.entries.indexOf(entry)} ${frame}`;
  if (!framesKept.has(key)) {
    const picture = await api.picture(entry.file, frame, signal);
    const bitmap = await bitmapOf(picture);
    framesKept.set(key, { picture: { ...picture, png: null }, bitmap });
    makeRoom();
  }
  const kept = framesKept.get(key);
  [entry.picture, entry.bitmap, entry.frame] = [kept.picture, kept.bitmap, frame];
}

function makeRoom() {
  let pixels = 0;
  for (const [key, { bitmap }] of [...framesKept].reverse()) {
    pixels += bitmap.width * bitmap.height;
    if (pixels > MOST_PIXELS_KEPT && pixels > bitmap.width * bitmap.height) framesKept.delete(key);
  }
}

export function forgetFrames() {
  framesKept.clear();
}

// Show the entry at a place of the list and look for the phrases in it.
export function open(place) {
  const entry = state.entries[place];
  if (!entry) return undefined;
  const before = current();
  state.at = place;
  [state.selected, state.hovered] = [null, null];
  if (before && before !== entry) before.bitmap = null; // kept among the frames for as long as there is room
  return run(`Opening ${entry.name} …`, async (signal) => {
    await load(entry, entry.frame, signal);
    showAll(entry.bitmap);
    changed();
    await segmentShown(entry, signal);
  });
}

export async function showFrame(frame) {
  const entry = current();
  const show = async (signal) => {
    await load(entry, frame, signal);
    state.selected = null;
  };
  if (!isFollowing) return run("", show);
  await show().catch(showError); // beside the job, which goes on
  return changed();
}

// Look for what has not been asked yet, by the model that is chosen and by the one beside it.
export function segment() {
  const entry = current();
  if (!entry?.bitmap) return undefined;
  return run("", (signal) => segmentShown(entry, signal));
}

const modelsShown = () => (state.comparing ? [state.model, state.other] : [state.model]);

async function segmentShown(entry, signal) {
  if (entry.isClip) return;
  const names = modelsShown();
  for (const name of names) {
    const phrases = entry.missing(name);
    if (!phrases.length) continue;
    const by = names.length > 1 ? ` with ${name}` : "";
    showBusy(isManual() ? `Looking for everything like ${phrases.join(", ")}${by} …` : `Looking for ${phrases.join(", ")}${by} …`);
    entry.take(name, phrases, await api.segment(entry.file, phrases, optionsFor(name), signal));
    changed();
  }
  const count = entry.objects(state.model).length;
  if (state.phrases.length) say(count === 1 ? "1 object" : `${count} objects`);
}

// The frame of a clip as a picture of its own, the file itself otherwise.
async function correctable(entry) {
  if (!entry.isClip) return entry.file;
  const canvas = new OffscreenCanvas(entry.bitmap.width, entry.bitmap.height);
  canvas.getContext("2d").drawImage(entry.bitmap, 0, 0);
  return canvas.convertToBlob({ type: "image/png" });
}

async function hinted(entry, hint, signal) {
  const answer = await api.correct(await correctable(entry), [hint], state.model, signal);
  const [found] = answer.detections;
  const mask = found?.mask;
  const object = mask ? asObject(found) : null;
  if (!object?.mask.box) throw new api.ApiError(422, "empty", "The model sees no object there. Try another place, or draw a box.");
  const measurement = entry.isClip ? inMm(found.measurement, entry.picture.spacing_mm) : found.measurement;
  return { ...object, box_xyxy: object.mask.box, measurement };
}

// A single frame is sent without its spacing; where that is the same both ways, sizes follow from those in pixels.
function inMm(measurement, spacing) {
  if (!measurement || measurement.unit === "mm" || !spacing || spacing[0] !== spacing[1]) return measurement;
  const by = spacing[0];
  return {
    ...measurement,
    unit: "mm",
    area: measurement.area * by * by,
    longest_diameter: measurement.longest_diameter * by,
    perpendicular_diameter: measurement.perpendicular_diameter * by,
  };
}

// What a model can be shown, such as "click".
export const takes = (what) => (modelOf(state.model)?.corrects ?? []).includes(what);

// Ask again for the selected object, with what it is shown now.
function refine(object, hint, pending) {
  const entry = current();
  const model = state.model;
  draft.pending = pending;
  return run("Correcting …", async (signal) => {
    try {
      const asked = { phrase: object.phrase, score: object.score, ...hint };
      const found = await hinted(entry, asked, signal);
      const origin = object.origin === "drawn" ? "drawn" : "corrected";
      entry.change(model, { ...found, id: object.id, score: object.score, track: object.track, hint, origin });
      say("Corrected");
    } finally {
      draft.pending = null;
    }
  });
}

const chosen = () => current()?.objects(state.model).find((one) => one.id === state.selected);

export function click(x, y, isOn) {
  if (isBusy()) return undefined;
  if (!takes("click")) return showError(new api.ApiError(0, "", `${state.model} cannot be shown clicks; draw a box instead.`));
  const object = chosen();
  const point = { x, y, is_foreground: isOn };
  if (!object) return startByClick(point);
  const clicks = [...object.hint.clicks, point];
  // a click on the object widens a box that would shut it out
  const box = object.hint.box_xyxy && isOn ? widened(object.hint.box_xyxy, x, y) : object.hint.box_xyxy;
  return refine(object, { box_xyxy: box, clicks }, clicks);
}

function widened([x0, y0, x1, y1], x, y) {
  return [Math.min(x0, x), Math.min(y0, y), Math.max(x1, x), Math.max(y1, y)];
}

function startByClick(point) {
  if (!point.is_foreground) return showError(new api.ApiError(0, "", "Select the object first, then click beside it."));
  return create({ box_xyxy: null, clicks: [point] }, [point]);
}

export function redraw(box) {
  const object = chosen();
  if (!object) return create({ box_xyxy: box, clicks: [] }, null);
  // earlier clicks outside of the new box would contradict it
  const isInside = ({ x, y }) => x >= box[0] && x <= box[2] && y >= box[1] && y <= box[3];
  const clicks = object.hint.clicks.filter((one) => !one.is_foreground || isInside(one));
  return refine(object, { box_xyxy: box, clicks }, clicks);
}

export function draw(box) {
  return create({ box_xyxy: box, clicks: [] }, null);
}

function create(hint, pending) {
  if (isBusy()) return undefined;
  const phrase = state.phrase || state.phrases[0];
  if (!phrase) return showError(new api.ApiError(0, "", "Name first what the new object is: add a phrase."));
  const entry = current();
  const model = state.model;
  draft.pending = pending;
  return run("Segmenting the new object …", async (signal) => {
    try {
      const found = await hinted(entry, { phrase, score: 1, ...hint }, signal);
      const object = { ...found, id: drawnId(), score: 1, hint, origin: "drawn" };
      entry.add(model, object);
      state.selected = object.id;
      say(`New object: ${phrase}`);
    } finally {
      draft.pending = null;
    }
  });
}

// Segment a whole clip as a job of the server, and show how far it is.
export function followClip() {
  const entry = current();
  return run("Sending the clip …", async (signal) => {
    isFollowing = true;
    try {
      for (const model of modelsShown()) await followWith(model, entry, [...state.phrases], signal);
    } finally {
      isFollowing = false;
    }
  });
}

async function followWith(model, entry, phrases, signal) {
  const onCancel = () => running?.controller.abort(new DOMException("cancelled", "AbortError"));
  showBusy("Sending the clip …", { onCancel });
  const options = isManual() ? { threshold: state.threshold, max_detections: state.number } : {};
  const { id } = await api.startClip(entry.file, phrases, { model, ...options }, signal);
  try {
    await untilDone(id, signal, onCancel);
    const result = await api.clipResult(id);
    entry.clips.set(model, { phrases, frames: result.frames.map(objectsOfFrame) });
  } finally {
    api.forgetClip(id).catch(() => {}); // it is forgotten after a while anyway
  }
}

async function untilDone(id, signal, onCancel) {
  for (;;) {
    const job = await api.clipState(id, signal);
    if (job.state === "done") return;
    if (!["running", "waiting"].includes(job.state)) throw new api.ApiError(0, "clip", job.error ?? "The clip was not segmented.");
    const text = job.state === "waiting" ? "Waiting for the model …" : `${job.frames_done} of ${job.num_frames} frames`;
    showBusy(text, { part: job.num_frames ? job.frames_done / job.num_frames : 0, onCancel });
    await api.pause(POLL, signal);
  }
}

function objectsOfFrame(frame) {
  return frame.objects.filter((one) => one.mask).map((one) => asObject(one, { id: `track ${one.track}`, track: one.track }));
}
