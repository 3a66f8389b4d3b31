// The colours of phrases: those of gdinousam/drawing.py, which colour-blind readers tell apart on grey.

const PALETTE = ["#56b4e9", "#e69f00", "#009e73", "#f0e442", "#d55e00", "#cc79a7"];

const placeOf = new Map();

// A phrase keeps its colour while the page is open; a new one gets the first colour that no phrase in use has.
export function colourOf(phrase, inUse = []) {
  if (!placeOf.has(phrase)) {
    const taken = new Set(inUse.filter((one) => placeOf.has(one)).map((one) => placeOf.get(one) % PALETTE.length));
    const free = PALETTE.findIndex((_, place) => !taken.has(place));
    placeOf.set(phrase, free >= 0 ? free : placeOf.size % PALETTE.length);
  }
  return PALETTE[placeOf.get(phrase)];
}
