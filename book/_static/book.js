/* What scrolls sideways can be scrolled by the keyboard too: it takes the focus, but only while it has something to scroll. */
(() => {
  "use strict";
  const BOXES =
    ".bd-content :is(div.math, mjx-container, pre, .columns, .pst-scrollable-table-container, .widget," +
    " .output.text_html, .output.text_html > div)";

  function mark(box) {
    if (box.scrollWidth > box.clientWidth + 1 && getComputedStyle(box).overflowX !== "visible") {
      box.tabIndex = 0;
    } else {
      box.removeAttribute("tabindex");
    }
  }

  /* Inline formulas that are wider than their lines are marked; the style sheet lets them scroll. */
  function widen() {
    for (const formula of document.querySelectorAll(".bd-content mjx-container:not([display])")) {
      formula.classList.remove("wide");
      const line = formula.closest("p, li, td, dd, figcaption, .bd-article");
      formula.classList.toggle("wide", line && formula.getBoundingClientRect().width > line.clientWidth);
      mark(formula);
    }
  }

  /* Displayed formulas that are wider than their box become smaller, down to LEAST; what is wider still can be scrolled.
     Their width follows their size not quite in proportion, hence three rounds; each measures first and writes then. */
  const LEAST = 0.57;
  function fit() {
    let wide = [...document.querySelectorAll('.bd-content div.math > mjx-container[display="true"]')]
      .map((formula) => ({ formula, box: formula.parentElement, share: 1 }));
    for (const { formula } of wide) {
      formula.dataset.size ??= formula.style.fontSize || "100%"; /* MathJax's own */
      formula.style.fontSize = formula.dataset.size;
    }
    for (let round = 0; round < 3; round++) {
      wide = wide.filter(({ box, share }) => share > LEAST && box.scrollWidth > box.clientWidth + 1);
      wide.forEach((one) => (one.share = Math.max(LEAST, (one.share * one.box.clientWidth) / (one.box.scrollWidth + 2))));
      wide.forEach(({ formula, share }) => {
        formula.style.fontSize = `calc(${formula.dataset.size} * ${share.toFixed(4)})`;
      });
    }
  }

  /* Printed columns, too, down to LEAST_TEXT; those of one output share one size, so that they stay below one another. */
  const LEAST_TEXT = 0.75;
  function fitColumns() {
    const boxes = [...document.querySelectorAll(".bd-content .columns")], shares = new Map();
    for (const box of boxes) box.style.fontSize = "";
    for (const { parentElement, clientWidth, scrollWidth } of boxes) {
      const share = clientWidth && scrollWidth > clientWidth + 1 ? clientWidth / (scrollWidth + 1) : 1;
      shares.set(parentElement, Math.max(LEAST_TEXT, Math.min(share, shares.get(parentElement) ?? 1)));
    }
    for (const box of boxes) {
      const share = shares.get(box.parentElement);
      box.style.fontSize = share < 1 ? `${share}em` : "";
    }
  }

  /* Which of the lines that a cell printed stand in columns: three below one another that share two gaps or more of two
     blanks or more, and neighbours that share one. The rest are sentences, which may be wrapped. */
  function columnar(lines) {
    const gaps = lines.map((line) => [...line.matchAll(/ {2,}(?=\S)/g)]
      .map((gap) => [gap.index, gap.index + gap[0].length]).filter(([start]) => start > 0));
    const common = (a, b) => a.flatMap(([i, j]) =>
      b.map(([k, l]) => [Math.max(i, k), Math.min(j, l)]).filter(([start, end]) => start < end).slice(0, 1));
    const marks = lines.map(() => false);
    for (let i = 0; i + 2 < lines.length; i++) {
      if (common(common(gaps[i], gaps[i + 1]), gaps[i + 2]).length >= 2) marks.fill(true, i, i + 3);
    }
    const joins = (i, j) => common(gaps[i], gaps[j]).length > 0 || (gaps[i].length > 0 && /^ {2}/.test(lines[i]));
    for (let i = 1; i < lines.length; i++) marks[i] ||= marks[i - 1] && joins(i, i - 1);
    for (let i = lines.length - 2; i >= 0; i--) {
      marks[i] ||= marks[i + 1] && joins(i, i + 1);
      /* a head above a line that names the rows below it */
      if (i > 0 && marks[i + 1] && !marks[i] && lines[i] && joins(i - 1, i + 1)) marks.fill(true, i - 1, i + 1);
    }
    return marks;
  }

  /* Lines in columns get a box of their own, which scrolls where it is too wide, as a table does. */
  function box(pre) {
    if ([...pre.children].some((child) => child.textContent)) return; /* coloured: left as it is */
    const lines = pre.textContent.replace(/\n$/, "").split("\n");
    const marks = columnar(lines), parts = [];
    lines.forEach((line, i) => {
      if (i === 0 || marks[i] !== marks[i - 1]) parts.push({ columns: marks[i], lines: [] });
      parts.at(-1).lines.push(line);
    });
    if (!marks.includes(true)) return;
    pre.replaceChildren(...parts.map(({ columns, lines }) => {
      const part = document.createElement("span");
      part.className = columns ? "columns" : "sentences";
      part.textContent = lines.map((line) => `${line}\n`).join(""); /* the last one shows no further line, but is copied */
      return part;
    }));
  }

  function fitAll() {
    fit();
    widen();
    fitColumns();
  }

  addEventListener("load", async () => {
    document.querySelectorAll(".bd-content .cell_output .output.stream pre").forEach(box);
    await window.MathJax?.startup?.promise;
    const text = document.querySelector(".bd-article");
    let width = 0; /* of the text; side columns come and go a moment after the window has changed */
    if (text) new ResizeObserver(([{ contentRect }]) => {
      if (contentRect.width !== width) {
        width = contentRect.width;
        fitAll();
      }
    }).observe(text);
    const observer = new ResizeObserver((entries) => entries.forEach((entry) => mark(entry.target)));
    document.querySelectorAll(BOXES).forEach((box) => observer.observe(box)); /* tells each once, and when it changes */
  });
})();

/* Films, which are animated pictures: a button stops each and lets it go on. Where less motion is asked for they stand still. */
(() => {
  "use strict";

  function still(film) {
    const canvas = document.createElement("canvas");
    canvas.width = film.naturalWidth;
    canvas.height = film.naturalHeight;
    canvas.getContext("2d").drawImage(film, 0, 0); /* the first frame */
    canvas.className = "film";
    canvas.style.cssText = film.style.cssText;
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", film.alt);
    return canvas;
  }

  /* Drawn, as not every font has them. */
  const icon = (path) => `<svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true"><path fill="currentColor" d="${path}"/></svg>`;
  const PAUSE = icon("M3 2h4v12H3zM9 2h4v12H9z"), PLAY = icon("M3 1.5v13L14.5 8z");

  function equip(film) {
    const box = document.createElement("span"), button = document.createElement("button");
    let canvas = null;
    box.className = "film-box";
    button.type = "button";
    button.className = "film-button";
    film.replaceWith(box);
    box.append(film, button);

    function show(moving) {
      if (moving && canvas) {
        canvas.replaceWith(film);
        canvas = null;
      } else if (!moving && !canvas) {
        film.replaceWith((canvas = still(film)));
      }
      button.innerHTML = moving ? PAUSE : PLAY;
      button.setAttribute("aria-label", `${moving ? "pause" : "play"}: ${film.alt}`);
    }

    button.addEventListener("click", () => show(canvas !== null));
    show(!matchMedia("(prefers-reduced-motion: reduce)").matches);
  }

  addEventListener("load", () => {
    for (const film of document.querySelectorAll("img.film")) {
      film.decode().then(() => equip(film), () => {});
    }
  });
})();
