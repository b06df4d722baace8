"""The built pages in a real browser, opened from a folder with the network cut: formulas, meshes and sliders work."""

import shutil
from pathlib import Path
from urllib.parse import unquote, urlparse

import nbformat
import numpy as np
import pytest
import yaml
from axe_playwright_python.base import AXE_SCRIPT
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: the pages were not opened in a browser")
FLAGS = [
    "--no-sandbox",
    "--enable-unsafe-swiftshader",  # WebGL without a graphics card
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

# What the theme itself says on every page: it starts without a stored mode.
THEMES_OWN = ("invalid theme mode",)
WIDTHS = (1440, 1280, 1200, 600, 390)
HEAVIEST = 4e6  # bytes that a page loads before anyone scrolls

# Displayed formulas whose leftmost or rightmost glyph cannot be brought into sight: the text, the pixels lost.
CUT = """() => [...document.querySelectorAll('mjx-container[display="true"]')].flatMap((formula) => {
  const glyphs = [...formula.querySelectorAll("mjx-c, mjx-utext, mjx-line, mjx-surd")]
    .map((glyph) => glyph.getBoundingClientRect()).filter((r) => r.width && r.height);
  if (!glyphs.length) return [];
  let left = Math.min(...glyphs.map((r) => r.left)), right = Math.max(...glyphs.map((r) => r.right)), lost = 0;
  for (let box = formula; box !== document.body; box = box.parentElement) {
    const style = getComputedStyle(box);
    if (style.overflowX === "visible" || style.display === "inline") continue;
    const edge = box.getBoundingClientRect().left + box.clientLeft, scrolls = /auto|scroll/.test(style.overflowX);
    const begin = scrolls ? edge - box.scrollLeft : edge, end = begin + (scrolls ? box.scrollWidth : box.clientWidth);
    lost = Math.max(lost, begin - left, right - end);
    if (scrolls && box.scrollWidth > box.clientWidth + 1) [left, right] = [edge, edge + box.clientWidth];
  }
  lost = Math.max(lost, -left, right - innerWidth);
  return lost > 1 ? [[formula.textContent.slice(0, 40), Math.round(lost)]] : [];
})"""

# Displayed formulas that have to be scrolled although they are more than 0.58 of their usual size.
LARGE = """() => [...document.querySelectorAll('div.math > mjx-container[display="true"]')].filter((formula) => {
  const box = formula.parentElement, own = parseFloat(getComputedStyle(formula).fontSize);
  return box.scrollWidth > box.clientWidth + 1 && own > 0.58 * 1.273 * parseFloat(getComputedStyle(box).fontSize);
}).map((formula) => formula.textContent.slice(0, 40))"""

# Inline formulas that stick out of the page and of every box that scrolls; code that has to be scrolled sideways.
STICKS_OUT = """() => [...document.querySelectorAll('mjx-container:not([display])')].filter((formula) => {
  for (let box = formula; box !== document.body; box = box.parentElement)
    if (/auto|scroll/.test(getComputedStyle(box).overflowX)) return false;
  return formula.getBoundingClientRect().right > innerWidth + 1;
}).map((formula) => formula.textContent.slice(0, 40))"""
SIDEWAYS = """() => [...document.querySelectorAll('.bd-content pre')]
  .filter((code) => code.scrollWidth > code.clientWidth + 1).map((code) => code.textContent.slice(0, 40))"""

# What scrolls sideways, is not folded away, and takes no focus.
KEYLESS = """() => [...document.querySelectorAll('.bd-content *')].filter((box) =>
  box.scrollWidth > box.clientWidth + 1 && box.clientWidth && /auto|scroll/.test(getComputedStyle(box).overflowX)
  && box.checkVisibility() && box.tabIndex < 0 && !box.querySelector('a, button, input, [tabindex]'))
  .map((box) => box.outerHTML.slice(0, 80))"""

# Before axe-core, which looks at each element: formulas lose their glyphs; of the words of code one of each kind stays.
# What it finds serious: the rule, one element, the reason.
THIN = """() => {
  const seen = new Set();
  document.querySelectorAll("mjx-container").forEach((formula) => formula.replaceChildren());
  for (const word of document.querySelectorAll(".highlight span, dt.sig *, code *")) {
    const kind = word.tagName + word.className + (word.closest("pre, dt, code")?.tagName ?? "");
    if (seen.has(kind) || !word.checkVisibility()) word.replaceWith(...word.childNodes);
    else seen.add(kind);
  }
  document.querySelectorAll(".highlight pre").forEach((code) => code.normalize());
}"""
AXE = """async (options) => (await axe.run(document, { resultTypes: ["violations"], preload: false, ...options }))
  .violations.filter(({ impact }) => impact === "serious" || impact === "critical")
  .map(({ id, nodes }) => [id, nodes.length, nodes[0].html.slice(0, 200), nodes[0].failureSummary])"""

WIDGETS = """
import numpy as np, trimesh
from dreamtext_lib.viewing.explorer import FrameExplorer, MeshViewer
frames = np.zeros((3, 40, 40, 3)); frames[0, ..., 0] = 1; frames[1, ..., 1] = 1; frames[2, ..., 2] = 1
FrameExplorer(frames, {"<b>time</b>": [0, 1, 2]}, alt="a colour")
"""
MESH = """
box = trimesh.creation.box((1, 0.6, 0.4))
box.visual.vertex_colors = np.tile([[200, 30, 30, 255], [30, 30, 200, 255]], (4, 1)).astype(np.uint8)
MeshViewer.from_mesh(box, alt="a box", turn=False)
"""
FILM = """
from dreamtext_lib.viewing.film import Film
moving = np.zeros((4, 40, 40, 3)); moving[0, ..., 0] = moving[1, ..., 1] = moving[2, ..., 2] = 1
Film(moving, alt="a film of colours", fps=10)
"""
TURNING = 'MeshViewer.from_mesh(box, alt="a turning box")'
NO_WEBGL = """
const get = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
  return kind.startsWith("webgl") ? null : get.call(this, kind, ...rest);
};
"""


def pages_of_the_toc():
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    return [toc["root"], *(c["file"] for part in toc["parts"] for c in part["chapters"])]


@pytest.fixture(scope="module")
def site(tmp_path_factory, build_book):
    """A small book of one executed notebook, with the settings of ours."""
    source = tmp_path_factory.mktemp("small")
    shutil.copytree(ROOT / "book", source / "book", ignore=shutil.ignore_patterns("*.md"))
    shutil.copy(ROOT / "_config.yml", source)
    (source / "_toc.yml").write_text("format: jb-book\nroot: page\n", encoding="utf-8")
    cells = [
        nbformat.v4.new_markdown_cell("# A page\n\n$$\\bar\\alpha_t=\\prod_s\\alpha_s$$"),
        *(nbformat.v4.new_code_cell(code.strip()) for code in (WIDGETS, MESH, TURNING, FILM)),
    ]
    notebook = nbformat.v4.new_notebook(cells=cells)
    from nbclient import NotebookClient

    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    nbformat.write(notebook, source / "page.ipynb")
    return build_book(source, tmp_path_factory.mktemp("small-built"))[0] / "page.html"


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as p:
        chromium = p.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser):
    """A page without a network, and the list of what went wrong on it."""
    context = browser.new_context(viewport={"width": 1100, "height": 900}, reduced_motion="reduce")
    made, troubles = context.new_page(), []

    def complain(text):
        if not any(known in text for known in THEMES_OWN):
            troubles.append(text)

    made.on("console", lambda m: complain(m.text) if m.type == "error" else None)
    made.on("pageerror", lambda e: complain(str(e)))
    made.on("requestfailed", lambda r: troubles.append(f"{r.url}: {r.failure}"))
    made.on("request", lambda r: troubles.append(r.url) if r.url.startswith(("http", "ws")) else None)
    made.troubles = troubles
    yield made
    context.close()


def shot(locator, path):
    locator.screenshot(path=path)
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def test_formulas_are_typeset(page, site):
    page.goto(site.as_uri())
    page.wait_for_selector("mjx-container", timeout=30_000)
    assert page.locator("mjx-container").count() >= 1 and not page.troubles


def test_the_slider_changes_the_picture(page, site, tmp_path):
    page.goto(site.as_uri())
    picture = page.locator("img[alt^='a colour']")
    picture.wait_for(timeout=30_000)
    page.wait_for_timeout(300)
    first = shot(picture, tmp_path / "a.png")
    assert first[..., 0].mean() > 200 and first[..., 1].mean() < 60  # red
    slider = page.locator("input[type=range]").first
    slider.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(300)
    second = shot(picture, tmp_path / "b.png")
    assert second[..., 1].mean() > 200 and second[..., 0].mean() < 60  # green
    assert "<b>time</b>" in page.locator("label").first.inner_text()  # text stays text
    assert not page.troubles


@pytest.mark.parametrize("renderer", ["webgl", "2d"])
def test_the_mesh_is_drawn_and_turns(page, site, tmp_path, renderer):
    """By WebGL, and where that is missing by painting; by mouse and by keys; the wheel zooms only what was clicked."""
    if renderer == "2d":
        page.add_init_script(NO_WEBGL)
    page.goto(site.as_uri())
    canvas = page.locator("canvas[aria-label^='a box']")
    canvas.wait_for(timeout=30_000)
    canvas.scroll_into_view_if_needed()
    page.wait_for_timeout(800)
    assert canvas.evaluate("(canvas, kind) => canvas.getContext(kind) !== null", renderer)
    box = canvas.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def scroll():
        page.mouse.move(x, y)
        page.mouse.wheel(0, -200)

    def drag():
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + 120, y, steps=5)
        page.mouse.up()

    last = shot(canvas, tmp_path / "a.png")
    middle = last[last.shape[0] // 2, last.shape[1] // 2]
    assert middle.max() - middle.min() > 40  # the box has a colour, the ground has none
    assert np.ptp(last[3, 3]) < 8 and last[3, 3].min() > 200
    for act in (drag, lambda: page.keyboard.press("ArrowUp"), lambda: page.keyboard.press("-"), scroll):
        act()
        page.wait_for_timeout(400)
        now = shot(canvas, tmp_path / "b.png")
        assert np.abs(now - last).mean() > 1
        last = now
    assert not page.troubles


def test_the_first_page_has_a_film_and_the_mesh_of_the_quickstart_to_turn(page, book, tmp_path):
    page.goto((book / "book" / "intro.html").as_uri())
    canvas = page.locator(".hero canvas[aria-label^='A mesh of a red castle']")
    canvas.wait_for(timeout=30_000)
    page.wait_for_timeout(800)
    seen = shot(canvas, tmp_path / "a.png")
    assert (np.ptp(seen, axis=-1) > 40).mean() > 0.1  # a part of it has a colour, the ground has none
    assert page.locator(".hero .film-button").count() == 1 and not page.troubles


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_a_mesh_turns_by_itself_unless_less_motion_was_asked_for(page, site, tmp_path, motion):
    page.emulate_media(reduced_motion=motion)
    page.goto(site.as_uri())
    canvas = page.locator("canvas[aria-label^='a turning box']")
    canvas.wait_for(timeout=30_000)
    canvas.scroll_into_view_if_needed()
    page.wait_for_timeout(800)
    before = shot(canvas, tmp_path / "a.png")
    page.wait_for_timeout(1000)
    moved = np.abs(shot(canvas, tmp_path / "b.png") - before).mean()
    assert moved == 0 if motion == "reduce" else moved > 1


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_a_film_can_be_stopped_and_stands_still_where_less_motion_is_asked_for(browser, site, motion, tmp_path):
    context = browser.new_context(viewport={"width": 1100, "height": 900}, reduced_motion=motion)
    page = context.new_page()
    page.goto(site.as_uri())
    button = page.locator(".film-button")
    button.wait_for(timeout=30_000)

    def moves():
        shots = []
        for i in range(4):
            shots.append(shot(page.locator(".film-box .film"), tmp_path / f"{i}.png"))
            page.wait_for_timeout(130)
        return any(np.abs(a - shots[0]).mean() > 5 for a in shots[1:])

    stands = motion == "reduce"
    assert button.get_attribute("aria-label") == f"{'play' if stands else 'pause'}: a film of colours"
    assert moves() != stands and page.locator("canvas[aria-label='a film of colours']").count() == stands
    button.click()
    assert moves() == stands and button.get_attribute("aria-label").startswith("pause" if stands else "play")
    context.close()


@pytest.mark.parametrize("name", pages_of_the_toc())
def test_a_page_of_ours_is_light_whole_and_open_to_all(page, book, name):
    """One visit: what it loads, what it complains of, what is cut off, and what axe-core says in both themes."""
    loaded = set()
    page.on("request", lambda r: loaded.add(r.url.split("?")[0]) if r.url.startswith("file:") else None)
    page.set_viewport_size({"width": 1200, "height": 900})
    page.add_init_script("localStorage.setItem('mode', 'light'); localStorage.setItem('theme', 'light')")
    page.goto((book / f"{name}.html").as_uri())
    page.wait_for_load_state("load")
    formulas = page.locator(".math").count() > 0
    if formulas:
        page.locator("mjx-container").first.wait_for(state="attached", timeout=60_000)
        page.evaluate("MathJax.startup.promise")
        assert not page.locator("mjx-merror").all_inner_texts(), "a formula that MathJax refuses"
    page.wait_for_timeout(300)

    weight = sum(Path(unquote(urlparse(url).path)).stat().st_size for url in loaded)
    assert weight <= HEAVIEST, f"{weight / 1e6:.1f} MB are loaded"
    asked = {url.rsplit("/", 1)[1] for url in loaded}
    assert not {"fontawesome.js", "searchindex.js", "searchtools.js"} & asked
    assert ("tex-mml-chtml.js" in asked) == formulas
    assert ("widgets.js" in asked) == (page.locator("script[type$='widget-state+json']").count() > 0)

    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        assert not page.evaluate(CUT), f"formulas cut off at {width} pixels"
    for width in (390, 1200):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_function(f"!({KEYLESS})().length", timeout=10_000)  # what scrolls can be scrolled by keys
        page.wait_for_function(f"!({LARGE})().length", timeout=10_000)  # those that could be smaller are not scrolled
        assert not page.evaluate(STICKS_OUT), f"inline formulas cut off at {width} pixels"
        assert not page.evaluate(SIDEWAYS), f"code to be scrolled sideways at {width} pixels"
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, f"{wide} pixels wide on a screen of {width}"
    assert page.locator("h1:visible").count()

    page.evaluate(THIN)
    page.evaluate(AXE_SCRIPT)
    assert not page.evaluate(AXE, {"rules": {"label-content-name-mismatch": {"enabled": True}}})
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    assert not page.evaluate(AXE, {"runOnly": ["color-contrast"]}), "in the dark theme"
    assert not page.troubles


def test_the_search_finds_a_word(page, book):
    page.goto((book / "search.html").as_uri() + "?q=transmittance")
    found = page.locator("#search-results li a")
    found.first.wait_for(timeout=30_000)
    assert any("10_transmittance" in link.get_attribute("href") for link in found.all())
    # A page from a folder may not fetch the texts of its hits, and says so in `page.troubles`; titles are enough.


def test_printed_columns_stay_columns_on_a_phone(page, book):
    """A line of a table is one line, in small letters and then in a box that scrolls; sentences are wrapped."""
    page.set_viewport_size({"width": 390, "height": 900})
    page.goto((book / "notebooks" / "10_transmittance.html").as_uri())
    page.wait_for_selector("pre > .columns")
    table = page.locator("pre > .columns", has_text="closed form")
    style = "(box) => [parseFloat(getComputedStyle(box).fontSize), box.getBoundingClientRect().height]"
    around = table.locator("xpath=..").evaluate(style)[0]
    page.wait_for_function("(box) => box.scrollWidth <= box.clientWidth + 1", arg=table.element_handle())
    lines = table.inner_text().rstrip().split("\n")
    assert len(lines) == 7 and lines[0].split() == ["density", "colour", "closed", "form", "quadrature"]
    size, height = table.evaluate(style)
    assert height < 2 * size * len(lines)  # none was broken in two
    assert 0.75 * around - 0.1 < size < around - 0.3

    wide = page.locator("pre:has(> .columns)", has_text="order of convergence")
    first = wide.locator(".sentences").first
    assert first.inner_text().startswith("order of convergence, from 256")
    size, height = first.evaluate(style)
    assert height > 2 * size  # the empty line below it is seen
    assert wide.locator(".columns").evaluate("(box) => box.scrollWidth > box.clientWidth && box.tabIndex === 0")
    assert not page.locator("pre > .columns", has_text="sum of sigma dt over the ray").count()

    cells = nbformat.read(ROOT / "notebooks" / "10_transmittance.ipynb", as_version=4).cells
    said = [o.get("text", "").rstrip() for c in cells if c.cell_type == "code" for o in c.outputs]
    shown = page.locator("pre:has(> .columns)").evaluate_all("(all) => all.map((one) => one.textContent.trimEnd())")
    assert len(shown) > 3 and set(shown) <= set(said)  # what is copied from them has all lines
    page.set_viewport_size({"width": 1200, "height": 900})
    page.wait_for_function("(box) => box.style.fontSize === ''", arg=table.element_handle())
    assert not page.troubles
