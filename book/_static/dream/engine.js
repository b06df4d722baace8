/* The tiny Stable Diffusion, run by ONNX Runtime in WebAssembly: text -> states, latents -> noise, latents -> picture. */
function engineModule(tokenizer) {
  "use strict";
  const LATENT = [4, 16, 16], FLOATS = 4 * 16 * 16;

  /* base64 -> bytes. */
  function bytes(text) {
    if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
    const letters = atob(text), out = new Uint8Array(letters.length);
    for (let i = 0; i < out.length; i++) out[i] = letters.charCodeAt(i);
    return out;
  }

  /* The pieces of a part, spelled in base64 and packed by gzip -> its bytes. */
  async function unpack(pieces) {
    const packed = new Blob(pieces.map(bytes)).stream();
    return new Uint8Array(await new Response(packed.pipeThrough(new DecompressionStream("gzip"))).arrayBuffer());
  }

  /* Starts the runtime. One thread: more need headers that a page from a folder or a plain server does not send. */
  function start(ort, wasm, script) {
    Object.assign(ort.env.wasm, {
      numThreads: 1,
      wasmBinary: wasm.buffer,
      wasmPaths: { mjs: URL.createObjectURL(new Blob([script], { type: "text/javascript" })) },
    });
    ort.env.logLevel = "error";
  }

  /* graphs: {unet, decoder, text} as bytes; about: what the manifest says of the model. */
  async function model(ort, graphs, about) {
    const sessions = {};
    for (const [name, graph] of Object.entries(graphs)) sessions[name] = await ort.InferenceSession.create(graph);
    const ids = tokenizer.tokenizer(about.tokens);

    async function run(name, ...given) {
      const tensors = given.map(([type, data, dims]) => new ort.Tensor(type, data, dims));
      const answer = await sessions[name].run(Object.fromEntries(tensors.map((tensor, i) => [`in_${i}`, tensor])));
      return answer.out.data;
    }

    const whole = (numbers) => BigInt64Array.from(numbers, BigInt);

    /* The text states of a text, one row of 128 numbers for each token. Throws if the text is too long. */
    async function read(text) {
      const tokens = ids(text);
      return run("text", ["int64", whole(tokens), [1, tokens.length]]);
    }

    /* The noise that the U-Net sees in latents x at time t, once for each of the text states. */
    async function noise(x, t, states) {
      const count = states.length, length = about.tokens.length, each = states[0].length;
      const many = new Float32Array(count * FLOATS), words = new Float32Array(count * each);
      states.forEach((state, i) => {
        many.set(x, i * FLOATS);
        words.set(state, i * each);
      });
      const out = await run(
        "unet",
        ["float32", many, [count, ...LATENT]],
        ["int64", whole(Array(count).fill(t)), [count]],
        ["float32", words, [count, length, each / length]],
      );
      return states.map((_, i) => out.slice(i * FLOATS, (i + 1) * FLOATS));
    }

    /* The picture of latents: three planes of 64 x 64 numbers in 0..1. */
    async function decode(z) {
      const out = await run("decoder", ["float32", z.map((v) => v / about.scaling), [1, ...LATENT]]);
      return out.map((v) => Math.min(1, Math.max(0, v / 2 + 0.5)));
    }

    return { ...about, read, noise, decode };
  }

  return { unpack, start, model };
}
