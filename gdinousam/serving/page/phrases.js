// The field for phrases: chips of what is asked, and suggestions of what the model was trained with.

import { colourOf } from "./palette.js";
import { changed, modelOf, state } from "./store.js";

const MOST_SHOWN = 40;
const byId = (id) => document.getElementById(id);
const same = (one, other) => one.trim().toLowerCase() === other.trim().toLowerCase();

const isKnown = (phrase) => {
  const known = modelOf(state.model)?.phrases ?? [];
  return !known.length || known.some((one) => same(one, phrase));
};

// onAdd: called when there is a new phrase to look for.
export function usePhrases(onAdd) {
  const [input, list] = [byId("phrase"), byId("suggestions")];
  let active = -1;

  function add(text) {
    const phrases = text.split(/[.,;]/).map((one) => one.trim()).filter(Boolean);
    const fresh = phrases.filter((one) => !state.phrases.some((other) => same(one, other)));
    for (const phrase of fresh) {
      colourOf(phrase, state.phrases);
      state.phrases = [...state.phrases, phrase];
      state.phrase = phrase;
    }
    input.value = "";
    close();
    changed();
    if (fresh.length) onAdd();
  }

  const suggestions = () => {
    const text = input.value.trim().toLowerCase();
    return (modelOf(state.model)?.phrases ?? [])
      .filter((one) => one.toLowerCase().includes(text) && !state.phrases.some((other) => same(one, other)))
      .sort((one, other) => Number(other.toLowerCase().startsWith(text)) - Number(one.toLowerCase().startsWith(text)))
      .slice(0, MOST_SHOWN);
  };

  function show() {
    const found = suggestions();
    list.replaceChildren(
      ...found.map((phrase, place) => {
        const item = document.createElement("li");
        item.id = `suggestion-${place}`;
        item.setAttribute("role", "option");
        item.setAttribute("aria-selected", String(place === active));
        item.textContent = phrase;
        item.addEventListener("pointerdown", (event) => {
          event.preventDefault(); // the field keeps the focus
          add(phrase);
        });
        return item;
      }),
    );
    list.hidden = !found.length;
    input.setAttribute("aria-expanded", String(!list.hidden));
    if (active >= 0) {
      input.setAttribute("aria-activedescendant", `suggestion-${active}`);
      list.children[active]?.scrollIntoView({ block: "nearest" });
    } else input.removeAttribute("aria-activedescendant");
  }

  function close() {
    active = -1;
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }

  input.addEventListener("input", () => {
    active = -1;
    show();
  });
  input.addEventListener("focus", show);
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    const count = list.hidden ? 0 : list.children.length;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      if (!count) return show();
      active = (active + (event.key === "ArrowDown" ? 1 : -1) + count) % count;
      show();
    } else if (event.key === "Enter") {
      add(active >= 0 ? list.children[active].textContent : input.value);
    } else if (event.key === "Escape") {
      if (count) close();
      else byId("canvas").focus(); // where single keys are not letters
    } else if (event.key === "Backspace" && !input.value && state.phrases.length) {
      remove(state.phrases.at(-1));
    } else return;
    event.preventDefault();
    event.stopPropagation();
  });
  byId("add").addEventListener("click", () => (input.value.trim() ? add(input.value) : input.focus()));
  return { add };
}

export function remove(phrase) {
  state.phrases = state.phrases.filter((one) => one !== phrase);
  if (state.phrase === phrase) state.phrase = state.phrases.at(-1) ?? "";
  changed();
}

let chipsShown = "";

export function showChips() {
  const wanted = JSON.stringify(state.phrases.map((phrase) => [phrase, isKnown(phrase)]));
  if (wanted === chipsShown) return; // a click may have begun on one of them
  chipsShown = wanted;
  byId("chips").replaceChildren(
    ...state.phrases.map((phrase) => {
      const chip = document.createElement("li");
      chip.className = isKnown(phrase) ? "chip" : "chip new";
      chip.innerHTML = '<span class="dot"></span><span></span><button>×</button>';
      const [dot, text, button] = chip.children;
      dot.style.background = colourOf(phrase, state.phrases);
      text.textContent = phrase;
      button.setAttribute("aria-label", `Do not look for ${phrase}`);
      button.addEventListener("click", () => remove(phrase));
      return chip;
    }),
  );
  const strange = state.phrases.filter((phrase) => !isKnown(phrase));
  byId("phrase-hint").textContent = strange.length
    ? `The model was not trained with ${strange.map((one) => `“${one}”`).join(", ")}: its answer is a guess.`
    : "Name one thing at a time, in English. The list shows what the model was trained with.";
}
