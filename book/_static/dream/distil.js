/* Text to 3-D: the loop that moves a field of latents to where the U-Net likes its pictures (thesis 3.3; the library's
   `distil` with the recipe `latent`, whose settings come with the models). */
function distilModule(field, sampler) {
  "use strict";
  const DECIDED = 1e-4; /* an opacity this near to 0 or 1 pulls no further */

  const mix = (a, b, share) => a.map((v, i) => v + share * (b[i] - v));

  /* A dream. states: text states by view word, "" for no text; recipe: settings by name, as the library has them. */
  function begin(model, random, states, recipe) {
    const { lattice, size, samples, bound, blob_value, blob_radius, rate_lattice, beta_1, beta_2, eps } = recipe;
    const made = field.fresh(lattice, { bound, blob_value, blob_radius }, random);
    return {
      model,
      random,
      states,
      recipe,
      field: made,
      view: field.screen(size, samples),
      gradient: new Float32Array(made.values.length),
      descend: field.adam(made.values, rate_lattice, beta_1, beta_2, eps),
      done: 0, /* steps */
    };
  }

  /* A camera anywhere around the thing (6.1.5), from above now and then. */
  function aim(r, random) {
    const azimuth = random.between(-180, 180);
    const over = random.uniform() < r.overhead_share;
    const elevation = over
      ? random.between(r.overhead_min, r.overhead_max)
      : random.between(r.elevation_min, r.elevation_max);
    return [azimuth, elevation, random.between(r.radius_min, r.radius_max), random.between(r.fov_min, r.fov_max)];
  }

  /* All that chance decides in a step. */
  function draw({ recipe: r, random, done, view }) {
    return {
      angles: aim(r, random),
      wall: random.uniform(), /* 0: the darkest grey, 1: the lightest. A white bird must be seen before a dark one too. */
      jitter: view.weight.map(() => random.uniform()),
      t: random.integer(r.t_min, done / r.steps < r.late_from ? r.t_max : r.t_max_late),
      noise: random.normal(view.z.length),
    };
  }

  /* One step of score distillation (3.21). Look at the field; put noise on
     what is seen; ask the U-Net which noise it sees there, with the words
     and without. The guided answer less the noise that was put there is an
     arrow: pass w(t) times the arrow back into the field. */
  async function step(dream, chance = draw(dream)) {
    const { model, recipe: r, view } = dream, { t, noise } = chance;
    const camera = field.orbit(...chance.angles);
    const wall = mix(...model.walls, chance.wall);
    field.render(dream.field, camera, wall, view, chance.jitter);

    const signal = Math.sqrt(model.alphaBar[t]);
    const spread = Math.sqrt(1 - model.alphaBar[t]);
    const x = view.z.map((v, i) => signal * v + spread * noise[i]); /* (3.2) */
    const states = [dream.states[camera.word], dream.states[""]];
    const [text, none] = await model.noise(x, t, states);
    const guided = sampler.guide(text, none, r.guidance); /* (3.8) */
    const arrow = guided.map((v, i) => v - noise[i]);

    const w = 1 - model.alphaBar[t], count = view.z.length;
    const slope = arrow.map((v) => (w * v) / count); /* at the latents */
    const more = opacitySlopes(view.opacity, r, dream.done / r.steps);
    field.backward(dream.field, view, slope, more, dream.gradient);
    dream.descend(dream.gradient);
    dream.done += 1;

    const sum = (values) => values.reduce((all, v) => all + v, 0);
    const loss = (w * sum(arrow.map((v) => v * v))) / count;
    const opacity = sum(view.opacity) / view.opacity.length;
    return { step: dream.done, loss, opacity, t, word: camera.word };
  }

  /* What the score does not say, as slopes at the opacities o of the rays: less of everything, by the mean of
     sqrt(o^2 + 0.01) (4.3.4), and, more and more, no fog, by the mean entropy of o. */
  function opacitySlopes(opacity, r, fraction) {
    return opacity.map((o) => {
      if (!(o > DECIDED && o < 1 - DECIDED)) return 0;
      const less = (r.opacity_weight * o) / Math.sqrt(o * o + 0.01);
      const decide = r.entropy_weight * fraction * Math.log((1 - o) / o);
      return (less + decide) / opacity.length;
    });
  }

  return { begin, step, draw, mix };
}
