/* What the page does with its worker: load the parts when they are asked for, start it, put questions to it.

   A page that was opened from its folder may not read files, but may load scripts. So the models come as scripts that call
   `dreamtext.piece`, and the worker is made of the text of our own functions: `String(f)` is the source of f. */
var dreamtext = (() => {
  "use strict";
  const HERE = document.currentScript.src;
  const PARTS = ["ort", "mjs", "wasm", "text", "decoder", "unet"];
  const MODULES = [
    randomModule,
    tokenizerModule,
    fieldModule,
    samplerModule,
    distilModule,
    surfaceModule,
    glbModule,
    meshModule,
    engineModule,
    workerModule,
  ];
  const pieces = {}, waiting = new Map();
  let about = null, worker = null, count = 0, loading = null;

  function script(name) {
    return new Promise((done, fail) => {
      const tag = document.createElement("script");
      tag.src = new URL(`models/${name}`, HERE);
      tag.onload = () => done(tag.remove());
      tag.onerror = () => {
        tag.remove();
        fail(new Error(`The file “${name}” of the models did not arrive. Is the network gone, or this copy of the book not whole?`));
      };
      document.head.append(tag);
    });
  }

  /* Loads everything once, and calls `told` with (bytes that are here, bytes of all). */
  async function fetchAll(told) {
    await script("manifest.js");
    const total = PARTS.reduce((sum, name) => sum + about.parts[name].bytes, 0);
    let here = 0;
    for (const name of PARTS) {
      const part = about.parts[name];
      pieces[name] = [];
      const one = async (i) => {
        await script(`${name}-${i}.js?${about.digest}`); /* another digest is another file for the browser's store */
        told((here += part.bytes / part.pieces), total);
      };
      await Promise.all(Array.from({ length: part.pieces }, (_, i) => one(i)));
    }
  }

  function hire() {
    const text = [pieces.ort[0], ...MODULES.map(String), "workerModule();"].join("\n");
    const address = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
    worker?.terminate(); /* one whose start failed */
    worker = new Worker(address);
    worker.onmessage = ({ data: [number, answer, error, early] }) => {
      const { done, fail, told } = waiting.get(number);
      if (early) return told?.(answer);
      waiting.delete(number);
      if (error === null) done(answer);
      else fail(new Error(error));
    };
    worker.onerror = (event) => {
      for (const { fail } of waiting.values()) fail(new Error(event.message || "The worker stopped."));
      waiting.clear();
    };
  }

  /* A question to the worker's `door`; a promise of the answer. */
  function ask(door, value, told) {
    return new Promise((done, fail) => {
      waiting.set(++count, { done, fail, told });
      worker.postMessage([count, door, value]);
    });
  }

  async function start(told) {
    if (typeof WebAssembly === "undefined" || typeof DecompressionStream === "undefined") {
      throw new Error("This browser is too old for the models: it lacks WebAssembly or DecompressionStream.");
    }
    await fetchAll(told);
    hire();
    const [{ unet, decoder, text, wasm }, script] = [pieces, pieces.mjs[0]];
    await ask("load", { script, wasm, graphs: { unet, decoder, text }, about: about.model });
    for (const name of PARTS) delete pieces[name];
  }

  return {
    manifest: (value) => (about = value),
    piece: (name, i, text) => (pieces[name][i] = text),
    model: () => about.model,
    ask,

    /* Loads the models and starts the worker, the first time; later it is done at once. */
    load(told = () => {}) {
      loading ??= start(told).catch((error) => {
        loading = null;
        throw error;
      });
      return loading;
    },
  };
})();
