// A canvas that shows a picture with objects. Two views share one camera, so that both show the same part.

import { colourOf } from "./palette.js";
import { state } from "./store.js";

const MOST_ZOOM = 24;
const MARGIN = 12; // CSS pixels round the whole picture
const CASING = "rgb(0 0 0 / .75)"; // under a line, so that it is seen on bright tissue too
const HANDLE = 5; // CSS pixels, half a side
const NUMBER_TAG = 18;

export const camera = { zoom: 1, x: 0, y: 0 }; // x, y: the point of the picture in the middle

export function showAll(bitmap) {
  Object.assign(camera, { zoom: 1, x: bitmap.width / 2, y: bitmap.height / 2 });
}

export class View {
  constructor(canvas) {
    this.canvas = canvas;
    this.bitmap = null;
  }

  // CSS pixels for each pixel of the picture.
  get scale() {
    const [width, height] = [this.canvas.clientWidth - 2 * MARGIN, this.canvas.clientHeight - 2 * MARGIN];
    return camera.zoom * Math.min(width / this.bitmap.width, height / this.bitmap.height);
  }

  // The point of the picture under a point of the canvas, and back; both in CSS pixels of the canvas.
  toPicture(x, y) {
    const scale = this.scale;
    return [
      (x - this.canvas.clientWidth / 2) / scale + camera.x,
      (y - this.canvas.clientHeight / 2) / scale + camera.y,
    ];
  }

  toCanvas(x, y) {
    const scale = this.scale;
    return [
      (x - camera.x) * scale + this.canvas.clientWidth / 2,
      (y - camera.y) * scale + this.canvas.clientHeight / 2,
    ];
  }

  // Zoom by a factor so that the point of the canvas keeps its place.
  zoom(factor, x = this.canvas.clientWidth / 2, y = this.canvas.clientHeight / 2) {
    const [left, top] = this.toPicture(x, y);
    camera.zoom = Math.min(MOST_ZOOM, Math.max(1, camera.zoom * factor));
    const [newLeft, newTop] = this.toPicture(x, y);
    this.pan(left - newLeft, top - newTop);
  }

  // By pixels of the picture; the middle stays on it.
  pan(dx, dy) {
    if (camera.zoom === 1) return showAll(this.bitmap);
    camera.x = Math.min(this.bitmap.width, Math.max(0, camera.x + dx));
    camera.y = Math.min(this.bitmap.height, Math.max(0, camera.y + dy));
  }

  // objects: as of Entry.objects. extra: {draft: box being drawn or null, cross: [x, y] or null, pending: clicks}
  draw(bitmap, objects, extra = {}) {
    this.bitmap = bitmap;
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [this.canvas.clientWidth, this.canvas.clientHeight];
    if (!width || !height) return;
    [this.canvas.width, this.canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
    const context = this.canvas.getContext("2d");
    const scale = this.scale * ratio;
    const [left, top] = this.toCanvas(0, 0);
    context.setTransform(scale, 0, 0, scale, left * ratio, top * ratio);
    context.imageSmoothingEnabled = scale < 6;
    context.imageSmoothingQuality = "high";
    context.drawImage(bitmap, 0, 0);
    this.pixel = ratio / scale; // a CSS pixel in pixels of the picture
    for (const one of objects) this.drawObject(context, one);
    objects.forEach((one, place) => this.drawNumber(context, one, place + 1));
    const chosen = objects.find((one) => one.id === state.selected);
    if (chosen && extra.isMain) this.drawChosen(context, chosen);
    if (extra.pending) this.drawClicks(context, extra.pending);
    if (extra.draft) this.drawBox(context, extra.draft, colourOf(extra.phrase), 2);
    if (extra.cross) this.drawCross(context, extra.cross);
  }

  drawObject(context, one) {
    const colour = colourOf(one.phrase);
    const isStrong = one.id === state.selected || one.id === state.hovered;
    if (state.masks && state.opacity > 0 && one.mask.box) {
      context.globalAlpha = state.opacity;
      const smoothing = context.imageSmoothingEnabled;
      context.imageSmoothingEnabled = false;
      context.drawImage(one.mask.tint(colour), one.mask.left, one.mask.top);
      context.imageSmoothingEnabled = smoothing;
      context.globalAlpha = 1;
    }
    if (state.outlines || isStrong) {
      const width = isStrong ? 3.5 : 2;
      context.lineJoin = "round";
      this.stroke(context, one.mask.outline, CASING, width + 2);
      this.stroke(context, one.mask.outline, colour, width);
    }
    if (state.boxes) this.drawBox(context, one.box_xyxy, colour, 1.5);
  }

  stroke(context, path, colour, width) {
    context.strokeStyle = colour;
    context.lineWidth = width * this.pixel;
    context.stroke(path);
  }

  drawBox(context, [x0, y0, x1, y1], colour, width, dash = []) {
    const path = new Path2D();
    path.rect(Math.min(x0, x1), Math.min(y0, y1), Math.abs(x1 - x0), Math.abs(y1 - y0));
    this.stroke(context, path, CASING, width + 2);
    context.setLineDash(dash.map((one) => one * this.pixel));
    this.stroke(context, path, colour, width);
    context.setLineDash([]);
  }

  drawNumber(context, one, number) {
    const size = NUMBER_TAG * this.pixel;
    const [left, top] = one.mask.peak ?? one.box_xyxy;
    const [x, y] = [Math.min(Math.max(0, left - size / 2), this.bitmap.width - size), Math.max(0, top - size - 4 * this.pixel)];
    context.fillStyle = colourOf(one.phrase);
    context.fillRect(x, y, size, size);
    context.fillStyle = "#000";
    context.font = `600 ${0.72 * size}px system-ui, sans-serif`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.fillText(String(number), x + size / 2, y + size * 0.53);
  }

  drawChosen(context, one) {
    const box = one.hint.box_xyxy;
    if (box) {
      this.drawBox(context, box, "#ffffff", 1.25, [5, 4]);
      const half = HANDLE * this.pixel;
      for (const [x, y] of cornersOf(box)) {
        context.fillStyle = "#fff";
        context.strokeStyle = "#000";
        context.lineWidth = this.pixel;
        context.fillRect(x - half, y - half, 2 * half, 2 * half);
        context.strokeRect(x - half, y - half, 2 * half, 2 * half);
      }
    }
    this.drawClicks(context, one.hint.clicks);
  }

  // A plus on the object, a minus beside it.
  drawClicks(context, clicks) {
    for (const { x, y, is_foreground: isOn } of clicks) {
      const radius = 7 * this.pixel;
      context.beginPath();
      context.arc(x, y, radius, 0, 2 * Math.PI);
      context.fillStyle = isOn ? "#ffffff" : "#1b1b1b";
      context.fill();
      context.lineWidth = 1.5 * this.pixel;
      context.strokeStyle = isOn ? "#1b1b1b" : "#ffffff";
      context.stroke();
      context.beginPath();
      context.moveTo(x - radius / 2, y);
      context.lineTo(x + radius / 2, y);
      if (isOn) {
        context.moveTo(x, y - radius / 2);
        context.lineTo(x, y + radius / 2);
      }
      context.lineWidth = 2 * this.pixel;
      context.stroke();
    }
  }

  drawCross(context, [x, y]) {
    const path = new Path2D();
    const [inner, outer] = [4 * this.pixel, 16 * this.pixel];
    for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
      path.moveTo(x + dx * inner, y + dy * inner);
      path.lineTo(x + dx * outer, y + dy * outer);
    }
    this.stroke(context, path, "#000", 4);
    this.stroke(context, path, "#fff", 1.75);
  }

  // Which corner of a box lies at a point of the canvas: 0 to 3 as of cornersOf, or -1. reach: in CSS pixels.
  cornerAt(box, x, y, reach) {
    return cornersOf(box).findIndex((corner) => {
      const [left, top] = this.toCanvas(...corner);
      return Math.abs(left - x) <= reach && Math.abs(top - y) <= reach;
    });
  }
}

// From the top left corner on, clockwise.
export function cornersOf([x0, y0, x1, y1]) {
  return [[x0, y0], [x1, y0], [x1, y1], [x0, y1]];
}
