// The server's answers; every error becomes an ApiError with one line to show.

const MAX_TRIES = 4;
const LONGEST_WAIT = 15; // seconds, between tries
const TOKEN = "gdinousam-token";

export class ApiError extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

// Set by main.js: asks for a token, says that the server is busy.
export const hooks = { askForToken: async () => null, onWait: () => {} };

function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, 1000 * seconds);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}

async function errorOf(response) {
  try {
    const { error } = await response.json();
    return new ApiError(response.status, error.code, error.message);
  } catch {
    return new ApiError(response.status, "unknown", `The server answered ${response.status} without saying why.`);
  }
}

// path: below the page's own address, so that the server may lie behind a prefix. Returns the Response.
async function call(path, options = {}) {
  for (let tries = 1; ; tries += 1) {
    const token = sessionStorage.getItem(TOKEN);
    const headers = { ...options.headers, ...(token ? { Authorization: `Bearer ${token}` } : {}) };
    let response;
    try {
      response = await fetch(new URL(path, document.baseURI), { ...options, headers });
    } catch (error) {
      if (options.signal?.aborted) throw error;
      throw new ApiError(0, "unreachable", "The server does not answer. Check that it is still running, then try again.");
    }
    if (response.ok) return response;
    const error = await errorOf(response);
    if (response.status === 401) {
      const given = await hooks.askForToken(Boolean(token));
      if (!given) throw error;
      sessionStorage.setItem(TOKEN, given);
    } else if ([429, 503].includes(response.status) && tries < MAX_TRIES) {
      const seconds = Math.min(LONGEST_WAIT, Number(response.headers.get("Retry-After")) || 1);
      hooks.onWait(seconds);
      await pause(seconds, options.signal);
    } else {
      throw error;
    }
  }
}

function form(fields) {
  const data = new FormData();
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined || value === null) continue;
    for (const one of Array.isArray(value) ? value : [value]) {
      // a plain name: folders of the computer are nobody's business
      if (one instanceof Blob) data.append(name, one, one.name ?? "picture.png");
      else data.append(name, one);
    }
  }
  return data;
}

const post = (path, fields, signal) => call(path, { method: "POST", body: form(fields), signal });

export const models = async () => (await (await call("v1/models")).json()).models;

// image: a File or Blob. Returns {source, size_hw, spacing_mm, views, notes, num_frames, fps, png}.
export const picture = async (image, frame, signal) => (await post("v1/picture", { image, frame }, signal)).json();

// options: {model, threshold, max_detections}
export const segment = async (image, phrases, options, signal) =>
  (await post("v1/segment", { image, phrases, ...options }, signal)).json();

export const correct = async (image, hints, model, signal) =>
  (await post("v1/correct", { image, hints: JSON.stringify(hints), model }, signal)).json();

export const startClip = async (clip, phrases, options, signal) =>
  (await post("v1/clips", { clip, phrases, ...options }, signal)).json();
export const clipState = async (id, signal) => (await call(`v1/clips/${id}`, { signal })).json();
export const clipResult = async (id) => (await call(`v1/clips/${id}/result`)).json();
export const forgetClip = (id) => call(`v1/clips/${id}`, { method: "DELETE" });

export const correctionsState = async () => (await call("v1/corrections")).json();
export const saveCorrections = async (fields) => (await post("v1/corrections", fields)).json();

// pictures: what /v1/export takes. Returns {name, blob}.
export async function exported(kind, pictures) {
  const content = new Blob([JSON.stringify({ pictures })], { type: "application/json" });
  const response = await post(`v1/export/${kind}`, { content });
  const name = /filename="([^"]+)"/.exec(response.headers.get("Content-Disposition") ?? "")?.[1] ?? kind;
  return { name, blob: await response.blob() };
}

export { pause };
