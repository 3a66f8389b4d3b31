// Puts the page together: what is shown follows the state, and every control changes the state.

import * as api from "./api.js";
import { droppedFiles, entriesOf } from "./files.js";
import { useKeys } from "./keys.js";
import { colourOf } from "./palette.js";
import { showAgreement, showObjects, showSliders, useSliders } from "./panel.js";
import { showChips, usePhrases } from "./phrases.js";
import { changed, current, onChange, state } from "./store.js";
import { download, save, showSaving } from "./takeaway.js";
import { draft, useTools } from "./tools.js";
import { View, showAll } from "./view.js";
import * as work from "./work.js";

const byId = (id) => document.getElementById(id);
const view = new View(byId("canvas"));
const otherView = new View(byId("other-canvas"));
let playing = false;

const select = (id) => {
  state.selected = id;
  const object = current()?.objects(state.model).find((one) => one.id === id);
  if (object) state.phrase = object.phrase;
  changed();
};

function removeSelected() {
  if (state.selected === null || work.isBusy()) return;
  current().remove(state.model, state.selected);
  select(null);
  work.say("Removed");
}

// What the selected object is, or else a new one.
function rename(phrase) {
  const entry = current();
  const object = entry.objects(state.model).find((one) => one.id === state.selected);
  state.phrase = phrase;
  if (object && object.phrase !== phrase) {
    entry.change(state.model, { ...object, phrase, origin: object.origin === "drawn" ? "drawn" : "corrected" });
    work.say(`Now ${phrase}`);
  }
  changed();
}

function showPhraseOf(entry) {
  const object = entry?.bitmap && entry.objects(state.model).find((one) => one.id === state.selected);
  const isNew = state.tool === "new" || !object;
  byId("phrase-of-field").hidden = state.phrases.length < 2 || !(object || state.tool === "new");
  byId("phrase-of-word").textContent = isNew ? "A new object is" : "The selected one is";
  const field = byId("phrase-of");
  const options = [...field.options].map((one) => one.value);
  if (options.join("\n") !== state.phrases.join("\n")) field.replaceChildren(...state.phrases.map((one) => new Option(one, one)));
  field.value = (isNew ? state.phrase : object.phrase) || state.phrases[0] || "";
}

function step(by) {
  const next = state.at + by;
  if (next >= 0 && next < state.entries.length) work.open(next);
}

function through(history) {
  const entry = current();
  if (!entry?.bitmap || work.isBusy()) return;
  entry[history](state.model);
  if (!entry.objects(state.model).some((one) => one.id === state.selected)) state.selected = null;
  changed();
}

function setTool(tool) {
  state.tool = tool;
  if (tool === "new") state.selected = null; // the field says what a new object is
  changed();
}

function setComparing(isOn) {
  state.comparing = isOn && state.models.length > 1;
  changed();
  work.segment();
}

function zoom(factor) {
  if (!current()?.bitmap) return;
  if (factor) view.zoom(factor);
  else showAll(current().bitmap);
  drawViews();
}

async function play() {
  const entry = current();
  playing = !playing;
  changed();
  while (playing && current() === entry) {
    const started = performance.now();
    await work.showFrame((entry.frame + 1) % entry.picture.num_frames);
    const rest = 1000 / (entry.picture.fps || 10) - (performance.now() - started);
    await api.pause(Math.max(0, rest) / 1000);
  }
  playing = false;
  changed();
}

function follow() {
  playing = false; // the next frame would stop it
  work.followClip();
}

async function openFiles(files) {
  const entries = entriesOf(files);
  if (!entries.length) return work.showError(new api.ApiError(0, "", "There is no picture among these files."));
  const isLosing = state.entries.some((one) => one.isUnsaved);
  if (isLosing && !window.confirm("Corrections are not saved. Open other pictures all the same?")) return undefined;
  playing = false;
  current()?.bitmap && (current().bitmap = null);
  work.forgetFrames();
  state.entries = entries;
  return work.open(0);
}

function drawViews() {
  const entry = current();
  if (!entry?.bitmap) return;
  const extra = { ...draft, phrase: state.phrase || state.phrases[0] || "", isMain: true };
  view.draw(entry.bitmap, entry.objects(state.model), extra);
  if (state.comparing) otherView.draw(entry.bitmap, entry.objects(state.other), { cross: draft.cross });
}

function showStage() {
  const entry = current();
  const isOpen = Boolean(entry?.bitmap);
  byId("empty").hidden = state.entries.length > 0;
  for (const id of ["open-files", "open-folder"]) byId(id).hidden = state.entries.length === 0;
  for (const id of ["tools", "pane", "zoom"]) byId(id).hidden = !isOpen;
  byId("other-pane").hidden = !isOpen || !state.comparing;
  byId("stage").classList.toggle("two", isOpen && state.comparing);
  byId("pane-name").hidden = !state.comparing;
  byId("pane-name").textContent = state.model;
  byId("other-name").textContent = state.other;
  if (isOpen) {
    Object.assign(byId("canvas").dataset, { width: entry.bitmap.width, height: entry.bitmap.height });
    byId("canvas").setAttribute("aria-label", `${entry.name} with ${entry.objects(state.model).length} objects`);
  }
  byId("files").hidden = state.entries.length < 1;
  byId("previous").hidden = byId("next").hidden = state.entries.length < 2;
  byId("previous").disabled = state.at <= 0;
  byId("next").disabled = state.at >= state.entries.length - 1;
  if (entry) byId("file-text").replaceChildren(...fileText(entry));
  byId("frames").hidden = !isOpen || !entry.isClip;
  if (isOpen && entry.isClip) {
    byId("frame").max = entry.picture.num_frames - 1;
    byId("frame").value = entry.frame;
    byId("frame-text").textContent = `${entry.frame + 1} / ${entry.picture.num_frames}`;
    byId("play").textContent = playing ? "Stop" : "Play";
    byId("follow").disabled = !state.phrases.length || (work.isBusy() && !playing);
  }
  const notes = isOpen ? [...new Set([...entry.picture.notes, ...entry.answers(state.model).notes])] : [];
  byId("notes").hidden = !notes.length;
  byId("notes").replaceChildren(...notes.map((note) => Object.assign(document.createElement("li"), { textContent: note })));
}

function fileText(entry) {
  const number = state.entries.length > 1 ? `${state.at + 1} of ${state.entries.length} · ` : "";
  const size = document.createElement("span");
  size.className = "size";
  if (entry.picture) size.textContent = ` · ${entry.picture.size_hw[1]} × ${entry.picture.size_hw[0]}`;
  return [`${number}${entry.name}`, size, entry.isUnsaved ? " · not saved" : ""];
}

function showTools() {
  const entry = current();
  const isReady = Boolean(entry?.bitmap) && !work.isBusy();
  document.querySelectorAll("[data-tool]").forEach((button) => {
    const { tool } = button.dataset;
    button.setAttribute("aria-pressed", String(tool === state.tool));
    const what = { on: "click", beside: "click", box: "box", new: "box" }[tool];
    button.disabled = Boolean(what) && !work.takes(what);
  });
  byId("canvas").style.cursor = state.tool === "select" ? "grab" : "crosshair";
  byId("remove").disabled = !isReady || state.selected === null;
  const history = entry?.history(state.model);
  byId("undo").disabled = !isReady || !history.past.length;
  byId("redo").disabled = !isReady || !history.future.length;
  const isAlone = state.models.length < 2;
  byId("compare").disabled = isAlone;
  byId("compare").title = isAlone ? "Start the server with a second --model to compare two" : "Compare two models (C)";
  byId("compare").setAttribute("aria-pressed", String(state.comparing));
  byId("other-field").hidden = !state.comparing;
  showPhraseOf(entry);
}

function show() {
  state.phrases.forEach((phrase) => colourOf(phrase, state.phrases));
  showChips();
  showStage();
  showTools();
  showObjects({ select });
  showSliders();
  showAgreement();
  showSaving();
  drawViews();
}

function useModels() {
  const [first, second] = [byId("model"), byId("other")];
  for (const field of [first, second]) {
    field.replaceChildren(...state.models.map(({ name, label }) => Object.assign(new Option(name, name), { title: label ?? "" })));
  }
  state.model = state.models[0].name;
  state.other = state.models[1]?.name ?? state.model;
  second.value = state.other;
  first.addEventListener("change", () => {
    state.model = first.value;
    if (state.other === state.model) state.other = state.models.find(({ name }) => name !== state.model)?.name ?? state.model;
    second.value = state.other;
    state.selected = null;
    changed();
    work.segment();
  });
  second.addEventListener("change", () => {
    state.other = second.value;
    changed();
    work.segment();
  });
}

function useStage() {
  const stage = byId("stage");
  for (const kind of ["file", "folder"]) {
    const input = byId(`${kind}-input`);
    for (const id of kind === "file" ? ["choose-files", "open-files"] : ["choose-folder", "open-folder"]) {
      byId(id).addEventListener("click", () => input.click());
    }
    input.addEventListener("change", () => {
      openFiles([...input.files]);
      input.value = ""; // so that the same file can be chosen again
    });
  }
  byId("example").addEventListener("click", async () => {
    const blob = await (await fetch(new URL("static/example.png", document.baseURI))).blob();
    if (!state.phrases.length) phrases.add("thyroid nodule");
    openFiles([new File([blob], "example.png", { type: "image/png" })]);
  });
  let depth = 0;
  const mark = (isOver) => {
    byId("drop-hint").hidden = !isOver;
    stage.classList.toggle("over", isOver);
  };
  document.addEventListener("dragenter", (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    depth += 1;
    mark(true);
  });
  document.addEventListener("dragleave", () => {
    depth = Math.max(0, depth - 1);
    if (!depth) mark(false);
  });
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", async (event) => {
    event.preventDefault();
    depth = 0;
    mark(false);
    openFiles(await droppedFiles(event.dataTransfer));
  });
  new ResizeObserver(drawViews).observe(stage);
}

function useButtons() {
  document.querySelectorAll("[data-tool]").forEach((button) => button.addEventListener("click", () => setTool(button.dataset.tool)));
  document.querySelectorAll("[data-form]").forEach((button) => button.addEventListener("click", () => download(button.dataset.form)));
  const clicks = {
    remove: removeSelected, undo: () => through("undo"), redo: () => through("redo"), save,
    previous: () => step(-1), next: () => step(1), compare: () => setComparing(!state.comparing), play, follow,
    "zoom-in": () => zoom(1.3), "zoom-out": () => zoom(1 / 1.3), fit: () => zoom(0), dismiss: work.clearError,
    "open-help": () => byId("help").showModal(),
  };
  for (const [id, action] of Object.entries(clicks)) byId(id).addEventListener("click", action);
  byId("phrase-of").addEventListener("change", (event) => rename(event.target.value));
  byId("frame").addEventListener("input", (event) => {
    playing = false;
    work.showFrame(Number(event.target.value));
  });
  window.addEventListener("beforeunload", (event) => {
    if (state.entries.some((one) => one.isUnsaved)) event.preventDefault();
  });
}

function askForToken(isWrong) {
  const dialog = byId("token-dialog");
  byId("token-title").textContent = isWrong ? "The server does not know this token" : "This server asks for a token";
  byId("token").value = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "ok" ? byId("token").value.trim() : null), { once: true });
  });
}

const phrases = usePhrases(() => work.segment());

async function start() {
  api.hooks.askForToken = askForToken;
  api.hooks.onWait = (seconds) => work.showBusy(`The server is busy; asking again in ${seconds} s …`);
  work.showBusy("Asking the server for its models …");
  try {
    state.models = await api.models();
    useModels();
    work.showBusy(null);
    await api.correctionsState().then((found) => (state.corrections = found), work.showError); // all else works without
    document.body.dataset.ready = "true";
  } catch (error) {
    work.showBusy(null);
    work.showError(error, start);
  }
  changed();
}

onChange(show);
document.addEventListener("redraw", drawViews);
useTools(view, { select, click: work.click, redraw: work.redraw, draw: work.draw });
useSliders(() => work.segment());
useStage();
useButtons();
useKeys({
  select: () => setTool("select"), on: () => setTool("on"), beside: () => setTool("beside"), box: () => setTool("box"),
  draw: () => setTool("new"), remove: removeSelected, undo: () => through("undo"), redo: () => through("redo"), save,
  previous: () => step(-1), next: () => step(1), compare: () => setComparing(!state.comparing),
  masks: () => byId("show-masks").click(), zoomIn: () => zoom(1.3), zoomOut: () => zoom(1 / 1.3), fit: () => zoom(0),
  open: () => byId("file-input").click(), phrase: () => byId("phrase").focus(), help: () => byId("help").showModal(),
  leave: () => select(null), play: () => !byId("frames").hidden && play(),
});
start();
