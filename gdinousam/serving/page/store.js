// What the page knows: files, phrases, what each model found, and what somebody corrected, with undo and redo.

import { MaskShape } from "./mask.js";

const NOTHING = { changed: {}, removed: [], added: [] };
const FLOOR = { threshold: 0.01, max_detections: 10 }; // what the sliders can reach

export const state = {
  models: [],
  model: "",
  other: "", // of the comparison
  comparing: false,
  phrases: [],
  phrase: "", // of a new object
  // null: the model's own choice, its operating point
  threshold: null,
  number: null,
  opacity: 0.3,
  masks: true,
  outlines: true,
  boxes: false,
  tool: "select",
  entries: [],
  at: -1,
  selected: null, // id of an object
  hovered: null,
  corrections: { enabled: false, num_images: 0 },
};

export const modelOf = (name) => state.models.find((one) => one.name === name);
export const current = () => state.entries[state.at] ?? null;
export const isManual = () => state.threshold !== null;

// The options of a request: none for the model's own choice, everything that the sliders can reach otherwise.
export const optionsFor = (model) => (isManual() ? { model, ...FLOOR } : { model });
const set = () => (isManual() ? "all" : "own");

// One file: a picture, or a clip with several frames.
export class Entry {
  constructor(file, name = file.name) {
    this.file = file;
    this.name = name;
    this.picture = null; // as of /v1/picture, of the frame that is shown
    this.bitmap = null;
    this.frame = 0;
    this.found = new Map(); // model -> {own, all}: phrase -> objects; notes
    this.clips = new Map(); // model -> {phrases, frames: [objects]}
    this.histories = new Map(); // model and frame -> {past, now, future}
    this.saved = new Map(); // frame -> the state that was saved
  }

  get isClip() {
    return (this.picture?.num_frames ?? 1) > 1;
  }

  answers(model) {
    if (!this.found.has(model)) this.found.set(model, { own: new Map(), all: new Map(), notes: [] });
    return this.found.get(model);
  }

  // The phrases that a model has not been asked for, with the sliders as they are.
  missing(model) {
    const known = this.answers(model)[set()];
    return state.phrases.filter((phrase) => !known.has(phrase));
  }

  // answer: of /v1/segment.
  take(model, phrases, answer) {
    const known = this.answers(model);
    for (const phrase of phrases) {
      const found = answer.detections.filter((one) => one.phrase === phrase && one.mask);
      known[set()].set(phrase, found.map((one) => asObject(one)));
    }
    known.notes = answer.notes;
  }

  history(model) {
    const key = `${this.frame} ${model}`;
    if (!this.histories.has(key)) this.histories.set(key, { past: [], now: NOTHING, future: [] });
    return this.histories.get(key);
  }

  edit(model, now) {
    const history = this.history(model);
    history.past.push(history.now);
    history.now = now;
    history.future = [];
  }

  undo(model) {
    const history = this.history(model);
    if (!history.past.length) return;
    history.future.push(history.now);
    history.now = history.past.pop();
  }

  redo(model) {
    const history = this.history(model);
    if (!history.future.length) return;
    history.past.push(history.now);
    history.now = history.future.pop();
  }

  change(model, object) {
    const now = this.history(model).now;
    const isAdded = now.added.some((one) => one.id === object.id);
    const added = now.added.map((one) => (one.id === object.id ? object : one));
    this.edit(model, isAdded ? { ...now, added } : { ...now, changed: { ...now.changed, [object.id]: object } });
  }

  add(model, object) {
    const now = this.history(model).now;
    this.edit(model, { ...now, added: [...now.added, object] });
  }

  remove(model, id) {
    const now = this.history(model).now;
    const added = now.added.filter((one) => one.id !== id);
    this.edit(model, { ...now, added, removed: [...now.removed, id] });
  }

  // Whether something was corrected that is not saved.
  get isUnsaved() {
    return [...this.histories].some(([key, { now }]) => now !== NOTHING && this.saved.get(key) !== now);
  }

  markSaved(model) {
    this.saved.set(`${this.frame} ${model}`, this.history(model).now);
  }

  isSaved(model) {
    return this.saved.has(`${this.frame} ${model}`) && this.saved.get(`${this.frame} ${model}`) === this.history(model).now;
  }

  // What is shown of a model: what it found, as far as the sliders let it in, with the corrections.
  objects(model) {
    const now = this.history(model).now;
    const shown = new Map();
    const add = (one) => !now.removed.includes(one.id) && !shown.has(one.id) && shown.set(one.id, one);
    for (const phrase of state.phrases) {
      const isOfPhrase = (one) => one.phrase === phrase;
      this.letIn(model, phrase).map((one) => now.changed[one.id] ?? one).filter(isOfPhrase).forEach(add);
      // a corrected object stays, wherever the sliders are
      Object.values(now.changed).filter(isOfPhrase).forEach(add);
      now.added.filter(isOfPhrase).forEach(add);
    }
    return [...shown.values()];
  }

  letIn(model, phrase) {
    if (this.isClip) {
      const frames = this.clips.get(model)?.frames ?? [];
      const threshold = state.threshold ?? 0;
      return (frames[this.frame] ?? []).filter((one) => one.phrase === phrase && one.score >= threshold);
    }
    const found = this.answers(model)[set()].get(phrase) ?? [];
    if (!isManual()) return found;
    const views = this.picture?.views ?? [];
    const numOf = new Map(); // the number holds for each view
    return found.filter((one) => {
      if (one.score < state.threshold) return false;
      const view = viewOf(one.box_xyxy, views);
      numOf.set(view, (numOf.get(view) ?? 0) + 1);
      return numOf.get(view) <= state.number;
    });
  }
}

function viewOf(box, views) {
  const [x, y] = [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2];
  return views.findIndex((view) => x >= view[0] && y >= view[1] && x <= view[2] && y <= view[3]);
}

let numDrawn = 0;

// detection: of the server. The id of what a model found is the same whichever request it came with.
export function asObject(detection, more = {}) {
  const { phrase, score, box_xyxy: box } = detection;
  return {
    id: `${phrase} ${score.toFixed(6)} ${box.map((edge) => edge.toFixed(2)).join(" ")}`,
    phrase,
    score,
    box_xyxy: box,
    hint: { box_xyxy: box, clicks: [] },
    mask: new MaskShape(detection.mask),
    measurement: detection.measurement,
    origin: "found",
    ...more,
  };
}

export function drawnId() {
  numDrawn += 1;
  return `drawn ${numDrawn}`;
}

const listeners = [];
export const onChange = (listener) => listeners.push(listener);
export const changed = () => listeners.forEach((listener) => listener());
