"""What fills a chapter: the shares of prose, figures, code and printed text in its height, at a width of 1200 pixels.

`python book/shares.py` prints a table of the chapters in _build/html, with what each page loads before it is scrolled.
"""

import shutil
import sys
from pathlib import Path
from urllib.parse import unquote, urlparse

from playwright.sync_api import Browser, sync_playwright

HTML = Path(__file__).resolve().parent.parent / "_build" / "html"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
PARTS = ("prose", "figures", "code", "printed", "folds")
HEIGHTS = """() => {
  const article = document.querySelector(".bd-article"), high = (element) => element.getBoundingClientRect().height;
  const sum = (elements) => elements.filter((e) => e.checkVisibility()).reduce((all, e) => all + high(e), 0);
  const all = (selector) => [...article.querySelectorAll(selector)];
  const drawn = (output) => output.querySelector("img, canvas, svg, .dreamtext") !== null;
  const outputs = all("div.cell_output"), code = sum(all("div.cell_input"));
  const figures = sum(outputs.filter(drawn)), printed = sum(outputs.filter((output) => !drawn(output)));
  const folds = sum(all("details.hide > summary"));
  return [high(article) - code - figures - printed - folds, figures, code, printed, folds];
}"""


def measured(browser: Browser, path: Path) -> tuple[list[float], int]:
    """Heights in pixels, in the order of PARTS, and bytes loaded."""
    page, loaded = browser.new_page(viewport={"width": 1200, "height": 900}, reduced_motion="reduce"), set()
    page.on("request", lambda r: loaded.add(r.url.split("?")[0]) if r.url.startswith("file:") else None)
    page.goto(path.as_uri())
    page.wait_for_load_state("load")
    page.evaluate("window.MathJax?.startup?.promise")
    page.wait_for_timeout(1000)
    weight = sum(Path(unquote(urlparse(url).path)).stat().st_size for url in loaded)
    heights = page.evaluate(HEIGHTS)
    page.close()
    return heights, weight


def main() -> int:
    """Print the table."""
    program = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if program is None or not (HTML / "index.html").exists():
        print("The pages are measured in Chromium, once they are built: make book", file=sys.stderr)
        return 1
    print("| chapter | " + " | ".join(PARTS) + " | MB loaded |\n|---|" + "---:|" * (len(PARTS) + 1))
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=program, args=["--no-sandbox", "--enable-unsafe-swiftshader"])
        for path in sorted((HTML / "notebooks").glob("*.html")):
            heights, weight = measured(browser, path)
            shares = " | ".join(f"{100 * height / sum(heights):.0f} %" for height in heights)
            print(f"| {path.stem} | {shares} | {weight / 1e6:.1f} |", flush=True)
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
