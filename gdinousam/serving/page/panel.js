// The right-hand side: the list of objects, the sliders, and how far two models agree.

import { colourOf } from "./palette.js";
import { changed, current, isManual, modelOf, state } from "./store.js";
import { isBusy } from "./work.js";

const byId = (id) => document.getElementById(id);

function sizeText(measurement) {
  if (!measurement) return "";
  const isMm = measurement.unit === "mm";
  const text = (value, digits) => value.toLocaleString("en", { maximumFractionDigits: digits, minimumFractionDigits: digits });
  const digits = isMm ? 1 : 0;
  const diameters = `${text(measurement.longest_diameter, digits)} × ${text(measurement.perpendicular_diameter, digits)}`;
  return `${diameters} ${isMm ? "mm" : "px"} · ${text(measurement.area, digits)} ${isMm ? "mm²" : "px²"}`;
}

// actions: {select(id)}
export function showObjects(actions) {
  const entry = current();
  const objects = entry ? entry.objects(state.model) : [];
  const list = byId("objects");
  // an item stays as long as its object does, so that it keeps the focus, and a click that has begun on it
  const items = new Map([...list.children].map((item) => [item.firstChild.dataset.id, item]));
  const shown = objects.map((one, place) => filled(items.get(one.id) ?? newItem(one.id, actions), one, place));
  [...list.children].filter((item) => !shown.includes(item)).forEach((item) => item.remove());
  shown.forEach((item, place) => list.children[place] !== item && list.insertBefore(item, list.children[place] ?? null));
  byId("count").textContent = objects.length ? `(${objects.length})` : "";
  const hint = byId("no-objects");
  hint.hidden = objects.length > 0;
  hint.textContent = emptyText(entry);
}

function newItem(id, actions) {
  const item = document.createElement("li");
  item.innerHTML = '<button><span class="tag"></span><span class="name"></span><span class="score"></span><span class="size"></span></button>';
  const button = item.firstChild;
  button.dataset.id = id;
  button.addEventListener("click", () => actions.select(id === state.selected ? null : id));
  button.addEventListener("pointerenter", () => hover(id));
  button.addEventListener("pointerleave", () => hover(null));
  return item;
}

function filled(item, one, place) {
  const button = item.firstChild;
  const [tag, name, score, size] = button.children;
  button.setAttribute("aria-pressed", String(one.id === state.selected));
  button.title = one.measurement ? "Longest diameter × the one at a right angle to it · area" : "";
  tag.style.background = colourOf(one.phrase);
  tag.textContent = String(place + 1);
  name.textContent = one.phrase;
  score.textContent = one.origin === "drawn" ? "drawn" : one.score.toFixed(2);
  const parts = [sizeText(one.measurement), one.track ? `object ${one.track}` : "", one.origin === "corrected" ? "corrected" : ""];
  size.textContent = parts.filter(Boolean).join(" · ");
  return item;
}

function hover(id) {
  if (state.hovered === id) return;
  state.hovered = id;
  document.dispatchEvent(new Event("redraw")); // the list itself stays, it is under the pointer
}

function emptyText(entry) {
  if (!entry?.bitmap) return "Open a picture and name what to look for.";
  if (!state.phrases.length) return "Name what to look for.";
  if (entry.isClip && !entry.clips.has(state.model)) return "Press “Segment the clip” to follow these phrases through it.";
  if (!entry.isClip && entry.missing(state.model).length) return isBusy() ? "Looking …" : "No answer yet.";
  return "Nothing was found. Lower the score from which objects count, or draw a box round the object with “New object”.";
}

// The threshold that a model's operating point has, and its number, as a start for the sliders.
function ownChoice() {
  const own = modelOf(state.model)?.thresholds ?? {};
  return { threshold: own.box_threshold ?? 0.1, further: own.further_threshold ?? null, number: own.max_detections ?? 5 };
}

export function showSliders() {
  const own = ownChoice();
  const threshold = isManual() ? state.threshold : Math.max(0.01, own.threshold);
  const number = isManual() ? state.number : Math.min(10, own.number);
  byId("threshold").value = threshold;
  byId("number").value = number;
  byId("threshold-text").textContent = threshold.toFixed(2);
  byId("number-text").textContent = String(number);
  byId("opacity-text").textContent = `${Math.round(100 * state.opacity)} %`;
  byId("auto").hidden = !isManual();
  const further = own.further === null ? "" : `, further objects of a phrase from ${own.further.toFixed(2)}`;
  byId("auto-text").textContent = isManual()
    ? ""
    : `The model's own choice: the first object of a phrase from ${own.threshold.toFixed(2)}${further}, at most ${own.number}.`;
}

// How far the masks of two models agree, for each phrase.
export function showAgreement() {
  const hint = byId("agreement");
  const entry = current();
  hint.hidden = !(state.comparing && entry?.bitmap && state.phrases.length);
  if (hint.hidden) return;
  const whole = (model, phrase) => entry.objects(model).filter((one) => one.phrase === phrase).map((one) => one.mask);
  const texts = state.phrases.map((phrase) => {
    const [ours, theirs] = [whole(state.model, phrase), whole(state.other, phrase)];
    if (!ours.length && !theirs.length) return `${phrase}: neither finds one`;
    if (!ours.length || !theirs.length) return `${phrase}: only ${ours.length ? state.model : state.other} finds one`;
    const union = (masks) => masks.reduce((all, one) => all.union(one));
    return `${phrase}: overlap (Dice) ${union(ours).dice(union(theirs)).toFixed(2)}`;
  });
  hint.textContent = texts.join(" · ");
}

export function useSliders(onManual) {
  const manual = () => {
    const was = isManual();
    state.threshold = Number(byId("threshold").value);
    state.number = Number(byId("number").value);
    changed();
    if (!was) onManual(); // once: what the sliders let in is chosen here from then on
  };
  byId("threshold").addEventListener("input", manual);
  byId("number").addEventListener("input", manual);
  byId("auto").addEventListener("click", () => {
    [state.threshold, state.number] = [null, null];
    changed();
    onManual();
  });
  byId("opacity").addEventListener("input", (event) => {
    state.opacity = Number(event.target.value);
    changed();
  });
  for (const [id, name] of [["show-masks", "masks"], ["show-outlines", "outlines"], ["show-boxes", "boxes"]]) {
    byId(id).addEventListener("change", (event) => {
      state[name] = event.target.checked;
      changed();
    });
  }
}
