/* What scrolls sideways can be scrolled by the keyboard too: it takes the focus, but only while it has something to scroll. */
(() => {
  "use strict";
  const BOXES =
    ".bd-content :is(div.math, mjx-container, pre, .pst-scrollable-table-container, .widget-subarea," +
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
    }
  }

  addEventListener("load", async () => {
    await window.MathJax?.startup?.promise;
    widen();
    addEventListener("resize", widen);
    const observer = new ResizeObserver((entries) => entries.forEach((entry) => mark(entry.target)));
    document.querySelectorAll(BOXES).forEach((box) => observer.observe(box)); /* tells each once, and when it changes */
  });
})();
