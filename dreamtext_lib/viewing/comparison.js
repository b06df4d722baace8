const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const one = (id) => document.getElementById(id);
const root = document.documentElement, calm = matchMedia("(prefers-reduced-motion: reduce)");
const { count, across, fps } = Object.fromEntries(Object.entries(root.dataset).map(([key, value]) => [key, +value]));
const rows = Math.ceil(count / across), play = one("play"), angle = one("angle");

// All objects turn together: one frame for the whole page, as two lengths that each picture's place is made of.
let frame = 0, timer = null;
function show(next) {
  frame = ((next % count) + count) % count;
  const place = (at, of) => (of > 1 ? (100 * at) / (of - 1) : 0) + "%";
  root.style.setProperty("--x", place(frame % across, across));
  root.style.setProperty("--y", place(Math.floor(frame / across), rows));
  angle.value = frame;
  angle.setAttribute("aria-valuetext", Math.round((360 * frame) / count) + " degrees");
}
function move(on) {
  clearInterval(timer);
  timer = on ? setInterval(() => document.hidden || show(frame + 1), 1000 / fps) : null;
  play.textContent = on ? "Pause" : "Play";
}
play.addEventListener("click", () => move(!timer));
angle.addEventListener("input", () => { move(false); show(+angle.value); });
calm.addEventListener("change", () => move(!calm.matches));
one("controls").hidden = false;
show(0);
move(!calm.matches);

// What is shown: methods and subjects by their boxes.
const picked = (name) => new Set(all("input[name=" + name + "]:checked").map((box) => box.value));
function filter() {
  const methods = picked("method"), subjects = picked("subject");
  for (const card of all(".card[data-method]")) card.hidden = !methods.has(card.dataset.method);
  for (const part of all(".subject")) part.hidden = !subjects.has(part.dataset.subject);
  for (const line of all("tbody tr")) line.hidden = !methods.has(line.dataset.method);
}
all("input[type=checkbox]").forEach((box) => box.addEventListener("change", filter));
all("button[data-all]").forEach((button) => button.addEventListener("click", () => {
  all("input[name=" + button.dataset.all + "]").forEach((box) => { box.checked = button.dataset.on === "1"; });
  filter();
}));
filter();

// The order of cards: that of the file, or of one score; cards without it come last.
const value = (element, name) => element.dataset[name] === undefined ? -Infinity : +element.dataset[name];
one("order").addEventListener("change", (event) => {
  const name = event.target.value;
  for (const cards of all(".cards")) {
    const own = all(".card[data-method]", cards);
    own.sort((a, b) => name ? value(b, name) - value(a, name) || a.dataset.at - b.dataset.at : a.dataset.at - b.dataset.at);
    cards.append(...own);
  }
});

// The table of means: sorted by a column, most first, then least first; differences to one method in its place.
function sort(head, direction) {
  const place = head.cellIndex - 1;
  all("thead th").forEach((other) => other.removeAttribute("aria-sort"));
  head.setAttribute("aria-sort", direction);
  for (const body of all("tbody")) {
    const key = (line) => {
      const text = line.cells[place + 1].dataset.mean;
      return text === undefined ? NaN : +text;
    };
    const lines = [...body.rows].sort((a, b) => {
      const [p, q] = [key(a), key(b)];
      if (isNaN(p) || isNaN(q)) return isNaN(p) - isNaN(q);
      return direction === "descending" ? q - p : p - q;
    });
    body.append(...lines);
  }
}
all("thead button").forEach((button) => button.addEventListener("click", () => {
  const head = button.closest("th");
  sort(head, head.getAttribute("aria-sort") === "descending" ? "ascending" : "descending");
}));
one("against").addEventListener("change", (event) => {
  all("tbody").forEach((body) => { body.hidden = body.dataset.against !== event.target.value; });
  one("beside").hidden = event.target.value === "";
});
