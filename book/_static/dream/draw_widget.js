/* The first widget: a picture is drawn out of noise, and every step of it can be seen again. */
(() => {
  "use strict";
  const root = document.getElementById("draw"), form = root.querySelector("form");
  const { teller, jobs, values, bothConventions, paint, paintLatents } = widgetModule();
  const { say, far, ready } = teller(root), { attempt, stop } = jobs({ say, far, enable, stopped });
  const { stop: halt, step: single, replay } = form.elements;
  const slider = root.querySelector("input[type=range]"), place = root.querySelector("output");
  const [noisy, noise, clean] = root.querySelectorAll("canvas");
  let frames = [], times = [], prompt = "", wanted = ""; /* what was typed for the drawing */
  let asked = null; /* the step that the worker was asked for last */

  /* Step number k, from 0, on the three canvases. */
  function show(k) {
    const { t, x, noise: guided, picture } = frames[k], { palette } = dreamtext.model();
    paintLatents(noisy, x, palette);
    paintLatents(noise, guided, palette);
    paint(clean, picture);
    slider.value = k;
    place.textContent = `${k + 1} of ${times.length}`;
    slider.setAttribute("aria-valuetext", `step ${k + 1} of ${times.length}, time ${t}`);
    root.querySelector(".time").textContent = t;
  }

  function enable(running) {
    const done = frames.length === times.length; /* also where there is nothing yet */
    halt.disabled = !running && done;
    halt.textContent = running || done ? "Stop" : "Go on";
    single.disabled = running;
    replay.disabled = slider.disabled = frames.length === 0;
    slider.max = Math.max(0, frames.length - 1);
  }

  function stopped() {
    if (frames.length === times.length) say("Stopped.");
    else say(`Stopped after ${frames.length} of ${times.length} steps; “Go on” continues.`);
  }

  /* A text that is refused leaves the drawing before it as it was. */
  async function fresh() {
    await ready();
    const asking = values(form), { prompt: words, seed, s, steps } = asking;
    const plan = await dreamtext.ask("begin", { prompt: words, seed, s, steps });
    [prompt, wanted, frames, times, asked] = [words, JSON.stringify(asking), [], plan, null];
  }

  /* Draws until the end, or until another job begins, or so many steps. */
  async function go(current, most = Infinity) {
    await asked; /* a step that a stop did not wait for */
    if (!current()) return;
    say(`Drawing “${prompt}” …`);
    const began = performance.now(), own = frames;
    if (frames.length > 0) show(frames.length - 1); /* from where it goes on */
    for (let k = 0; k < most && frames.length < times.length; k++) {
      const frame = await (asked = dreamtext.ask("draw"));
      if (own !== frames) return; /* it is of a drawing that another has taken the place of */
      frames.push(frame); /* also where a stop came meanwhile: the worker has done the step */
      if (!current()) return;
      enable(most > 1);
      show(frames.length - 1);
      far(frames.length / times.length);
    }
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    if (frames.length < times.length) say(`${frames.length} of ${times.length} steps are done.`);
    else say(most > 1 ? `“${prompt}”: ${times.length} steps, ${seconds} seconds.` : `“${prompt}” is finished.`);
    if (frames.length === times.length) far();
    clean.setAttribute("aria-label", `The clean estimate after ${frames.length} steps for “${prompt}”`);
  }

  bothConventions(form.elements);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(async (current) => {
      await fresh();
      await go(current);
    });
  });
  halt.addEventListener("click", () => (halt.textContent === "Go on" ? attempt(go) : stop()));
  single.addEventListener("click", () => {
    if (!form.reportValidity()) return;
    attempt(async (current) => {
      if (frames.length === times.length || wanted !== JSON.stringify(values(form))) await fresh();
      await go(current, 1);
    }, false);
  });
  replay.addEventListener("click", () =>
    attempt(async (current) => {
      say(`The ${frames.length} steps of “${prompt}” again …`);
      for (let k = 0; k < frames.length && current(); k++) {
        show(k);
        await new Promise((later) => setTimeout(later, 150));
      }
      if (current()) say(`“${prompt}”: ${frames.length} of ${times.length} steps.`);
    }),
  );
  slider.addEventListener("input", () => {
    stop();
    show(slider.valueAsNumber);
  });
  enable(false);
})();
