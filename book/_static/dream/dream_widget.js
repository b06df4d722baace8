/* The second widget: a thing in space takes shape, can be turned while it grows, and taken home as a mesh. */
(() => {
  "use strict";
  const root = document.getElementById("dream"), form = root.querySelector("form");
  const { teller, jobs, values, bothConventions, paint, megabytes } = widgetModule();
  const { say, far, ready } = teller(root), { attempt, stop } = jobs({ say, far, rest: () => enable(false) });
  const { stop: halt, step: single, home, turn } = form.elements;
  const stage = root.querySelector("canvas.stage"), chart = root.querySelector("canvas.chart");
  const now = root.querySelector(".now"), link = root.querySelector("a.home");
  const EVERY = 8; /* steps between two pictures, while no hand turns the thing: decoding one takes as long as a step */
  const SOFT = 0.95; /* what the drawn curve keeps of its past at a step */
  let prompt = "", steps = 0, records = [], begun = false;
  let asked = null; /* the step that the worker was asked for last */
  let angles = [20, 15], turned = false, drawing = false, held = false;

  /* The picture from where the hand has turned the thing to. */
  async function look() {
    if (!begun || drawing) return;
    drawing = true;
    do {
      turned = false;
      paint(stage, await dreamtext.ask("view", { angles }));
    } while (turned);
    drawing = false;
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
    halt.disabled = !begun || records.length === steps;
    halt.textContent = running || halt.disabled ? "Stop" : "Go on";
    single.disabled = running || (begun && records.length === steps);
    home.disabled = !begun || records.length === 0;
  }

  async function fresh() {
    await ready();
    const { prompt: words, seed, s, steps: count, opacity, low, high, late } = values(form);
    if (low > Math.min(high, late)) throw new Error("The least time must not be above the two greatest ones.");
    const times = { t_min: low, t_max: high, t_max_late: late };
    begun = false;
    [prompt, steps, records, asked] = [words, count, [], null];
    const recipe = { steps, guidance: s, opacity_weight: opacity, ...times };
    await dreamtext.ask("sleep", { prompt, seed, recipe });
    begun = true;
    link.hidden = true;
    stage.setAttribute("aria-label", `The dream of “${prompt}”; arrow keys turn it`);
  }

  /* Dreams until the end, or until another job begins, or so many steps. */
  async function go(current, most = Infinity) {
    await asked; /* a step that a stop did not wait for */
    const before = records.length, began = performance.now(), own = records;
    let quarter = Math.floor((4 * before) / steps);
    say(`Dreaming “${prompt}” …`);
    enable(most > 1);
    for (let k = 0; k < most && records.length < steps && current(); k++) {
      const record = await (asked = dreamtext.ask("dream"));
      if (own !== records) return; /* it is of a dream that another has taken the place of */
      records.push(record);
      now.textContent =
        `Step ${record.step} of ${steps}, seen from the ${record.word === "overhead" ? "top" : record.word}` +
        ` at time ${record.t}; loss ${record.loss.toFixed(3)}, opacity ${record.opacity.toFixed(2)}.`;
      if (turned || records.length % EVERY === 0 || records.length === steps || most === 1) {
        if (turn.checked && !held && most > 1) angles[0] = ((angles[0] + 5 + 180) % 360) - 180;
        far(records.length / steps);
        curves();
        await look();
      }
      if (Math.floor((4 * records.length) / steps) > quarter && records.length < steps) {
        quarter += 1;
        if (most > 1) say(`Dreaming “${prompt}”: ${records.length} of ${steps} steps are done.`);
      }
    }
    if (!current()) return;
    const seconds = ((performance.now() - began) / 1000).toFixed(0);
    if (records.length < steps) say(`${records.length} of ${steps} steps are done.`);
    else {
      far();
      say(`“${prompt}” is dreamed: ${records.length - before} steps in ${seconds} seconds. Turn it, or take it home.`);
    }
    enable(false);
  }

  async function takeHome() {
    enable(false);
    say("The dream is looked at from all sides, and the views vote on its surface …");
    const blob = await dreamtext.ask("mesh", null, far);
    far();
    URL.revokeObjectURL(link.href);
    link.href = URL.createObjectURL(blob);
    link.download = `${prompt.replace(/[^\p{L}\p{N}]+/gu, "-")}.glb`;
    link.textContent = `${link.download}, ${megabytes(blob.size)} MB`;
    link.hidden = false;
    link.click();
    say("The mesh is made. Any program for 3-D opens it; your browser keeps it where it keeps downloads.");
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
  halt.addEventListener("click", () => {
    if (halt.textContent === "Go on") return attempt(go);
    stop();
    say(`Stopped after ${records.length} of ${steps} steps.`);
    enable(false);
  });
  single.addEventListener("click", () => {
    if (!form.reportValidity()) return;
    attempt(async (current) => {
      if (!begun) await fresh();
      await go(current, 1);
    });
  });
  home.addEventListener("click", () => attempt(takeHome));

  const KEYS = { ArrowLeft: [-10, 0], ArrowRight: [10, 0], ArrowUp: [0, 10], ArrowDown: [0, -10] };
  stage.addEventListener("keydown", (event) => {
    if (!KEYS[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    move(...KEYS[event.key]);
  });
  stage.addEventListener("pointerdown", (event) => {
    held = true;
    stage.setPointerCapture(event.pointerId);
  });
  stage.addEventListener("pointermove", (event) => {
    if (held) move(event.movementX * 0.6, event.movementY * 0.4);
  });
  for (const name of ["pointerup", "pointercancel"]) stage.addEventListener(name, () => (held = false));
  new MutationObserver(() => begun && curves()).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  addEventListener("resize", () => begun && curves());
  enable(false);
})();
