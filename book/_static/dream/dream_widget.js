/* The second widget: a thing in space takes shape, can be turned while it grows, and taken home as a mesh. */
(() => {
  "use strict";
  const root = document.getElementById("dream"), form = root.querySelector("form");
  const { teller, jobs, values, bothConventions, paint, megabytes } = widgetModule();
  const { say, far, ready } = teller(root), { attempt, stop } = jobs({ say, far, enable, stopped });
  const { stop: halt, step: single, home, turn } = form.elements;
  const stage = root.querySelector("canvas.stage"), chart = root.querySelector("canvas.chart");
  const now = root.querySelector(".now"), link = root.querySelector("a.home");
  const EVERY = 8; /* steps between two pictures, while no hand turns the thing: decoding one takes as long as a step */
  const SOFT = 0.95; /* what the drawn curve keeps of its past at a step */
  let prompt = "", wanted = "", steps = 0, records = [], begun = false; /* wanted: what was typed for the dream */
  let asked = null; /* the step that the worker was asked for last */
  let angles = [20, 15], turned = false, drawing = false, held = null; /* held: where the pointer was last, while it is down */

  /* The picture from where the hand has turned the thing to. */
  async function look() {
    if (!begun || drawing) return;
    drawing = true;
    try {
      do {
        turned = false;
        paint(stage, await dreamtext.ask("view", { angles }));
      } while (turned);
    } finally {
      drawing = false;
    }
  }

  function move(right, up) {
    const [azimuth, elevation] = angles;
    angles = [(azimuth - right + 540) % 360 - 180, Math.min(88, Math.max(-30, elevation + up))];
    turned = true;
    look();
  }

  /* Loss and opacity, each over the steps so far, smoothed. */
  function curves() {
    const style = getComputedStyle(chart), scale = devicePixelRatio || 1;
    const width = chart.clientWidth, height = chart.clientHeight, pen = chart.getContext("2d");
    [chart.width, chart.height] = [width * scale, height * scale];
    pen.scale(scale, scale);
    pen.strokeStyle = style.color;
    pen.globalAlpha = 0.3;
    pen.strokeRect(0.5, 0.5, width - 1, height - 1);
    pen.globalAlpha = 1;
    for (const [name, dash] of [["loss", []], ["opacity", [5, 3]]]) {
      let mean = records[0]?.[name] ?? 0;
      const soft = records.map((record) => (mean = SOFT * mean + (1 - SOFT) * record[name]));
      const top = 1.1 * soft.reduce((a, b) => Math.max(a, b), 1e-9);
      pen.strokeStyle = style.getPropertyValue(`--${name}`);
      pen.lineWidth = 2;
      pen.setLineDash(dash);
      pen.beginPath();
      soft.forEach((v, i) => pen.lineTo(((i + 1) / steps) * width, height * (1 - v / top)));
      pen.stroke();
    }
  }

  function enable(running) {
    const done = records.length === steps; /* also where there is nothing yet */
    halt.disabled = !running && done;
    halt.textContent = running || done ? "Stop" : "Go on";
    single.disabled = running;
    home.disabled = running || records.length === 0;
  }

  function stopped() {
    if (records.length === steps) return say("Stopped.");
    say(`Stopped after ${records.length} of ${steps} steps; “Go on” continues.`);
    see().catch(() => {}); /* what is wrong with the worker is said where a step is asked for */
  }

  /* The dream as it is now, and its curves. */
  function see() {
    curves();
    turned = true;
    return look();
  }

  /* What is refused leaves the dream before it as it was. */
  async function fresh() {
    await ready();
    const asking = values(form), { prompt: words, seed, s, steps: count, opacity, low, high, late } = asking;
    if (low > Math.min(high, late)) throw new Error("The least time must not be above the two greatest ones.");
    const times = { t_min: low, t_max: high, t_max_late: late };
    const recipe = { steps: count, guidance: s, opacity_weight: opacity, ...times };
    await dreamtext.ask("sleep", { prompt: words, seed, recipe });
    [prompt, wanted, steps, records, asked] = [words, JSON.stringify(asking), count, [], null];
    begun = link.hidden = true;
    now.textContent = "";
    stage.setAttribute("aria-label", `The dream of “${prompt}”; arrow keys turn it`);
    await see(); /* the fog that it begins as, in place of the last dream */
  }

  /* Dreams until the end, or until another job begins, or so many steps. */
  async function go(current, most = Infinity) {
    await asked; /* a step that a stop did not wait for */
    if (!current()) return;
    const before = records.length, began = performance.now(), own = records;
    let quarter = Math.floor((4 * before) / steps);
    say(`Dreaming “${prompt}” …`);
    for (let k = 0; k < most && records.length < steps; k++) {
      const record = await (asked = dreamtext.ask("dream"));
      if (own !== records) return; /* it is of a dream that another has taken the place of */
      records.push(record); /* also where a stop came meanwhile: the worker has done the step */
      now.textContent =
        `Step ${record.step} of ${steps}, seen from the ${record.word === "overhead" ? "top" : record.word}` +
        ` at time ${record.t}; loss ${record.loss.toFixed(3)}, opacity ${record.opacity.toFixed(2)}.`;
      if (!current()) return;
      if (turned || records.length % EVERY === 0 || records.length === steps || most === 1) {
        if (turn.checked && !held && most > 1) angles[0] = ((angles[0] + 5 + 180) % 360) - 180;
        far(records.length / steps);
        await see();
        if (!current()) return;
      }
      if (Math.floor((4 * records.length) / steps) > quarter && records.length < steps) {
        quarter += 1;
        if (most > 1) say(`Dreaming “${prompt}”: ${records.length} of ${steps} steps are done.`);
      }
    }
    const seconds = ((performance.now() - began) / 1000).toFixed(0);
    if (records.length < steps) say(`${records.length} of ${steps} steps are done.`);
    else {
      far();
      say(`“${prompt}” is dreamed: ${records.length - before} steps in ${seconds} seconds. Turn it, or take it home.`);
    }
  }

  /* The mesh of the dream as it is at the click; it also comes home where another dream was begun meanwhile. */
  async function takeHome(current) {
    const name = prompt.replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "") || "dream";
    const early = records.length < steps ? ` of the dream after ${records.length} of ${steps} steps` : "";
    home.disabled = true;
    say("The dream is looked at from all sides, and the views vote on its surface …");
    const blob = await dreamtext.ask("mesh", null, (share) => current() && far(share));
    URL.revokeObjectURL(link.href);
    link.href = URL.createObjectURL(blob);
    link.download = `${name}.glb`;
    link.textContent = `${link.download}, ${megabytes(blob.size)} MB`;
    link.hidden = false;
    link.click();
    if (!current()) return;
    far();
    say(`The mesh${early} is made. Any program for 3-D opens it; your browser keeps it where it keeps downloads.`);
  }

  bothConventions(form.elements);
  turn.checked = !matchMedia("(prefers-reduced-motion: reduce)").matches;
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
      if (records.length === steps || wanted !== JSON.stringify(values(form))) await fresh();
      await go(current, 1);
    }, false);
  });
  home.addEventListener("click", () => attempt(takeHome, false));

  const KEYS = { ArrowLeft: [-10, 0], ArrowRight: [10, 0], ArrowUp: [0, 10], ArrowDown: [0, -10] };
  stage.addEventListener("keydown", (event) => {
    if (!KEYS[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    move(...KEYS[event.key]);
  });
  stage.addEventListener("pointerdown", (event) => {
    held = [event.clientX, event.clientY];
    stage.setPointerCapture(event.pointerId);
  });
  stage.addEventListener("pointermove", (event) => {
    if (!held) return;
    const [x, y] = held; /* `movementX` counts other pixels in other browsers, and none for some fingers */
    held = [event.clientX, event.clientY];
    move((held[0] - x) * 0.6, (held[1] - y) * 0.4);
  });
  for (const name of ["pointerup", "pointercancel"]) stage.addEventListener(name, () => (held = null));
  new MutationObserver(() => begun && curves()).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  addEventListener("resize", () => begun && curves());
  enable(false);
})();
