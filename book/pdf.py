"""`make pdf`: the built book as one PDF, printed page by page by Chromium and joined; links lead within it.

The reference is left out, and so is folded code: both are in the pages.
"""

import io
import shutil
import sys
from pathlib import Path
from urllib.parse import unquote, urlparse

import yaml
from playwright.sync_api import Browser, sync_playwright
from pypdf import PageObject, PdfReader, PdfWriter
from pypdf.generic import ArrayObject, FloatObject, NameObject, NullObject

ROOT = Path(__file__).resolve().parent.parent
HTML, PDF = ROOT / "_build" / "html", ROOT / "_build" / "dreamtext.pdf"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
LEFT_OUT = "book/api/"
SHEET = {"format": "A4", "margin": dict.fromkeys(("top", "bottom", "left", "right"), "17mm"), "scale": 0.8}
PATIENCE = 300_000  # milliseconds for a page: on a busy machine a long one takes more than Playwright's half minute
WIDTH = 831  # pixels: of a sheet between its margins, at this scale

# All pictures and formulas are there; what would have to be scrolled is made smaller; each place has a link to it, as
# Chromium notes no other places.
READY = """async () => {
  document.querySelectorAll("img").forEach((picture) => (picture.loading = "eager"));
  await window.MathJax?.startup?.promise;
  await Promise.all([...document.images].map((picture) => picture.decode().catch(() => {})));
  const boxes = "div.math, .wide, .columns, .pst-scrollable-table-container";
  for (const box of document.querySelectorAll(`.bd-content :is(${boxes})`))
    if (box.scrollWidth > box.clientWidth + 1)
      box.style.fontSize = `${((parseFloat(box.style.fontSize) || 1) * 97 * box.clientWidth) / box.scrollWidth}%`;
  const links = document.body.appendChild(document.createElement("div"));
  links.hidden = true;
  for (const { id } of document.querySelectorAll(".bd-article [id]"))
    links.append(Object.assign(document.createElement("a"), { href: `#${id}` }));
  return document.querySelector("h1:not(#jb-print-docs-body *)")?.firstChild.textContent ?? document.title;
}"""


def contents() -> list[tuple[str, list[str]]]:
    """The parts of the book, as caption and names of pages."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    parts = [("", [toc["root"]])]
    parts += [(part["caption"], [chapter["file"] for chapter in part["chapters"]]) for part in toc["parts"]]
    parts = [(caption, [name for name in names if not name.startswith(LEFT_OUT)]) for caption, names in parts]
    return [(caption, names) for caption, names in parts if names]


def printed(browser: Browser, name: str) -> tuple[str, PdfReader]:
    """Title and sheets of a page."""
    page = browser.new_page(viewport={"width": WIDTH, "height": 1200}, reduced_motion="reduce", color_scheme="light")
    page.set_default_timeout(PATIENCE)
    page.goto((HTML / f"{name}.html").as_uri())
    page.wait_for_load_state("load")
    page.emulate_media(media="print", reduced_motion="reduce")
    title = page.evaluate(READY)
    page.wait_for_timeout(500)  # a mesh is drawn in the next frame
    sheets = PdfReader(io.BytesIO(page.pdf(**SHEET)))
    page.close()
    return title, sheets


def place(sheet: PageObject, top: float | None) -> ArrayObject:
    """Where a link leads: a height on a sheet, or its beginning."""
    height = NullObject() if top is None else FloatObject(top)
    return ArrayObject([sheet.indirect_reference, NameObject("/XYZ"), NullObject(), height, NullObject()])


def join(writer: PdfWriter, name: str, sheets: PdfReader) -> dict[tuple[str, str], ArrayObject]:
    """Add the sheets of a page; returns its places, (page, id) -> where it is. The whole page is the id ''."""
    first = len(writer.pages)
    for sheet in sheets.pages:
        writer.add_page(sheet)
    places = {(name, ""): place(writer.pages[first], None)}
    for found in sheets.named_destinations.values():
        number = sheets.get_destination_page_number(found)
        if number is not None and number >= 0:
            places[name, unquote(str(found.title).removeprefix("/"))] = place(writer.pages[first + number], found.top)
    return places


def target(name: str, annotation: dict) -> tuple[str, str] | None:
    """The page and the id that a link on the page `name` leads to; None if it leads out of the book."""
    if "/Dest" in annotation:
        return name, unquote(str(annotation["/Dest"]).removeprefix("/"))
    address = urlparse(str(annotation.get("/A", {}).get("/URI", "")))
    if address.scheme != "file":
        return None
    path = Path(unquote(address.path))
    inside = path.relative_to(HTML).with_suffix("").as_posix() if path.is_relative_to(HTML) else ""
    return inside, unquote(address.fragment)


def relink(writer: PdfWriter, owners: list[str], places: dict[tuple[str, str], ArrayObject]) -> int:
    """Lead each link within the book to its place; links to what is left out go. Returns how many lead on."""
    kept = 0
    for sheet, name in zip(writer.pages, owners):
        links = ArrayObject()
        for reference in sheet.get("/Annots", ArrayObject()):
            annotation = reference.get_object()
            if (aim := target(name, annotation)) is not None:
                where = places.get(aim) or places.get((aim[0], ""))
                if where is None:
                    continue
                annotation.pop("/A", None)
                annotation[NameObject("/Dest")] = where
                kept += 1
            links.append(reference)
        sheet[NameObject("/Annots")] = links
    return kept


def main() -> int:
    """Print all pages, join them, say where the PDF is."""
    program = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if program is None:
        print("The PDF is printed by Chromium, which is not here: apt-get install chromium", file=sys.stderr)
        return 1
    if not (HTML / "index.html").exists():
        print("The book is not built yet: make book", file=sys.stderr)
        return 1
    writer, places, owners = PdfWriter(), {}, []
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=program, args=["--no-sandbox", "--enable-unsafe-swiftshader"])
        for caption, names in contents():
            part = None
            for name in names:
                print(f"  {name}", flush=True)
                title, sheets = printed(browser, name)
                places |= join(writer, name, sheets)
                first = len(owners)
                owners += [name] * len(sheets.pages)
                if caption and part is None:
                    part = writer.add_outline_item(title=caption, page_number=first)
                writer.add_outline_item(title=title, page_number=first, parent=part)
        browser.close()
    kept = relink(writer, owners, places)
    writer.add_metadata({"/Title": "dreamtext"})
    writer.compress_identical_objects(remove_unreferenced=True)
    writer.write(PDF)
    print(f"{len(owners)} sheets, {PDF.stat().st_size / 1e6:.0f} MB, {kept} links within the book:\n  {PDF}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
