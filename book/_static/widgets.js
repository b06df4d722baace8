/* Shows the widgets that a notebook saved, without a kernel and without ipywidgets' own script of 3.6 MB: those made with
   anywidget, which bring their script and style along. Others are left out: a page has no use for a progress bar. */
(() => {
  "use strict";
  const TYPE = "application/vnd.jupyter.widget";
  const scripts = (kind) => document.querySelectorAll(`script[type="${TYPE}-${kind}+json"]`);
  const loaded = new Map(); /* source of a script -> the module */

  function bytes(text) {
    return new DataView(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);
  }

  /* What anywidget hands to `render` as its model, with nobody at the other end. */
  function model({ state, buffers = [] }) {
    const values = { ...state }, listeners = {};
    for (const { path, data } of buffers) values[path[0]] = bytes(data);
    return {
      get: (name) => values[name],
      set(name, value) {
        values[name] = value;
        listeners[`change:${name}`]?.forEach((act) => act());
      },
      on(name, act) {
        (listeners[name] ??= new Set()).add(act);
      },
      off(name, act) {
        listeners[name]?.delete(act);
      },
      save_changes() {},
      send() {},
    };
  }

  async function load(source) {
    const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    try {
      return (await import(url)).default;
    } finally {
      URL.revokeObjectURL(url);
    }
  }

  async function show(place, shared) {
    const source = shared.get("_esm"), style = shared.get("_css");
    if (!loaded.has(source)) {
      loaded.set(source, load(source));
      if (style) document.head.append(Object.assign(document.createElement("style"), { textContent: style }));
    }
    const { render } = await loaded.get(source);
    const box = Object.assign(document.createElement("div"), { className: "widget" });
    place.replaceWith(box);
    await render({ model: shared, el: box });
  }

  addEventListener("DOMContentLoaded", () => {
    const saved = Object.assign({}, ...Array.from(scripts("state"), (script) => JSON.parse(script.textContent).state));
    const models = new Map();
    for (const place of scripts("view")) {
      const id = JSON.parse(place.textContent).model_id;
      if (!saved[id]?.state._esm) {
        const output = place.parentElement;
        place.remove();
        if (!output.childElementCount) output.remove();
        continue;
      }
      if (!models.has(id)) models.set(id, model(saved[id]));
      show(place, models.get(id));
    }
  });
})();
