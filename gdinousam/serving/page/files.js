// Opening files: chosen, dropped, or a whole folder, in the natural order of their names.

import { Entry } from "./store.js";

const NO_PICTURE = /\.(csv|txt|json|jsonl|md|html?|xml|ya?ml|log|pdf|zip|gz|py|ini|cfg|doc[x]?|xls[x]?)$/i;
const PICTURE_AFTER_ALL = /\.nii\.gz$/i;

function isPossible(file) {
  return !file.name.startsWith(".") && file.name !== "DICOMDIR" && (PICTURE_AFTER_ALL.test(file.name) || !NO_PICTURE.test(file.name));
}

// Files as entries. A file chosen alone is always taken, so that the server can say what is wrong with it.
export function entriesOf(files) {
  const all = [...files];
  const taken = all.length > 1 ? all.filter(isPossible) : all;
  const inOrder = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
  return taken
    .sort((one, other) => inOrder.compare(one.webkitRelativePath || one.name, other.webkitRelativePath || other.name))
    .map((file) => new Entry(file));
}

// All files of a drop, those in folders too.
export async function droppedFiles(transfer) {
  const items = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!items.length) return [...transfer.files];
  const lists = await Promise.all(items.map(filesBelow));
  return lists.flat();
}

async function filesBelow(item) {
  if (item.isFile) return [await new Promise((resolve, reject) => item.file(resolve, reject))];
  const reader = item.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject)); // 100 at a time
    if (!some.length) break;
    found.push(...some);
  }
  return (await Promise.all(found.map(filesBelow))).flat();
}
