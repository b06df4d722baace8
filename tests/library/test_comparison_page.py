"""The page that compares sweeps, in a real browser: what turns and stops, boxes, orders, the table, axe's verdict."""

import json
import shutil

import pytest
from axe_playwright_python.base import AXE_SCRIPT

from dreamtext_lib.sweep.compare import compared
from dreamtext_lib.viewing.comparison import write_comparison

LONG = "third-" + "w" * 80  # a name that no line of a phone holds
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: the page was not opened in a browser")
ROWS = {
    ("new", "mug", 0): {"similarity": 0.5, "psnr": 12.0},
    ("new", "fish", 0): {"similarity": 0.75, "psnr": 14.0},
    ("old", "mug", 0): {"similarity": 0.25, "psnr": 20.0, "sentence": "an image of a mug"},
    ("old", "fish", 0): {"similarity": 0.4, "psnr": 22.5},
    (LONG, "mug", 0): {"error": "it broke"},
    (LONG, "fish", 0): {"similarity": 0.9},
}
SHOWN = """[...document.querySelectorAll(".card[data-method]")].filter((card) => card.checkVisibility())
  .map((card) => card.querySelector("h3").textContent)"""
TABLE = "[...document.querySelectorAll('tbody:not([hidden]) tr:not([hidden])')].map(r => r.cells[0].textContent)"


@pytest.fixture
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as p:
        found = p.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


def test_the_page_works_in_a_browser(browser, fake_sweep, tmp_path):
    write_comparison(compared([fake_sweep("some", ROWS)], {"psnr": "in dB"}), tmp_path / "page.html")
    bad = []
    for theme, width, motion in (("light", 390, "reduce"), ("dark", 1200, "no-preference")):
        how = {"viewport": {"width": width, "height": 900}, "color_scheme": theme, "reduced_motion": motion}
        page = browser.new_context(**how).new_page()
        page.on("pageerror", lambda error: bad.append(str(error)))
        page.on("console", lambda message: bad.append(message.text))
        page.on("request", lambda r: r.url.startswith(("file:", "data:")) or bad.append(r.url))
        page.goto((tmp_path / "page.html").as_uri())
        still = motion == "reduce"
        assert page.inner_text("#play") == ("Play" if still else "Pause")
        if still:
            page.wait_for_timeout(400)
            assert page.input_value("#angle") == "0"
            page.click("#play")
        for _ in range(100):
            if (turned := page.input_value("#angle")) != "0":
                break
            page.wait_for_timeout(100)
        assert turned != "0"
        page.fill("#angle", "9")  # takes hold of it: it stops there
        assert page.inner_text("#play") == "Play" and page.input_value("#angle") == "9"
        place = page.evaluate("getComputedStyle(document.querySelector('.turn')).backgroundPosition")
        assert [float(v.rstrip("%")) for v in place.split()] == pytest.approx([60, 100 / 3], abs=0.01)

        assert page.evaluate(SHOWN) == ["new", "old", LONG] * 2
        page.select_option("#order", label="by psnr")
        assert page.evaluate(SHOWN) == ["old", "new", LONG] * 2
        page.uncheck("input[name=method][value='1']")
        page.uncheck("input[name=subject][value='0']")
        assert page.evaluate(SHOWN) == ["new", LONG] and page.evaluate(TABLE) == ["new", LONG]
        page.click("button[data-all=method][data-on='1']")
        page.click("thead th:nth-child(2) button")
        assert page.evaluate(TABLE) == [LONG, "new", "old"]
        page.click("thead th:nth-child(2) button")
        assert page.evaluate(TABLE) == ["old", "new", LONG]
        page.select_option("#against", label="differences to old")
        assert sorted(page.evaluate(TABLE)) == ["new", LONG]
        page.click("thead th:nth-child(3) button")
        assert page.evaluate(TABLE) == ["new", LONG]  # third has no such number: it is last

        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.evaluate(AXE_SCRIPT)
        found = page.evaluate("axe.run({runOnly: ['wcag2a', 'wcag2aa']})")["violations"]
        assert not found, json.dumps([(v["id"], v["nodes"][0]["html"][:200]) for v in found])
    assert not bad
