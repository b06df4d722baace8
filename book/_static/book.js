/* What scrolls sideways can be scrolled by the keyboard too: it takes the focus, but only while it has something to scroll. */
(() => {
  "use strict";
  const BOXES =
    ".bd-content :is(div.math, span.math, pre, .pst-scrollable-table-container, .output.text_html, .widget-subarea)";

  function mark(box) {
    if (box.scrollWidth > box.clientWidth + 1 && getComputedStyle(box).overflowX !== "visible") {
      box.tabIndex = 0;
    } else {
      box.removeAttribute("tabindex");
    }
  }

  addEventListener("load", async () => {
    await window.MathJax?.startup?.promise;
    const observer = new ResizeObserver((entries) => entries.forEach((entry) => mark(entry.target)));
    document.querySelectorAll(BOXES).forEach((box) => observer.observe(box)); /* tells each once, and when it changes */
  });
})();
