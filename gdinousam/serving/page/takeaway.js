// Downloads of what is shown, and saving it as training data.

import * as api from "./api.js";
import { changed, current, state } from "./store.js";
import { clearError, isBusy, say, showError } from "./work.js";

const byId = (id) => document.getElementById(id);

function shown(entry) {
  return {
    source: entry.name,
    size_hw: entry.picture.size_hw,
    spacing_mm: entry.picture.spacing_mm,
    phrases: state.phrases,
    objects: entry.objects(state.model).map((one) => ({ phrase: one.phrase, score: one.score, mask: one.mask.rle })),
  };
}

function entriesToExport() {
  const entry = current();
  if (!byId("all").checked) return [entry];
  return state.entries.filter((one) => one === entry || (one.picture && !one.isClip));
}

export async function download(kind) {
  clearError();
  try {
    const { name, blob } = await api.exported(kind, entriesToExport().map(shown));
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    say(`${name} is ready`);
  } catch (error) {
    showError(error, () => download(kind));
  }
}

export async function save() {
  const entry = current();
  if (!entry?.bitmap || isBusy() || !state.corrections.enabled) return;
  clearError();
  const objects = entry.objects(state.model);
  const absent = state.phrases.filter((phrase) => !objects.some((one) => one.phrase === phrase));
  try {
    const saved = await api.saveCorrections({
      image: entry.file,
      frame: entry.frame,
      objects: JSON.stringify(objects.map((one) => ({ phrase: one.phrase, mask: one.mask.rle }))),
      absent: JSON.stringify(absent),
      group: byId("group").value.trim() || null,
    });
    entry.markSaved(state.model);
    state.corrections = { ...state.corrections, num_images: saved.num_images };
    say(`Saved for ${saved.split === "train" ? "training" : "validation"}`);
    changed();
  } catch (error) {
    showError(error, save);
  }
}

export function showSaving() {
  const entry = current();
  const isReady = Boolean(entry?.bitmap) && !isBusy();
  const objects = isReady ? entry.objects(state.model) : [];
  document.querySelectorAll("#downloads button").forEach((button) => {
    button.disabled = !isReady || !state.phrases.length || (button.dataset.form === "masks" && !objects.length);
  });
  byId("all-field").hidden = state.entries.length < 2;
  const { enabled, num_images: count } = state.corrections;
  byId("group").parentElement.hidden = !enabled;
  byId("save").hidden = !enabled;
  byId("save").disabled = !isReady || !state.phrases.length || entry.isSaved(state.model);
  byId("save-text").textContent = enabled
    ? savingText(entry, objects, isReady, count)
    : "To save corrections as training data, start the server with --corrections FOLDER.";
}

function savingText(entry, objects, isReady, count) {
  const sum = `${count} ${count === 1 ? "picture" : "pictures"} saved so far.`;
  if (!isReady || !state.phrases.length) return sum;
  if (entry.isSaved(state.model)) return `Saved. ${sum}`;
  const absent = state.phrases.filter((phrase) => !objects.some((one) => one.phrase === phrase));
  const parts = [];
  if (objects.length) parts.push(objects.length === 1 ? "1 object" : `${objects.length} objects`);
  if (absent.length) parts.push(`${absent.map((one) => `“${one}”`).join(", ")} as not in this picture`);
  return `Saves ${parts.join(", and ")}. ${sum}`;
}
