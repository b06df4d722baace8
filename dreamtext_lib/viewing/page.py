"""A page of its own that turns an object: pictures from all around, which a drag or the arrow keys move through."""

import base64
import html
import io
import json
from collections.abc import Callable
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from ..files import write_bytes
from ..radiance.cameras import turntable
from ..radiance.volume import Volume
from .pictures import pixels

ELEVATIONS = [-15, 15, 45, 75]  # degrees
COUNT = 24  # views around, at each
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 34rem; padding: 0 1rem; }}
canvas {{ width: 100%; border-radius: 8px; cursor: grab; touch-action: none; display: block; }}
canvas:active {{ cursor: grabbing; }}
canvas:focus-visible {{ outline: 3px solid #4a90d9; }}
h1 {{ font-size: 1.2rem; overflow-wrap: anywhere; }}
</style></head><body>
<h1>{title}</h1>
<canvas id="view" tabindex="0" role="img" aria-label="{title}; drag, or press the arrow keys, to turn it"></canvas>
<p><output id="where"></output> Drag, or press the arrow keys.</p>
<p>{text}</p>
<script>
const around = {around}, heights = {heights}, frames = {frames};
const canvas = document.getElementById("view"), pen = canvas.getContext("2d"), where = document.getElementById("where");
const pictures = frames.map((data) => {{ const p = new Image(); p.src = "data:image/webp;base64," + data; return p; }});
let a = 0, h = Math.min(1, heights.length - 1), held = null;
function show() {{
  const i = ((Math.round(a) % around) + around) % around, k = Math.round(h);
  const p = pictures[k * around + i];
  p.decode().then(() => {{
    canvas.width = p.width; canvas.height = p.height; pen.drawImage(p, 0, 0);
    where.textContent = `azimuth ${{Math.round(i * 360 / around)}}°, elevation ${{heights[k]}}°.`;
  }});
}}
function move(da, dh) {{ a += da; h = Math.max(0, Math.min(heights.length - 1, h + dh)); show(); }}
canvas.addEventListener("pointerdown", (e) => {{
  held = [e.clientX, e.clientY];
  canvas.setPointerCapture(e.pointerId);
}});
canvas.addEventListener("pointermove", (e) => {{
  if (!held) return;
  const side = canvas.clientWidth;
  move((held[0] - e.clientX) / side * around / 2, (e.clientY - held[1]) / side * heights.length * 1.5);
  held = [e.clientX, e.clientY];
}});
for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => {{ held = null; }});
canvas.addEventListener("keydown", (e) => {{
  const step = {{ ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }}[e.key];
  if (step) {{ e.preventDefault(); h = Math.round(h); move(...step); }}
}});
show();
</script></body></html>
"""


def around(
    volume: Volume, count: int = COUNT, size: int = 160, drawn: Callable[[], object] = lambda: None
) -> tuple[Tensor, list[int]]:
    """Turns at several elevations, (E, count, S, S, 3), and the elevations; `drawn` is called after each picture."""
    cameras = [turntable(count, elevation=e).around(*volume.world) for e in ELEVATIONS]
    return torch.stack([volume.pictures(c, size, drawn=drawn) for c in cameras]), ELEVATIONS


def write_page(frames: Tensor, elevations: list[int], path: Path, title: str, text: str = "") -> None:
    """Write one HTML file that holds all it shows and asks no server for anything.

    frames (E, A, S, S, 3) in 0..1: at each of E elevations, low to high, A views at equal steps of azimuth from the
    front. title and text are escaped. Raises ValueError for another shape.
    """
    if frames.ndim != 5 or len(frames) != len(elevations):
        raise ValueError(f"frames must be (elevations, azimuths, S, S, 3), got {tuple(frames.shape)}")
    data = []
    for picture in pixels(frames.flatten(0, 1)):
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "WEBP", quality=85, method=4)
        data.append(base64.b64encode(file.getvalue()).decode())
    page = PAGE.format(
        title=html.escape(title),
        text=html.escape(text),
        around=frames.shape[1],
        heights=json.dumps(elevations),
        frames=json.dumps(data),
    )
    write_bytes(Path(path), page.encode())
