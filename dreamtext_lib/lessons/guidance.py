"""Guidance and time under a reader's hands: what the text does to a noised picture, at each strength and each time.

The start is a picture that the prompt does *not* describe, by default a red castle for any prompt, noised to time t by
(3.2). Were it a picture of the prompt, nobody could tell which of the two spoke; were it pure noise at every t, the
picture would have no say. So the reader sees both ends of claim C9 with one formula: little noise, and the picture
rules; much noise, and the text rules (at the last t less than 1 percent of the picture's variance is left); without
the text, s = -1, the picture comes back even from the middle.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
import traitlets
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from ..diffusion.forward import add_noise, clean_estimate
from ..diffusion.guidance import guide
from ..diffusion.samplers import ddim, even_times
from ..distillation.prior import Prior, first_line
from ..distillation.prompts import check_prompt
from ..radiance.cameras import turntable
from ..toybox.objects import ToyObject
from ..toybox.render import render
from ..viewing.explorer import FrameExplorer
from ..viewing.pictures import pixels

GUIDANCES = (-1.0, 0.0, 1.0, 3.0, 6.0, 10.0)  # s, the thesis' convention
TIMES = (20, 100, 200, 300, 400, 550, 700, 800, 900, 999)
PANELS = (  # title, and how the latents are made visible
    ("Noised latent", "xₜ of (3.2), decoded"),
    ("Predicted noise", "guided (3.8), as colours"),
    ("Clean estimate", "x₀ by (4.30), decoded"),
    ("Finished sample", "DDIM from xₜ to 0, decoded"),
)
LONGEST = 40  # letters of a prompt that a sentence repeats
CASTLE = "a render of a red castle"

Picture = NDArray | Tensor | Image.Image


class GuidanceFrames(NamedTuple):
    """A grid of strips, and what stands beside its sliders."""

    frames: NDArray[np.uint8]  # (guidances, times, H, 4 W, 3): the four panels side by side
    axes: dict[str, list[str]]  # "guidance": both conventions, "time": t
    captions: list[str]  # one for each strip, times fastest


def guidance_frames(
    prior: Prior,
    prompt: str,
    picture: Picture | None = None,
    *,
    guidances: Sequence[float] = GUIDANCES,
    times: Sequence[int] = TIMES,
    steps: int = 20,
    seed: int = 0,
) -> GuidanceFrames:
    """All strips of `strips` with their labels, ready for a `FrameExplorer`. Raises ValueError as `strips` does."""
    made = strips(prior, prompt, picture, guidances=guidances, times=times, steps=steps, seed=seed)
    frames = np.stack(list(made), 1)  # (G, T, H, 4 W, 3)
    return GuidanceFrames(frames, axes(guidances, times), captions(prior, guidances, times))


@torch.no_grad()
def strips(
    prior: Prior,
    prompt: str,
    picture: Picture | None = None,
    *,
    guidances: Sequence[float] = GUIDANCES,
    times: Sequence[int] = TIMES,
    steps: int = 20,
    seed: int = 0,
) -> Iterator[NDArray[np.uint8]]:
    """For one time after another the strips of all guidances, (G, H, 4 W, 3): the four panels of `PANELS`.

    picture: (H, W, 3) in 0..1, or PIL's; the toybox' red castle unless given. guidances: s of (3.8), s = g - 1 in
    diffusers' convention. times: t, counted from 0. steps: of DDIM for the whole schedule; from t its share is left,
    rounded up. All strips share one noise, drawn from `seed`.

    The noised latent, the clean estimate and the finished sample are decoded, for that is what a reader can see. The
    predicted noise is no latent of any picture, and decoded it would look like one: it is shown as it is, on the grid
    of the latents, its first three channels as red, green and blue, grey for 0 and full colour at 3 deviations.

    All guidances of a time share the first two evaluations of the U-Net. Sums are in float32, whatever the prior's
    dtype. Raises ValueError if the prompt is empty or too long, the picture is none, an axis is empty, or a time or
    the number of steps does not fit the schedule.
    """
    prompt, total = check_prompt(prompt), len(prior.alpha_bar)
    if not len(guidances) or not len(times):
        raise ValueError("give at least one guidance and one time")
    if not all(0 <= t < total for t in times):
        raise ValueError(f"times are 0 to {total - 1}, not {', '.join(map(str, times))}")
    if not 1 <= steps <= total:
        raise ValueError(f"{steps} steps do not fit a schedule of {total}; choose 1 to {total}")
    text, none = prior.encode_text([prompt, ""]).split(1)  # (1, L, C) each
    picture = castle(getattr(prior, "pixels", 64)) if picture is None else picture
    rgb = torch.from_numpy(pixels(np.array(picture) if isinstance(picture, Image.Image) else picture)) / 255
    if rgb.ndim != 3:
        raise ValueError(f"the picture is one of (height, width, 3), not {tuple(rgb.shape)}")
    x_0 = prior.encode_image(rgb.permute(2, 0, 1)[None].to(prior.device)).float()  # (1, c, h, w)
    noise = torch.randn(x_0.shape, generator=torch.Generator().manual_seed(seed)).to(x_0)
    s = torch.tensor(guidances, dtype=torch.float32, device=prior.device).reshape(-1, 1, 1, 1)  # (G, 1, 1, 1)
    schedule = prior.schedule

    def both(x: Tensor, t: Tensor) -> list[Tensor]:
        states = torch.cat([text.expand(len(x), -1, -1), none.expand(len(x), -1, -1)])  # (2 B, L, C)
        eps = prior.eps(torch.cat([x, x]).to(prior.dtype), torch.cat([t, t]), states)
        return eps.float().chunk(2)  # with the text and without, (B, c, h, w) each

    for time in map(int, times):
        t = torch.tensor([time], device=prior.device)
        alpha_bar = prior.alpha_bar[t].float()
        x_t = add_noise(x_0, noise, alpha_bar)  # (1, c, h, w)
        guided = guide(*both(x_t, t), s)  # (G, c, h, w)

        def eps(x: Tensor, at: Tensor, time: int = time, first: Tensor = guided) -> Tensor:
            return first if at[0] == time else guide(*both(x, at), s)

        estimate = clean_estimate(x_t.expand_as(guided), guided, alpha_bar.expand(len(guided)))
        way = even_times(time + 1, math.ceil(steps * (time + 1) / total))
        *_, sample = ddim(eps, schedule, x_t.expand_as(guided), way)
        seen = prior.decode(x_t.to(prior.dtype)).expand(len(guided), -1, -1, -1).float()  # (G, 3, H, W)
        colours = interpolate(0.5 + guided[:, :3] / 6, seen.shape[-2:], mode="nearest").clamp(0, 1)
        pictures = [seen, colours, *(prior.decode(z.to(prior.dtype)).float() for z in (estimate, sample))]
        yield pixels(torch.cat(pictures, -1).permute(0, 2, 3, 1))  # (G, H, 4 W, 3)


def axes(guidances: Sequence[float], times: Sequence[int]) -> dict[str, list[str]]:
    """What stands beside the sliders: s with diffusers' g = s + 1, and t."""
    return {"guidance": [f"s = {s:g} (g = {s + 1:g})" for s in guidances], "time": [f"t = {int(t)}" for t in times]}


def captions(prior: Prior, guidances: Sequence[float], times: Sequence[int]) -> list[str]:
    """Under each strip, times fastest: alpha_bar_t in words, and what is special about s = -1 and s = 0."""
    remarks = {-1.0: " The text is ignored.", 0.0: " The text is heard, without guidance."}
    left = [100 * float(prior.alpha_bar[int(t)]) for t in times]
    return [
        f"{share:.2g} % of the picture's variance is left.{remarks.get(s, '')}" for s in guidances for share in left
    ]


def castle(size: int) -> Tensor:
    """The toybox' red castle from the front, (size, size, 3) in 0..1."""
    return render([ToyObject("castle", "red")], turntable(1), size).rgb[0]


class GuidanceExplorer(FrameExplorer):
    """Four panels behind a slider for guidance and one for time; where a kernel runs, also a box for the prompt.

        GuidanceExplorer(prior, "a blue teapot")

    picture, guidances, times, steps, seed: as for `strips`. shows: what `picture` is, for the line above the panels,
    as in "a photograph of my cat". start: index of the guidance and of the time to begin with; the middle of both
    unless given. width: of the four panels together, in pixels.

    A text set as `prompt`, in the box or in Python, is computed and replaces the frames; if that fails the frames stay
    and `trouble` holds one sentence. The page asks the kernel whether it is there, and offers the box once it answers:
    a saved page has the sliders alone. Raises ValueError as `strips` does.
    """

    panels = traitlets.List([list(panel) for panel in PANELS]).tag(sync=True)
    prompt = traitlets.Unicode().tag(sync=True)  # asked for
    shown = traitlets.Unicode().tag(sync=True)  # the prompt of the frames
    shows = traitlets.Unicode().tag(sync=True)  # what the starting picture is
    computing = traitlets.Unicode().tag(sync=True)  # how far the frames are, or nothing
    trouble = traitlets.Unicode().tag(sync=True)  # why the last prompt has no frames, or nothing

    def __init__(
        self,
        prior: Prior,
        prompt: str,
        picture: Picture | None = None,
        *,
        shows: str | None = None,
        guidances: Sequence[float] = GUIDANCES,
        times: Sequence[int] = TIMES,
        steps: int = 20,
        seed: int = 0,
        start: Sequence[int] | None = None,
        width: int = 800,
    ):
        prompt = check_prompt(prompt)
        shows = shows or (CASTLE if picture is None else "the given picture")
        self._prior, self._made_of = (
            prior,
            {
                "picture": picture,
                "guidances": tuple(guidances),
                "times": tuple(times),
                "steps": steps,
                "seed": seed,
            },
        )
        made = guidance_frames(prior, prompt, **self._made_of)
        start = [len(guidances) // 2, len(times) // 2] if start is None else start
        super().__init__(made.frames, made.axes, self._alt(prompt, shows), made.captions, start, width)
        self.prompt, self.shown, self.shows = prompt, prompt, shows
        self.observe(self._asked, "prompt")
        self.on_msg(lambda _widget, _content, _buffers: self.send({"live": True}))  # to a page that asks

    @staticmethod
    def _alt(prompt: str, shows: str) -> str:
        return f"the prompt '{prompt}' on {shows}"

    def _asked(self, change: dict) -> None:
        """Compute the frames of a new prompt, or say why not and keep the old ones."""
        self.trouble = ""
        try:
            prompt = check_prompt(change["new"])
            if prompt != self.shown:
                self._compute(prompt)
        except (ValueError, RuntimeError) as error:  # the text, or the memory of a device
            asked = change["new"].strip()
            text = first_line(error)
            if len(asked) > LONGEST:  # a sentence need not repeat a page
                text = text.replace(asked, f"{asked[:LONGEST]}…")
            self.trouble = f"{text[0].upper()}{text[1:]}."
        finally:
            self.computing = ""

    def _compute(self, prompt: str) -> None:
        times, columns = self._made_of["times"], []
        self.computing = f"computing: time 1 of {len(times)}"
        for column in strips(self._prior, prompt, **self._made_of):
            columns.append(column)
            self.computing = f"computing: time {min(len(columns) + 1, len(times))} of {len(times)}"
        with self.hold_sync():
            self.replace(np.stack(columns, 1), self.captions, self._alt(prompt, self.shows))
            self.shown = prompt
