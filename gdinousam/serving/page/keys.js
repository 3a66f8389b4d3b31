// Keys, and the list of them in the help.

const byId = (id) => document.getElementById(id);

// key, action, what it does; capitals are pressed with Ctrl (or ⌘)
const KEYS = [
  ["O", "open", "open files"],
  ["P", "phrase", "name what to look for"],
  ["V", "select", "select an object, move the picture"],
  ["A", "on", "click on the object"],
  ["S", "beside", "click beside the object (also right click or Alt with “On object”)"],
  ["R", "box", "redraw the box of the selected object"],
  ["N", "draw", "new object by a box"],
  ["Delete", "remove", "remove the selected object"],
  ["Ctrl+Z", "undo", "undo"],
  ["Ctrl+Y", "redo", "redo"],
  ["Ctrl+S", "save", "save corrections"],
  ["[", "previous", "previous picture"],
  ["]", "next", "next picture"],
  ["C", "compare", "compare two models"],
  ["M", "masks", "show or hide masks"],
  ["+", "zoomIn", "larger (also the wheel)"],
  ["-", "zoomOut", "smaller"],
  ["0", "fit", "whole picture"],
  ["Space", "play", "play or stop a clip"],
  ["Escape", "leave", "leave the field, select nothing"],
  ["?", "help", "this help"],
];
const ON_PICTURE = [
  ["Arrows", "move a crosshair on the picture, with Shift in larger steps"],
  ["Enter", "click at the crosshair; for a box, at two corners"],
];

const nameOf = (event) => {
  const key = event.key === " " ? "Space" : event.key === "Backspace" ? "Delete" : event.key;
  const isCtrl = event.ctrlKey || event.metaKey;
  if (isCtrl && event.shiftKey && key.toUpperCase() === "Z") return "Ctrl+Y";
  return `${isCtrl ? "Ctrl+" : ""}${key.length === 1 ? key.toUpperCase() : key}`;
};

export function useKeys(actions) {
  byId("keys").replaceChildren(
    ...[...KEYS.map(([key, , text]) => [key, text]), ...ON_PICTURE].flatMap(([key, text]) => {
      const [term, meaning] = [document.createElement("dt"), document.createElement("dd")];
      term.append(Object.assign(document.createElement("kbd"), { textContent: key }));
      meaning.textContent = text;
      return [term, meaning];
    }),
  );
  document.addEventListener("keydown", (event) => {
    const isWriting = event.target.matches?.("input[type=text], input[type=password], select");
    if (event.altKey || document.querySelector("dialog[open]")) return;
    const name = nameOf(event);
    const found = KEYS.find(([key]) => key === name);
    if (!found || (isWriting && !name.startsWith("Ctrl+S"))) return;
    // a button has Space and Enter for itself
    if (name === "Space" && event.target.matches?.("button, input")) return;
    if (name.length === 1 && !byId("single-keys").checked) return;
    event.preventDefault();
    actions[found[1]]();
  });
}
