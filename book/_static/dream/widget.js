/* What both widgets share: a form, a line that says what happens, pictures on canvases. */
function widgetModule() {
  "use strict";
  const megabytes = (bytes) => (bytes / 1e6).toFixed(1);

  /* The line under a form, and the bar beside it. `say` is also heard: it is for what a listener should know. */
  function teller(root) {
    const line = root.querySelector(".status"), bar = root.querySelector("progress");

    function say(text, trouble = false) {
      line.textContent = text;
      line.classList.toggle("trouble", trouble);
    }

    /* How far something is, 0..1; nothing: the bar goes away. */
    function far(share) {
      bar.hidden = share === undefined;
      if (share !== undefined) bar.value = share;
    }

    /* Loads the models unless they are here. */
    async function ready() {
      if (root.dataset.ready) return;
      say("The models are coming …");
      let next = 0.25; /* not every piece is worth a word */
      await dreamtext.load((here, total) => {
        far(here / total);
        if (here / total < next) return;
        next += 0.25;
        say(here < total ? `${megabytes(here)} of ${megabytes(total)} MB are here.` : "All is here; the models start …");
      });
      far();
      root.dataset.ready = "yes";
    }

    return { say, far, ready };
  }

  /* Jobs of which only the latest goes on. `attempt` runs one, which is given a function that tells whether it still is
     the latest; what went wrong with it is said. `enable` is told whether a job is at work, unless it is not to be shown
     as one. `stopped` says how far it came: at once, and again when the step that was on its way has come. */
  function jobs({ say, far, enable, stopped }) {
    let latest = 0, halted = 0, busy = false;

    function rest() {
      stopped();
      enable(false);
    }

    async function attempt(job, shown = true) {
      const mine = ++latest, current = () => mine === latest;
      let trouble = null;
      busy = true;
      if (shown) enable(true);
      try {
        await job(current);
      } catch (error) {
        trouble = error;
      }
      if (current()) {
        busy = false;
        if (trouble) {
          far();
          say(trouble.message, true);
        }
        enable(false);
      } else if (latest === halted) rest();
    }

    function stop() {
      if (!busy) return;
      busy = false;
      halted = latest += 1;
      rest();
    }

    return { attempt, stop };
  }

  /* What was typed, by name; numbers are numbers. */
  function values(form) {
    const fields = [...form.elements].filter((field) => field.name && field.tagName === "INPUT");
    return Object.fromEntries(
      fields.map((field) => [field.name, field.type === "number" ? field.valueAsNumber : field.value.trim()]),
    );
  }

  /* Two fields for one guidance: s of the book, and g = s + 1 of diffusers. */
  function bothConventions({ s, g }) {
    s.addEventListener("input", () => (g.value = s.value === "" ? "" : s.valueAsNumber + 1));
    g.addEventListener("input", () => (s.value = g.value === "" ? "" : g.valueAsNumber - 1));
  }

  /* Three planes of numbers in 0..1 as pixels. */
  function paint(canvas, planes) {
    const each = planes.length / 3, side = Math.sqrt(each), image = new ImageData(side, side);
    for (let i = 0; i < each; i++) {
      for (let c = 0; c < 3; c++) image.data[4 * i + c] = Math.round(255 * planes[i + c * each]);
      image.data[4 * i + 3] = 255;
    }
    canvas.width = canvas.height = side;
    canvas.getContext("2d").putImageData(image, 0, 0);
  }

  /* Latents without the decoder: the linear map to colours that fits flat pictures best. */
  function paintLatents(canvas, z, palette) {
    const each = z.length / 4, planes = new Float32Array(3 * each);
    for (let i = 0; i < planes.length; i++) {
      const c = Math.floor(i / each), at = i % each;
      const sum = [0, 1, 2, 3].reduce((all, k) => all + z[k * each + at] * palette[k][c], palette[4][c]);
      planes[i] = Math.min(1, Math.max(0, sum));
    }
    paint(canvas, planes);
  }

  return { teller, jobs, values, bothConventions, paint, paintLatents, megabytes };
}
