// The model beside the page: it prepares pictures and runs the graph in a thread of its own, on
// WebGPU where the browser has it and its answers are right, else on WebAssembly.

import { prepare } from "./preprocess.js";
import { texts } from "./texts.js";

const INPUT = "pixels";
const PROBABILITIES = "probabilities";
const UNKNOWN = "unknown";
const RUNTIMES = {
  webgpu: { module: "./ort.webgpu.min.mjs", glue: "ort-wasm-simd-threaded.asyncify", name: "WebGPU" },
  wasm: { module: "./ort.wasm.min.mjs", glue: "ort-wasm-simd-threaded", name: "WebAssembly" },
};
const MOST_APART = 0.01; // of a probability, on the check picture

let ort = null;
let session = null;
let card = null;

self.addEventListener("message", async ({ data }) => {
  const { id, type } = data;
  try {
    const result = type === "open" ? await open(data) : await classify(data.image);
    self.postMessage({ id, result });
  } catch (error) {
    self.postMessage({ id, error: error instanceof Error ? error.message : String(error) });
  }
});

/** Load the model, try runtimes in turn, and keep the first that answers rightly. */
async function open({ runtime }) {
  card = await (await fetched("model.json")).json();
  const model = new Uint8Array(await (await fetched(card.model)).arrayBuffer());
  await checkWhole(model);
  const notes = [];
  for (const name of await candidates(runtime)) {
    try {
      await start(name, model);
      const apart = await farApart();
      if (apart <= MOST_APART || name === "wasm") {
        if (!(apart <= MOST_APART)) {
          notes.push(texts.model.answersApart(apart));
        }
        const glue = RUNTIMES[name].glue;
        return {
          card,
          notes,
          runtime: describe(name),
          apart,
          files: [RUNTIMES[name].module, `./${glue}.mjs`, `./${glue}.wasm`],
        };
      }
      notes.push(texts.model.answersOtherwise(RUNTIMES[name].name));
    } catch (error) {
      if (name === "wasm" || runtime) throw error;
      notes.push(texts.model.couldNotRun(RUNTIMES[name].name, error.message));
    }
    await session?.release();
    session = null;
  }
  throw new Error(texts.model.noRuntime);
}

async function fetched(name) {
  const response = await fetch(new URL(name, import.meta.url));
  if (!response.ok) throw new Error(texts.model.notLoaded(name, response.status));
  return response;
}

/** A host may serve files of two versions for a while; crypto is there in secure contexts alone. */
async function checkWhole(model) {
  if (!self.crypto?.subtle) return;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", model));
  const found = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  if (found !== card.model_sha256) {
    throw new Error(texts.model.twoVersions);
  }
}

async function candidates(wanted) {
  if (wanted) return [wanted];
  try {
    const adapter = await /** @type {any} */ (navigator).gpu?.requestAdapter();
    // A software adapter would be slower than WebAssembly.
    if (adapter && !(adapter.info?.isFallbackAdapter ?? adapter.isFallbackAdapter)) return ["webgpu", "wasm"];
  } catch {
    // A browser that has WebGPU switched off.
  }
  return ["wasm"];
}

async function start(name, model) {
  const { module, glue } = RUNTIMES[name];
  ort = await import(module);
  ort.env.wasm.wasmPaths = {
    mjs: new URL(`./${glue}.mjs`, import.meta.url).href,
    wasm: new URL(`./${glue}.wasm`, import.meta.url).href,
  };
  // Without isolation there is no shared memory, and so one thread.
  if (!self.crossOriginIsolated) ort.env.wasm.numThreads = 1;
  session = await ort.InferenceSession.create(model, {
    executionProviders: [name],
    graphOptimizationLevel: "all",
    logSeverityLevel: 3, // errors: that WebGPU leaves some small nodes to the processor is no news
  });
}

function describe(name) {
  if (name === "webgpu") return RUNTIMES.webgpu.name;
  const threads = self.crossOriginIsolated ? ort.env.wasm.numThreads || 1 : 1;
  return texts.model.threads(RUNTIMES.wasm.name, threads);
}

/** The largest difference from the answer that the original gave to the same drawn picture. */
async function farApart() {
  const { width, height, probabilities } = card.check;
  const found = await classify(checkPicture(width, height));
  return Math.max(...probabilities.map((value, number) => {
    const apart = Math.abs(value - found.probabilities[number]);
    return Number.isNaN(apart) ? Infinity : apart;
  }));
}

/** As `check_picture` of export/web_page.py. */
function checkPicture(width, height) {
  const data = new Uint8ClampedArray(width * height * 4);
  for (let y = 0, to = 0; y < height; y++) {
    for (let x = 0; x < width; x++, to += 4) {
      for (let channel = 0; channel < 3; channel++) {
        data[to + 2 - channel] = (x * (channel + 1) + y * (3 - channel) + ((x * y) >> 6)) & 255;
      }
      data[to + 3] = 255;
    }
  }
  return { data, width, height };
}

async function classify(image) {
  const began = performance.now();
  const size = card.input_size;
  const pixels = new ort.Tensor("uint8", prepare(image, size, card.crop), [1, size, size, 3]);
  const prepared = performance.now();
  const found = await session.run({ [INPUT]: pixels });
  const probabilities = Array.from(found[PROBABILITIES].data, Number);
  const unknownScore = UNKNOWN in found ? Number(found[UNKNOWN].data[0]) : null;
  for (const tensor of Object.values(found)) tensor.dispose();
  return {
    probabilities,
    unknownScore,
    unknownThreshold: card.unknown_threshold,
    milliseconds: { prepare: prepared - began, run: performance.now() - prepared },
  };
}
