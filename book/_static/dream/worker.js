/* The worker: all that takes time happens here, so that the page stays free. The page asks by [number, door, value] and
   gets [number, answer, error]; questions are answered one after the other, so the page may turn a thing while it grows. */
function workerModule() {
  "use strict";
  const random = randomModule(), tokenizer = tokenizerModule(), field = fieldModule(), sampler = samplerModule();
  const distil = distilModule(field, sampler), engine = engineModule(tokenizer);
  const mesher = meshModule(field, surfaceModule()), { glb } = glbModule();
  const VIEW = ["front", "side", "back", "overhead"], SAMPLES = 64; /* a ray, where a picture is wanted */
  let model = null, drawing = null, dream = null, sight = null;

  /* "a purple teddy, side view" and so on (6.1.7), and no text at all. */
  async function viewStates(prompt) {
    const states = { "": await model.read("") };
    for (const word of VIEW) states[word] = await model.read(`${prompt}, ${word} view`);
    return states;
  }

  /* What the dream shows to a camera, before a wall: 0 is the darkest grey of its training, 1 the lightest. Before the
     darkest one what is light can be told from it. */
  function look([azimuth, elevation], wall = 0) {
    return field.render(dream.field, field.orbit(azimuth, elevation), distil.mix(...model.walls, wall), sight);
  }

  const doors = {
    /* {script, wasm, graphs, about}: the runtime's script, the others in pieces. */
    async load({ script, wasm, graphs, about }) {
      engine.start(ort, await engine.unpack(wasm), script);
      const unpacked = {};
      for (const [name, pieces] of Object.entries(graphs)) unpacked[name] = await engine.unpack(pieces);
      model = await engine.model(ort, unpacked, about);
      sight = field.screen(about.recipe.size, SAMPLES);
      await model.noise(sight.z, 500, Array(2).fill(await model.read(""))); /* the first run is slow */
      await model.decode(sight.z);
    },

    /* A picture: {prompt, seed, s, steps}; gives the times of its steps. */
    async begin({ prompt, seed, s, steps }) {
      const states = [await model.read(prompt), await model.read("")];
      drawing = sampler.begin(model, random.generator(seed), states, { s, steps });
      return drawing.times;
    },

    /* Its next step, and the decoded picture of the clean estimate. */
    async draw() {
      const record = await sampler.step(drawing);
      return { ...record, picture: await model.decode(record.clean) };
    },

    /* A dream: {prompt, seed, recipe}, where the recipe holds what differs from that of the manifest. */
    async sleep({ prompt, seed, recipe }) {
      const settings = { ...model.recipe, ...recipe };
      dream = distil.begin(model, random.generator(seed), await viewStates(prompt), settings);
    },

    dream: () => distil.step(dream),

    /* The picture of the dream from [azimuth, elevation]; wall as in `look`. */
    view: ({ angles, wall }) => model.decode(look(angles, wall).z),

    /* The dream as a surface: a GLB file. `told` hears how far it is, 0..1. */
    async mesh(_, told) {
      const { decode, walls } = model, { bound } = dream.field;
      return new Blob(glb(await mesher.mesh({ look, decode, walls, bound, told })), { type: "model/gltf-binary" });
    },
  };

  let queue = Promise.resolve();
  onmessage = ({ data: [number, door, value] }) => {
    const told = (share) => postMessage([number, share, null, true]);
    queue = queue.then(() => doors[door](value, told)).then(
      (answer) => postMessage([number, answer, null]),
      (error) => postMessage([number, null, error?.message ?? String(error)]),
    );
  };
}
