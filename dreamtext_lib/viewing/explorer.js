/* The two widgets of explorer.py: frames behind sliders, and a mesh to turn. No dependency, no request. */

function element(tag, properties = {}, parent = null) {
  const made = Object.assign(document.createElement(tag), properties);
  parent?.append(made);
  return made;
}

function bytes(view) {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

/* ---------------------------------------------------------------------------------------------- frames */

function frames(model, root) {
  const axes = model.get("axes"), panels = model.get("panels") ?? [];
  let urls = [], captions = [];
  root.style.setProperty("--width", `${model.get("width")}px`);

  const about = model.get("prompt") !== undefined ? element("p", { className: "about" }, root) : null;
  const className = model.get("crisp") ? "crisp" : "";
  const pictures = panels.length
    ? strip(panels, element("div", { className: "panels" }, root))
    : [element("img", {}, element("div", { className: "stage" }, root))];
  pictures.forEach((picture) => Object.assign(picture, { className, draggable: false }));
  const caption = model.get("captions").length ? element("p", { className: "caption" }, root) : null;
  const longest = Math.max(...axes.flatMap(({ values }) => values.map((value) => value.length)));
  const sliders = axes.map(({ name, values }, k) => {
    const label = element("label", {}, root);
    element("span", { textContent: name }, label);
    const input = element("input", { type: "range", min: 0, max: values.length - 1, step: 1 }, label);
    input.value = model.get("index")[k]; /* after min and max, or it would be clamped to 0..100 */
    input.addEventListener("input", () => {
      model.set("index", sliders.map((slider) => Number(slider.input.value)));
      model.save_changes();
    });
    const output = element("output", {}, label);
    output.style.minWidth = `${0.8 * Math.min(longest, 20)}ch`; /* the slider keeps its length while its value changes */
    return { input, output };
  });

  if (about) prompts(model, root, about);

  function load() {
    urls.forEach((url) => URL.revokeObjectURL(url));
    const all = bytes(model.get("data"));
    let offset = 0;
    urls = model.get("sizes").map((size) => URL.createObjectURL(new Blob([all.slice(offset, (offset += size))], { type: "image/webp" })));
    captions = model.get("captions");
  }

  function draw() {
    const index = model.get("index");
    const at = axes.reduce((flat, { values }, k) => flat * values.length + index[k], 0);
    const places = axes.map(({ name, values }, k) => `${name} ${values[index[k]]}`);
    pictures.forEach((picture, k) => {
      picture.src = urls[at];
      picture.alt = [...panels.slice(k, k + 1).map(([title]) => title), model.get("alt"), ...places].join(", ");
    });
    if (caption) caption.textContent = captions[at];
    sliders.forEach(({ input, output }, k) => {
      input.value = index[k];
      output.textContent = axes[k].values[index[k]];
      input.setAttribute("aria-valuetext", axes[k].values[index[k]]);
    });
  }

  function reload() {
    load();
    draw();
  }

  model.on("change:index", draw);
  model.on("change:data", reload);
  reload();
  return () => {
    model.off("change:index", draw);
    model.off("change:data", reload);
    urls.forEach((url) => URL.revokeObjectURL(url));
  };
}

/* The panels of a picture that holds them side by side: each shows its own part, under its title. */
function strip(panels, root) {
  return panels.map(([title, detail], k) => {
    const panel = element("div", { className: "panel" }, root), heading = element("div", { className: "heading" }, panel);
    element("b", { textContent: title }, heading);
    element("span", { textContent: detail }, heading);
    const part = element("img", {}, element("div", { className: "stage" }, panel));
    part.style.width = `${100 * panels.length}%`;
    part.style.marginLeft = `${-100 * k}%`;
    return part;
  });
}

/* What the frames are of, and a box for another prompt: only where a kernel answers, for it computes the frames. */
function prompts(model, root, about) {
  const form = element("form", { className: "prompt" }, root);
  const box = element("input", { type: "text", value: model.get("prompt"), spellcheck: false, autocomplete: "off" }, form);
  box.setAttribute("aria-label", "Another prompt");
  const button = element("button", { textContent: "Compute" }, form);
  const status = element("p", { className: "status" }, root);
  status.setAttribute("role", "status");
  let live = false, waiting = false;

  function draw() {
    const computing = model.get("computing"), trouble = model.get("trouble");
    const busy = live && (waiting || computing !== "");
    about.textContent = `Prompt: “${model.get("shown")}”. Start: ${model.get("shows")}.`;
    form.hidden = !live;
    button.disabled = busy;
    root.classList.toggle("busy", busy);
    status.classList.toggle("trouble", !busy && live && trouble !== "");
    if (!live) status.textContent = "Another prompt needs a kernel: run this notebook, and a box for it appears here.";
    else if (busy) status.textContent = computing || "waiting for the kernel";
    else status.textContent = trouble && `${trouble} The frames are still those of “${model.get("shown")}”.`;
  }
  function told() {
    waiting = false;
    draw();
  }
  function hear(message) {
    live ||= message.live === true;
    draw();
  }
  function ask() { /* a saved page has nobody to answer, and neither has a kernel that was started anew */
    live = waiting = false;
    draw();
    try {
      model.send({ ask: "live" });
    } catch {} /* the kernel is gone */
  }

  box.addEventListener("keydown", (event) => event.stopPropagation()); /* letters are commands in some pages */
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (button.disabled || box.value === model.get("prompt")) return;
    waiting = true;
    draw();
    model.set("prompt", box.value);
    model.save_changes();
  });
  const events = { "change:computing": told, "change:trouble": told, "change:shown": told, "msg:custom": hear, comm_live_update: ask };
  Object.entries(events).forEach(([name, act]) => model.on(name, act));
  ask();
}

/* ---------------------------------------------------------------------------------------------- mesh */

const GROUND = [0.914, 0.914, 0.914];
const FOV = 0.62; /* radians, from top to bottom, or from side to side in a narrow picture */

/* Vertices around the origin within a unit ball, unit normals, colours 0..1, and the indices of the faces. */
function geometry(model) {
  const [vertexCount] = model.get("count");
  const whole = bytes(model.get("positions")).slice().buffer;
  const positions = Float32Array.from(new Uint16Array(whole));
  const index = bytes(model.get("faces")).slice().buffer;
  const faces = vertexCount <= 65536 ? new Uint16Array(index) : new Uint32Array(index);
  const colours = bytes(model.get("colours")).slice();
  const low = [Infinity, Infinity, Infinity], high = [-Infinity, -Infinity, -Infinity];
  positions.forEach((value, i) => {
    low[i % 3] = Math.min(low[i % 3], value);
    high[i % 3] = Math.max(high[i % 3], value);
  });
  let radius = 0;
  for (let i = 0; i < positions.length; i += 3) {
    for (let k = 0; k < 3; k++) positions[i + k] -= (low[k] + high[k]) / 2;
    radius = Math.max(radius, Math.hypot(positions[i], positions[i + 1], positions[i + 2]));
  }
  for (let i = 0; i < positions.length; i++) positions[i] /= radius || 1;

  const normals = new Float32Array(positions.length);
  for (let f = 0; f < faces.length; f += 3) {
    const corners = [faces[f] * 3, faces[f + 1] * 3, faces[f + 2] * 3];
    const n = cross(positions, corners); /* as long as twice the face's area: large faces weigh more */
    for (const c of corners) for (let k = 0; k < 3; k++) normals[c + k] += n[k];
  }
  for (let i = 0; i < normals.length; i += 3) {
    const length = Math.hypot(normals[i], normals[i + 1], normals[i + 2]) || 1;
    for (let k = 0; k < 3; k++) normals[i + k] /= length;
  }
  return { positions, normals, colours, faces };
}

function cross(p, [a, b, c]) {
  const u = [p[b] - p[a], p[b + 1] - p[a + 1], p[b + 2] - p[a + 2]];
  const v = [p[c] - p[a], p[c + 1] - p[a + 1], p[c + 2] - p[a + 2]];
  return [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]];
}

/* Axes of a camera at these angles, as in dreamtext_lib.radiance.cameras: rows right, up, backward. */
function camera({ azimuth, elevation }) {
  const a = (azimuth * Math.PI) / 180, e = (elevation * Math.PI) / 180;
  const [ca, sa, ce, se] = [Math.cos(a), Math.sin(a), Math.cos(e), Math.sin(e)];
  return [-sa, ca, 0, -se * ca, -se * sa, ce, ce * ca, ce * sa, se];
}

/* Factors that bring x / depth and y / depth to -1..1, so that the unit ball fits the shorter side at zoom 1. */
function lens(width, height) {
  const f = 1 / Math.tan(FOV / 2), shorter = Math.min(width, height);
  return [(f * shorter) / width, (f * shorter) / height];
}

const VERTEX = `
  attribute vec3 position, normal, colour;
  uniform mat3 view;
  uniform vec2 lens;
  uniform float away;
  varying vec3 n, c, p;
  void main() {
    n = view * normal;
    c = colour;
    p = view * position - vec3(0.0, 0.0, away);
    float near = away - 1.1, far = away + 1.1;
    gl_Position = vec4(p.xy * lens, (-p.z * (far + near) - 2.0 * far * near) / (far - near), -p.z);
  }`;

/* Half of the light comes from everywhere, half from beside the camera; a back is lit as a front. */
const FRAGMENT = `
  precision mediump float;
  varying vec3 n, c, p;
  void main() {
    vec3 m = normalize(n);
    m *= dot(m, p) > 0.0 ? -1.0 : 1.0;
    gl_FragColor = vec4(c * (0.5 + 0.5 * max(dot(m, normalize(vec3(0.25, 0.4, 1.0))), 0.0)), 1.0);
  }`;

function webgl(canvas, { positions, normals, colours, faces }) {
  const gl = canvas.getContext("webgl", { antialias: true, preserveDrawingBuffer: true });
  if (!gl) return null;
  if (faces instanceof Uint32Array && !gl.getExtension("OES_element_index_uint")) return null;
  let program;

  function prepare() {
    program = gl.createProgram();
    for (const [type, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
      const shader = gl.createShader(type);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    gl.useProgram(program);
    const attribute = (name, values, type, normalised) => {
      gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
      gl.bufferData(gl.ARRAY_BUFFER, values, gl.STATIC_DRAW);
      const place = gl.getAttribLocation(program, name);
      gl.enableVertexAttribArray(place);
      gl.vertexAttribPointer(place, 3, type, normalised, 0, 0);
    };
    attribute("position", positions, gl.FLOAT, false);
    attribute("normal", normals, gl.FLOAT, false);
    attribute("colour", colours, gl.UNSIGNED_BYTE, true);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, faces, gl.STATIC_DRAW);
    gl.enable(gl.DEPTH_TEST);
    gl.clearColor(...GROUND, 1);
  }

  function draw(eye) {
    if (gl.isContextLost()) return;
    const v = camera(eye);
    gl.viewport(0, 0, canvas.width, canvas.height);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    const columns = [v[0], v[3], v[6], v[1], v[4], v[7], v[2], v[5], v[8]];
    gl.uniformMatrix3fv(gl.getUniformLocation(program, "view"), false, columns);
    gl.uniform2fv(gl.getUniformLocation(program, "lens"), lens(canvas.width, canvas.height));
    gl.uniform1f(gl.getUniformLocation(program, "away"), eye.away);
    gl.drawElements(gl.TRIANGLES, faces.length, faces instanceof Uint32Array ? gl.UNSIGNED_INT : gl.UNSIGNED_SHORT, 0);
  }

  prepare();
  canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
  canvas.addEventListener("webglcontextrestored", () => {
    prepare();
    canvas.dispatchEvent(new Event("redraw"));
  });
  return { draw, turns: true, free: () => gl.getExtension("WEBGL_lose_context")?.loseContext() };
}

/* Without WebGL: faces painted from the farthest to the nearest, each in one colour. Slower, so it does not turn alone. */
function painter(canvas, { positions, colours, faces }) {
  const pen = canvas.getContext("2d"), count = faces.length / 3;
  const seen = new Float32Array(positions.length), depth = new Float32Array(count), order = new Uint32Array(count);

  function draw(eye) {
    const v = camera(eye), [fx, fy] = lens(canvas.width, canvas.height);
    for (let i = 0; i < positions.length; i += 3) {
      for (let k = 0; k < 3; k++) {
        seen[i + k] = v[3 * k] * positions[i] + v[3 * k + 1] * positions[i + 1] + v[3 * k + 2] * positions[i + 2];
      }
    }
    const sx = (i) => (1 + (fx * seen[i]) / (eye.away - seen[i + 2])) * 0.5 * canvas.width;
    const sy = (i) => (1 - (fy * seen[i + 1]) / (eye.away - seen[i + 2])) * 0.5 * canvas.height;
    for (let f = 0; f < count; f++) {
      order[f] = f;
      depth[f] = seen[faces[3 * f] * 3 + 2] + seen[faces[3 * f + 1] * 3 + 2] + seen[faces[3 * f + 2] * 3 + 2];
    }
    order.sort((a, b) => depth[a] - depth[b]);
    pen.fillStyle = `rgb(${GROUND.map((g) => g * 255)})`;
    pen.fillRect(0, 0, canvas.width, canvas.height);
    for (const f of order) {
      const corners = [faces[3 * f] * 3, faces[3 * f + 1] * 3, faces[3 * f + 2] * 3];
      const n = cross(seen, corners), length = Math.hypot(...n) || 1;
      const lit = 0.5 + 0.5 * Math.max((0.23 * n[0] + 0.36 * n[1] + 0.9 * n[2]) / length * Math.sign(n[2]), 0);
      const rgb = [0, 1, 2].map((k) => ((colours[corners[0] + k] + colours[corners[1] + k] + colours[corners[2] + k]) / 3) * lit);
      pen.fillStyle = pen.strokeStyle = `rgb(${rgb})`;
      pen.beginPath();
      corners.forEach((c, k) => (k ? pen.lineTo(sx(c), sy(c)) : pen.moveTo(sx(c), sy(c))));
      pen.closePath();
      pen.fill();
      pen.stroke(); /* closes the seams between neighbours */
    }
  }
  return { draw, turns: false, free: () => {} };
}

function mesh(model, root) {
  root.style.setProperty("--height", `${model.get("height")}px`);
  const stage = element("div", { className: "stage" }, root);
  const canvas = element("canvas", { tabIndex: 0 }, stage);
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `${model.get("alt")}; arrow keys turn it, plus and minus zoom`);
  const hint = element("span", { className: "hint", textContent: "drag to turn" }, stage);
  const shape = geometry(model);
  const picture = webgl(canvas, shape) ?? painter(canvas, shape);

  const nearest = 1.15, usual = 1.06 / Math.sin(FOV / 2);
  const eye = { azimuth: model.get("azimuth"), elevation: model.get("elevation"), away: usual };
  const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  let turning = model.get("turn") && picture.turns && !calm, visible = true, asked = 0, last = 0;

  function draw(now) {
    asked = 0;
    if (turning) eye.azimuth += Math.min(now - (last || now), 100) * 0.02; /* 20 degrees a second */
    last = now;
    picture.draw(eye);
    if (turning && visible) redraw();
  }
  function redraw() {
    asked ||= requestAnimationFrame(draw);
  }
  function move(azimuth, elevation, zoom) {
    turning = false;
    hint.classList.add("done");
    eye.azimuth += azimuth;
    eye.elevation = Math.max(-89, Math.min(89, eye.elevation + elevation));
    eye.away = Math.max(nearest, Math.min(2.5 * usual, eye.away * zoom));
    redraw();
  }

  const fingers = new Map();
  const spread = () => {
    const [a, b] = [...fingers.values()];
    return b ? Math.hypot(a.x - b.x, a.y - b.y) : 0;
  };
  canvas.addEventListener("pointerdown", (event) => {
    fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    canvas.setPointerCapture(event.pointerId);
    move(0, 0, 1);
  });
  canvas.addEventListener("pointermove", (event) => {
    const before = fingers.get(event.pointerId), apart = spread();
    if (!before) return;
    const [dx, dy] = [event.clientX - before.x, event.clientY - before.y];
    Object.assign(before, { x: event.clientX, y: event.clientY });
    if (apart) move(0, 0, apart / Math.max(spread(), 1));
    else move(-0.5 * dx, 0.5 * dy, 1);
  });
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, (event) => fingers.delete(event.pointerId));
  canvas.addEventListener("wheel", (event) => {
    if (root.getRootNode().activeElement !== canvas) return; /* the page scrolls on */
    event.preventDefault();
    move(0, 0, Math.exp(Math.max(-60, Math.min(60, event.deltaY)) * 0.002));
  }, { passive: false });
  const keys = {
    ArrowLeft: [-10, 0, 1], ArrowRight: [10, 0, 1], ArrowUp: [0, 10, 1], ArrowDown: [0, -10, 1],
    "+": [0, 0, 1 / 1.15], "=": [0, 0, 1 / 1.15], "-": [0, 0, 1.15],
  };
  canvas.addEventListener("keydown", (event) => {
    if (!keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    move(...keys[event.key]);
  });
  canvas.addEventListener("redraw", redraw);

  const sized = new ResizeObserver(() => {
    const density = Math.min(window.devicePixelRatio || 1, 2);
    canvas.width = Math.max(1, Math.round(canvas.clientWidth * density));
    canvas.height = Math.max(1, Math.round(canvas.clientHeight * density));
    picture.draw(eye);
    if (turning) redraw();
  });
  sized.observe(canvas);
  const shown = new IntersectionObserver(([entry]) => {
    visible = entry.isIntersecting;
    if (visible) redraw();
  });
  shown.observe(canvas);
  return () => {
    cancelAnimationFrame(asked);
    sized.disconnect();
    shown.disconnect();
    picture.free();
  };
}

/* ---------------------------------------------------------------------------------------------- entry */

export default {
  render({ model, el }) {
    const root = element("div", { className: "dreamtext" }, el);
    root.addEventListener("keydown", (event) => {
      if (/^(Arrow|Home|End|Page|[-+=])/.test(event.key)) event.stopPropagation(); /* JupyterLab would move to another cell */
    });
    return model.get("kind") === "mesh" ? mesh(model, root) : frames(model, root);
  },
};
