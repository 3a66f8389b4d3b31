// What a pointer or the keys do on the picture: select, click on and beside the object, draw and drag boxes, zoom, pan.

import { current, state } from "./store.js";
import { camera, cornersOf } from "./view.js";

const CLICK = 4; // CSS pixels that a click may move
const REACH = { mouse: 9, pen: 12, touch: 20 }; // CSS pixels round a corner
const STEP = 0.01; // of the picture's longer side, that an arrow key moves the crosshair
const LONG_STEP = 5; // steps with Shift

export const draft = { box: null, cross: null, pending: null };
const redraw = () => document.dispatchEvent(new Event("redraw")); // of the picture alone

// view: the main one. actions: {select(id), click(x, y, isOn), redraw(box), draw(box)}; boxes as (x0, y0, x1, y1).
export function useTools(view, actions) {
  const canvas = view.canvas;
  const pointers = new Map();
  let drag = null;
  let corner = null; // that Enter has set

  const point = (event) => {
    const { left, top } = canvas.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top];
  };
  const isOff = () => !current()?.bitmap;
  const objects = () => current().objects(state.model);
  const selected = () => objects().find((one) => one.id === state.selected);

  // The smallest object at a point, so that one within another can be reached.
  const objectAt = (x, y) =>
    objects()
      .filter((one) => one.mask.has(x, y))
      .sort((one, other) => one.mask.area - other.mask.area)[0];

  function cut([x, y]) {
    const { width, height } = current().bitmap;
    return [Math.min(width, Math.max(0, x)), Math.min(height, Math.max(0, y))];
  }

  function begin(event) {
    const [x, y] = point(event);
    const box = selected()?.hint.box_xyxy;
    const at = box ? view.cornerAt(box, x, y, REACH[event.pointerType] ?? REACH.mouse) : -1;
    if (at >= 0 && !["on", "beside"].includes(state.tool)) {
      return { kind: "box", from: cornersOf(box)[(at + 2) % 4], apply: actions.redraw };
    }
    if (["box", "new"].includes(state.tool)) {
      return { kind: "box", from: cut(view.toPicture(x, y)), apply: state.tool === "box" ? actions.redraw : actions.draw };
    }
    return { kind: "pan" };
  }

  function clickAt(x, y, event) {
    const isBeside = state.tool === "beside" || event?.altKey || event?.button === 2;
    if (state.tool === "on" || state.tool === "beside") actions.click(...cut([x, y]), !isBeside);
    else if (state.tool === "select") actions.select(objectAt(x, y)?.id ?? null);
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (isOff() || event.button === 1) return;
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, point(event));
    draft.cross = null;
    if (pointers.size > 1) drag = { kind: "pinch" };
    else drag = { ...begin(event), start: point(event), moved: false };
  });

  canvas.addEventListener("pointermove", (event) => {
    if (!drag || !pointers.has(event.pointerId)) return;
    const before = pointers.get(event.pointerId);
    const now = point(event);
    if (drag.kind === "pinch") pinch(event.pointerId, before, now);
    pointers.set(event.pointerId, now);
    if (drag.kind === "pinch") return;
    drag.moved ||= Math.hypot(now[0] - drag.start[0], now[1] - drag.start[1]) > CLICK;
    if (!drag.moved) return;
    if (drag.kind === "pan") {
      view.pan((before[0] - now[0]) / view.scale, (before[1] - now[1]) / view.scale);
    } else {
      draft.box = boxOf(drag.from, cut(view.toPicture(...now)));
    }
    redraw();
  });

  function pinch(id, before, now) {
    const other = [...pointers].find(([one]) => one !== id)?.[1];
    if (!other) return;
    const [was, is] = [before, now].map((one) => Math.hypot(one[0] - other[0], one[1] - other[1]));
    view.zoom(is / Math.max(1, was), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
    redraw();
  }

  canvas.addEventListener("pointerup", (event) => {
    const done = drag;
    const wasAlone = pointers.size === 1;
    pointers.delete(event.pointerId);
    if (!pointers.size) drag = null;
    const box = draft.box;
    draft.box = null;
    if (!done || !wasAlone || done.kind === "pinch") return redraw();
    if (done.kind === "box" && done.moved && hasArea(box)) done.apply(box);
    else if (!done.moved) clickAt(...view.toPicture(...point(event)), event);
    redraw();
  });

  canvas.addEventListener("pointercancel", (event) => {
    pointers.delete(event.pointerId);
    drag = null;
    draft.box = null;
    redraw();
  });
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  canvas.addEventListener(
    "wheel",
    (event) => {
      if (isOff()) return;
      event.preventDefault();
      view.zoom(Math.exp(-event.deltaY / 400), ...point(event));
      redraw();
    },
    { passive: false },
  );

  canvas.addEventListener("keydown", (event) => {
    if (isOff() || event.ctrlKey || event.metaKey) return;
    const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (ways[event.key]) move(ways[event.key], event.shiftKey ? LONG_STEP : 1);
    else if (event.key === "Enter" && draft.cross) press(event);
    else if (event.key === "Escape" && (corner || draft.cross)) {
      [corner, draft.cross, draft.box] = [null, null, null];
    } else return;
    event.preventDefault();
    event.stopPropagation();
    redraw();
  });

  function move([dx, dy], steps) {
    const { width, height } = current().bitmap;
    const step = STEP * steps * Math.max(width, height) / camera.zoom;
    const [x, y] = draft.cross ?? [camera.x - dx * step, camera.y - dy * step];
    draft.cross = cut([x + dx * step, y + dy * step]);
    if (corner) draft.box = boxOf(corner, draft.cross);
  }

  function press(event) {
    if (!["box", "new"].includes(state.tool)) return clickAt(...draft.cross, event);
    if (!corner) {
      corner = draft.cross;
      return;
    }
    const box = boxOf(corner, draft.cross);
    [corner, draft.box] = [null, null];
    if (hasArea(box)) (state.tool === "box" ? actions.redraw : actions.draw)(box);
  }

  canvas.addEventListener("blur", () => {
    [corner, draft.cross, draft.box] = [null, null, null];
    redraw();
  });
}

function boxOf([x0, y0], [x1, y1]) {
  return [Math.min(x0, x1), Math.min(y0, y1), Math.max(x0, x1), Math.max(y0, y1)];
}

function hasArea(box) {
  return Boolean(box) && box[2] - box[0] >= 1 && box[3] - box[1] >= 1;
}
