/* Offline set-up of the pages that hold widgets. It runs after require.js and before embed-amd.js. */
(() => {
  "use strict";
  const vendor = document.currentScript.src.replace(/\/[^/]*$/, "");

  /* The widget manager would fetch unknown modules, and look up its icon fonts, on a public server: both lie here. */
  requirejs.config({
    paths: {
      anywidget: `${vendor}/anywidget`,
      "@jupyter-widgets": vendor,
      "@jupyter-widgets/html-manager/dist": vendor,
    },
  });

  /* The theme's Font Awesome would replace the icons inside widgets, and so break Play and every link behind it. */
  window.FontAwesomeConfig = { observeMutations: false };

  /* The widget manager asks MathJax 2 to typeset labels; the book has MathJax 3. */
  const hub = {
    Queue(call) {
      if (call?.[0] === "Typeset") window.MathJax?.typesetPromise?.([call[2]]);
    },
  };
  const answer = () => {
    window.MathJax = window.MathJax ?? {};
    window.MathJax.Hub = window.MathJax.Hub ?? hub;
  };
  answer();
  document.addEventListener("DOMContentLoaded", answer); /* MathJax may have replaced the object by then */
})();
