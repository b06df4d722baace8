"""The page that dreams, measured in a browser: what the judge says of its pictures and dreams, time, memory.

`python -m benchmarks.page BUILT` drives the widgets of a built book (_build/html) in headless Chromium, one prompt for
each class: a picture of 20 steps and a dream of 1000 each. What is finished is kept in --out, so it goes on where it
was stopped. Seconds are those of the clock, also where other programs run beside it; seconds of the processor are those
of all the browser's processes.
"""

import json
import shutil
import time
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path

import psutil
import torch
from playwright.sync_api import Page, sync_playwright

from dreamtext_lib.evaluation.views import load_judge, score_views
from dreamtext_lib.files import write_json
from dreamtext_lib.radiance.cameras import orbit, turntable
from dreamtext_lib.toybox.prompts import words_of
from experiments.first_light import PROMPTS

DRAW_STEPS, DREAM_STEPS, VIEWS = 20, 1000, 12
PIXELS = """(canvas) => [...canvas.getContext("2d").getImageData(0, 0, 64, 64).data]"""
VIEW = "(angles) => dreamtext.ask('view', { angles }).then((planes) => [...planes])"
SAID = "([id, words]) => document.querySelector(`#${id} .status`).textContent.includes(words)"


def browsers() -> list[psutil.Process]:
    """The browser's processes."""
    return [p for p in psutil.Process().children(recursive=True) if "chrom" in p.name()]


def spent() -> float:
    """Seconds of the processor that they have used."""
    return sum(sum(p.cpu_times()[:2]) for p in browsers())


def held() -> float:
    """MB that the page's own process holds: the largest of them."""
    return max(p.memory_info().rss for p in browsers()) / 1e6


def timed(act: Callable[[], None]) -> dict[str, float]:
    """Seconds of the clock and of the processor."""
    began, before = time.monotonic(), spent()
    act()
    return {"seconds": round(time.monotonic() - began, 1), "processor": round(spent() - before, 1)}


def press(page: Page, widget: str, prompt: str, steps: int, done: str) -> None:
    """Fill the form, press its button, wait for what it says in the end."""
    page.fill(f"#{widget} [name=prompt]", prompt)
    page.fill(f"#{widget} [name=seed]", "0")
    page.fill(f"#{widget} [name=steps]", str(steps))
    page.click(f"#{widget} button[type=submit]")
    page.wait_for_function(SAID, arg=[widget, f"“{prompt}”{done}"])


def drawn(page: Page, prompt: str) -> dict:
    """A picture by the first widget, and whether the judge names it rightly."""
    took = timed(lambda: press(page, "draw", prompt, DRAW_STEPS, f": {DRAW_STEPS} steps"))
    flat = page.locator("#draw canvas").nth(2).evaluate(PIXELS)
    picture = torch.tensor(flat).view(1, 64, 64, 4)[..., :3] / 255
    words = words_of(prompt)
    scores = score_views(load_judge(), picture, orbit(0.0, 15.0), words.name, words.colour)
    return {"prompt": prompt, "named": scores.named[0], "right": scores.recognised} | took


def dreamed(page: Page, prompt: str) -> dict:
    """A dream by the second widget, and the judge's shares over a turn."""
    took = timed(lambda: press(page, "dream", prompt, DREAM_STEPS, " is dreamed"))
    cameras, words = turntable(VIEWS), words_of(prompt)
    angles = torch.stack([cameras.azimuth, cameras.elevation], 1).tolist()
    views = torch.tensor([page.evaluate(VIEW, a) for a in angles]).view(-1, 3, 64, 64).permute(0, 2, 3, 1)
    scores = score_views(load_judge(), views, cameras, words.name, words.colour)
    row = {"prompt": prompt, "class": scores.class_share, "view": scores.view_share, "colour": scores.colour_share}
    row = {k: round(v, 3) if isinstance(v, float) else v for k, v in row.items()}
    return row | {"recognised": scores.recognised, "misses": sorted(set(scores.named) - {words.name})} | took


def main() -> None:
    """Measure what is missing, write the table after each prompt."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("built", type=Path)
    parser.add_argument("--out", type=Path, default=Path("book/measured/page.json"))
    parser.add_argument("--only", choices=("draw", "dream"), help="one of the two widgets")
    a = parser.parse_args()
    torch.set_num_threads(1)
    table = json.loads(a.out.read_text(encoding="utf-8")) if a.out.exists() else {"draw": [], "dream": []}
    with sync_playwright() as p:
        program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
        browser = p.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page, troubles = browser.new_page(), []
        page.set_default_timeout(0)
        page.on("console", lambda m: troubles.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda e: troubles.append(str(e)))
        page.goto((a.built.resolve() / "book" / "page_dream.html").as_uri())
        table["memory before"] = round(held())
        table["load"] = timed(lambda: page.evaluate("dreamtext.load()"))
        for widget, measure in (("draw", drawn), ("dream", dreamed)):
            if a.only not in (None, widget):
                continue
            for prompt in PROMPTS:
                if any(row["prompt"] == prompt for row in table[widget]):
                    continue
                table[widget].append(measure(page, prompt))
                table["memory"], table["troubles"] = round(held()), troubles
                write_json(a.out, table)
                print(json.dumps(table[widget][-1], ensure_ascii=False), flush=True)
        browser.close()


if __name__ == "__main__":
    main()
