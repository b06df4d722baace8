/* From noise to a picture: guided steps of DDIM, one at a time, so that each can be looked at. */
function samplerModule() {
  "use strict";

  /* `steps` times from total - 1 down to 0, as even as whole numbers allow; a half goes to the even neighbour. */
  function evenTimes(total, steps) {
    return Array.from({ length: steps }, (_, i) => {
      const t = steps === 1 ? total - 1 : ((total - 1) * (steps - 1 - i)) / (steps - 1);
      const low = Math.floor(t);
      return t - low > 0.5 || (t - low === 0.5 && low % 2) ? low + 1 : low;
    });
  }

  /* (3.8): eps(y) + s (eps(y) - eps(none)). diffusers writes the same with g = s + 1. */
  const guide = (text, none, s) => text.map((v, i) => v + s * (v - none[i]));

  /* A picture that is to be drawn. states: [of the text, of no text]; model answers `noise` and holds alphaBar. */
  function begin(model, random, states, { s, steps }) {
    return { model, states, s, times: evenTimes(model.alphaBar.length, steps), at: 0, x: random.normal(4 * 16 * 16) };
  }

  /* One step: {t, x, noise, clean}, the latents before the step, the guided noise, and what they say is behind it. */
  async function step(run) {
    const { model, times } = run, t = times[run.at], x = run.x;
    const [text, none] = await model.noise(x, t, run.states);
    const noise = guide(text, none, run.s);
    const now = model.alphaBar[t], then = run.at + 1 < times.length ? model.alphaBar[times[run.at + 1]] : 1;
    const clean = x.map((v, i) => (v - Math.sqrt(1 - now) * noise[i]) / Math.sqrt(now)); /* (4.30) */
    run.x = clean.map((v, i) => Math.sqrt(then) * v + Math.sqrt(1 - then) * noise[i]);
    run.at += 1;
    return { t, x, noise, clean };
  }

  return { begin, step, guide, evenTimes };
}
