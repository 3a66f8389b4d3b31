// A mask from COCO's run lengths: its pixels, the outline round them, and what is drawn of it.

// The numbers of a compressed text: groups of 5 bits, low ones first, from the fourth run on as differences to the last
// but one.
function runsOf(text) {
  const runs = [];
  let number = 0;
  let shift = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at) - 48;
    number += (code & 31) * 2 ** shift;
    shift += 5;
    if (code & 32) continue;
    if (code & 16) number -= 2 ** shift;
    runs.push(number + (runs.length > 2 ? runs[runs.length - 2] : 0));
    number = 0;
    shift = 0;
  }
  return runs;
}

// Where the mask is: [x0, y0, x1, y1), or null for an empty one. Runs go down the columns, background first.
function bounds(runs, height) {
  let [x0, y0, x1, y1] = [Infinity, Infinity, -Infinity, -Infinity];
  let at = 0;
  runs.forEach((run, place) => {
    if (place % 2 && run) {
      const [first, last] = [at, at + run - 1];
      const [from, to] = [Math.floor(first / height), Math.floor(last / height)];
      x0 = Math.min(x0, from);
      x1 = Math.max(x1, to + 1);
      y0 = from === to ? Math.min(y0, first % height) : 0;
      y1 = from === to ? Math.max(y1, (last % height) + 1) : height;
    }
    at += run;
  });
  return x1 > x0 ? [x0, y0, x1, y1] : null;
}

export class MaskShape {
  // rle: {size: [height, width], counts: text}
  constructor(rle) {
    this.rle = rle;
    const height = rle.size[0];
    const runs = runsOf(rle.counts);
    this.box = bounds(runs, height);
    const [x0, y0, x1, y1] = this.box ?? [0, 0, 0, 0];
    [this.left, this.top, this.width, this.height] = [x0, y0, x1 - x0, y1 - y0];
    this.bits = new Uint8Array(this.width * this.height); // of its box only
    let at = 0;
    runs.forEach((run, place) => {
      for (let one = at; place % 2 && one < at + run; one += 1) {
        this.bits[((one % height) - y0) * this.width + Math.floor(one / height) - x0] = 1;
      }
      at += run;
    });
    this.tints = new Map();
  }

  // Whether the pixel that holds a point is inside; x, y in pixels of the picture.
  has(x, y) {
    return this.at(Math.floor(x) - this.left, Math.floor(y) - this.top) === 1;
  }

  at(column, row) {
    const inside = column >= 0 && row >= 0 && column < this.width && row < this.height;
    return inside ? this.bits[row * this.width + column] : 0;
  }

  // The first pixel of the topmost row, where a label goes; null for an empty mask.
  get peak() {
    const place = this.bits.indexOf(1);
    return place < 0 ? null : [this.left + (place % this.width), this.top];
  }

  get area() {
    this.numPixels ??= this.bits.reduce((sum, one) => sum + one, 0);
    return this.numPixels;
  }

  // Dice of two masks of one picture, in [0, 1].
  dice(other) {
    let shared = 0;
    for (let row = 0; row < this.height; row += 1) {
      for (let column = 0; column < this.width; column += 1) {
        shared += this.at(column, row) & other.at(column + this.left - other.left, row + this.top - other.top);
      }
    }
    return (2 * shared) / Math.max(1, this.area + other.area);
  }

  // Both masks as one.
  union(other) {
    const both = Object.create(MaskShape.prototype);
    const boxes = [this.box, other.box].filter(Boolean);
    both.box = boxes.length ? [0, 1, 2, 3].map((edge) => Math[edge < 2 ? "min" : "max"](...boxes.map((box) => box[edge]))) : null;
    const [x0, y0, x1, y1] = both.box ?? [0, 0, 0, 0];
    [both.left, both.top, both.width, both.height] = [x0, y0, x1 - x0, y1 - y0];
    both.bits = new Uint8Array(both.width * both.height);
    for (const one of [this, other]) {
      for (let row = 0; row < one.height; row += 1) {
        for (let column = 0; column < one.width; column += 1) {
          if (one.bits[row * one.width + column]) both.bits[(row + one.top - y0) * both.width + column + one.left - x0] = 1;
        }
      }
    }
    return both;
  }

  // The mask in one colour, a canvas of the size of its box.
  tint(colour) {
    if (!this.tints.has(colour)) {
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [Math.max(1, this.width), Math.max(1, this.height)];
      const context = canvas.getContext("2d");
      const pixels = context.createImageData(canvas.width, canvas.height);
      const rgb = [1, 3, 5].map((from) => parseInt(colour.slice(from, from + 2), 16));
      this.bits.forEach((one, place) => one && pixels.data.set([...rgb, 255], 4 * place));
      context.putImageData(pixels, 0, 0);
      this.tints.set(colour, canvas);
    }
    return this.tints.get(colour);
  }

  // Rings through the middles of the edges between inner and outer pixels, as a path in pixels of the picture.
  get outline() {
    this.path ??= this.traced();
    return this.path;
  }

  traced() {
    const path = new Path2D();
    for (const ring of rings(this)) {
      ring.forEach(([x, y], place) => path[place ? "lineTo" : "moveTo"](x + this.left, y + this.top));
      path.closePath();
    }
    return path;
  }
}

// Follows the edges with the inside on the right, each once; at a corner that two parts share it turns right, so that
// parts that only touch at a corner are rings of their own.
function rings(mask) {
  const steps = [[1, 0], [0, 1], [-1, 0], [0, -1]];
  // of a corner and a direction: the pixel on the right and the one on the left
  const right = [[0, 0], [-1, 0], [-1, -1], [0, -1]];
  const left = [[0, -1], [0, 0], [-1, 0], [-1, -1]];
  const isEdge = (x, y, way) =>
    mask.at(x + right[way][0], y + right[way][1]) === 1 && mask.at(x + left[way][0], y + left[way][1]) === 0;
  const seen = new Set();
  const key = (x, y, way) => (y * (mask.width + 1) + x) * 4 + way;
  const found = [];
  for (let row = 0; row < mask.height; row += 1) {
    for (let column = 0; column < mask.width; column += 1) {
      if (!isEdge(column, row, 0) || seen.has(key(column, row, 0))) continue;
      const ring = [];
      let [x, y, way] = [column, row, 0];
      while (!seen.has(key(x, y, way))) {
        seen.add(key(x, y, way));
        const [dx, dy] = steps[way];
        ring.push([x + dx / 2, y + dy / 2]);
        [x, y] = [x + dx, y + dy];
        way = [1, 0, 3].map((turn) => (way + turn) % 4).find((next) => isEdge(x, y, next));
      }
      found.push(ring);
    }
  }
  return found;
}
