"""The widget of guidance and time: its frames against diffusers' own scheduler, its prompts, and its saved page."""

import io
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler
from PIL import Image

from dreamtext_lib.diffusion.schedule import of_alpha_bar
from dreamtext_lib.lessons import guidance
from dreamtext_lib.lessons.guidance import GuidanceExplorer, castle, guidance_frames, strips

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PROMPT = "a blue teapot"
SMALL = {"guidances": (-1, 0, 4), "times": (30, 500, 999), "steps": 4}


@pytest.fixture(scope="module")
def made(prior):
    return guidance_frames(prior, PROMPT, **SMALL)


@pytest.fixture
def widget(prior):
    return GuidanceExplorer(prior, PROMPT, guidances=(-1, 4), times=(30, 999), steps=2)


def test_shapes_and_labels(prior, made):
    assert made.frames.shape == (3, 3, prior.pixels, 4 * prior.pixels, 3) and made.frames.dtype == np.uint8
    assert made.axes == {
        "guidance": ["s = -1 (g = 0)", "s = 0 (g = 1)", "s = 4 (g = 5)"],
        "time": ["t = 30", "t = 500", "t = 999"],
    }
    assert len(made.captions) == 9 and made.captions[2].startswith(f"{100 * prior.alpha_bar[999]:.2g} %")
    assert "ignored" in made.captions[0] and "ignored" not in made.captions[8]


@torch.no_grad()
@pytest.mark.parametrize("g, t", [(2, 1), (1, 2), (2, 0)])
def test_a_strip_is_what_diffusers_computes(prior, made, g, t):
    """Noised latent by `add_noise`, guidance in diffusers' form, estimate and sample by `DDIMScheduler.step`."""
    scheduler = DDIMScheduler.from_config(prior.pipeline.scheduler.config, set_alpha_to_one=True)
    s, time = SMALL["guidances"][g], SMALL["times"][t]
    picture = (castle(prior.pixels) * 255).round() / 255  # as bytes have it
    posterior = prior.vae.encode(picture.permute(2, 0, 1)[None] * 2 - 1).latent_dist
    x_0 = posterior.mean * prior.vae.config.scaling_factor
    noise = torch.randn(x_0.shape, generator=torch.Generator().manual_seed(0))
    x = x_t = scheduler.add_noise(x_0, noise, torch.tensor([time]))
    states = prior.encode_text([PROMPT, ""])
    way = np.linspace(time, 0, math.ceil(4 * (time + 1) / 1000)).round().astype(int).tolist()
    first = None
    for now, then in zip(way, [*way[1:], -1], strict=True):
        text, none = prior.unet(torch.cat([x, x]), now, states).sample.chunk(2)
        eps = none + (s + 1) * (text - none)
        # the scheduler's own times are even from 0: have it go to `then` all the same
        scheduler.num_inference_steps = 1
        scheduler.register_to_config(num_train_timesteps=now - then)
        step = scheduler.step(eps, now, x)
        first = first or (eps, step.pred_original_sample)
        x = step.prev_sample
    decoded = [prior.decode(z)[0].permute(1, 2, 0) for z in (x_t, first[1], x)]
    side = prior.pixels
    panels = torch.from_numpy(made.frames[g, t]).float().div(255).split(side, 1)
    for shown, wanted in zip((panels[0], panels[2], panels[3]), decoded, strict=True):
        assert (shown - wanted).abs().max() < 0.01
    factor = side // first[0].shape[-1]
    colours = (0.5 + first[0][0, :3] / 6).clamp(0, 1).permute(1, 2, 0)  # (h, w, 3)
    assert (panels[1][::factor, ::factor] - colours).abs().max() < 0.01


def test_less_noise_leaves_the_picture_and_more_gives_way_to_the_text(prior, made):
    """Claim C9 in numbers: the sample's distance from the starting picture."""
    start = (castle(prior.pixels) * 255).numpy()
    off = np.abs(made.frames[:, :, :, -prior.pixels :].astype(float) - start).mean((2, 3, 4))  # (guidances, times)
    assert (off[:, 0] < 10).all() and off[2, 2] > 2 * off[2, 0]
    assert off[0, 1] < off[2, 1]  # without the text the picture comes back from the middle


def test_without_the_text_the_prompt_does_not_matter(prior, made):
    other = guidance_frames(prior, "a green cactus", **SMALL)
    assert np.abs(other.frames[0].astype(int) - made.frames[0]).max() <= 2
    assert np.abs(other.frames[2].astype(int) - made.frames[2]).max() > 60


def test_all_guidances_of_a_time_share_the_first_evaluations(prior, monkeypatch):
    sizes = []
    eps = prior.eps
    monkeypatch.setattr(prior, "eps", lambda x, t, y: sizes.append(len(x)) or eps(x, t, y))
    list(strips(prior, PROMPT, guidances=(-1, 0, 4), times=(999,), steps=3))
    assert sizes == [2, 6, 6]


def test_any_prior_will_do():
    """One with other sizes, float16 weights and no `pixels`; a picture by PIL."""

    class Plain:
        device, dtype = torch.device("cpu"), torch.float16
        alpha_bar = torch.linspace(0.99, 0.01, 50)
        schedule = of_alpha_bar(alpha_bar)

        def encode_text(self, texts):
            return torch.zeros(len(texts), 3, 5)

        def encode_image(self, rgb):
            return torch.nn.functional.avg_pool2d(rgb, 4).half()

        def decode(self, latents):
            assert latents.dtype == torch.float16
            return latents.repeat_interleave(4, 2).repeat_interleave(4, 3).clamp(0, 1)

        def eps(self, x_t, t, states):
            assert x_t.dtype == torch.float16 and len(x_t) == len(t) == len(states)
            return x_t * 0.5

    picture = Image.new("RGB", (24, 16), (200, 30, 30))
    made = guidance_frames(Plain(), "anything", picture, guidances=(0, 2), times=(0, 49), steps=5)
    assert made.frames.shape == (2, 2, 16, 4 * 24, 3)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"prompt": "  "}, "empty"),
        ({"prompt": "a very " * 40}, "tokens"),
        ({"guidances": ()}, "at least one"),
        ({"times": (1000,)}, "0 to 999"),
        ({"steps": 0}, "1 to 1000"),
        ({"picture": np.zeros((4, 4))}, "height, width, 3"),
        ({"picture": np.zeros((2, 4, 4, 3))}, "height, width, 3"),
    ],
)
def test_what_cannot_be_shown_is_refused(prior, change, message):
    with pytest.raises(ValueError, match=message):
        guidance_frames(prior, **({"prompt": PROMPT} | SMALL | change))


def test_another_prompt_replaces_the_frames(prior, widget):
    seen = []
    widget.observe(lambda change: seen.append(change["new"]), "computing")
    widget.prompt = " a green cactus "
    assert widget.shown == "a green cactus" and "green cactus" in widget.alt and widget.trouble == ""
    assert seen == ["computing: time 1 of 2", "computing: time 2 of 2", ""]
    wanted = guidance_frames(prior, "a green cactus", guidances=(-1, 4), times=(30, 999), steps=2).frames[1, 1]
    last = Image.open(io.BytesIO(widget.data[-widget.sizes[-1] :])).convert("RGB")
    assert np.abs(np.asarray(last).astype(int) - wanted).mean() < 6  # as near as WebP keeps it


@pytest.mark.parametrize("bad, word", [("", "The prompt is empty"), ("a very " * 40, "tokens")])
def test_a_bad_prompt_gives_a_sentence_and_keeps_the_frames(widget, bad, word):
    before = widget.data
    widget.prompt = bad
    assert word in widget.trouble and widget.trouble.endswith(".") and "\n" not in widget.trouble
    assert len(widget.trouble) < 140
    assert widget.data == before and widget.shown == PROMPT and widget.computing == ""
    widget.prompt = PROMPT  # back to what is shown: nothing to compute
    assert widget.trouble == "" and widget.data == before


def test_a_failing_device_gives_a_sentence_too(widget, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("out of memory\nat some address")
        yield

    monkeypatch.setattr(guidance, "strips", fail)
    widget.prompt = "a red mug"
    assert widget.trouble == "Out of memory." and widget.shown == PROMPT and widget.computing == ""


def test_the_kernel_answers_a_page_that_asks(widget, monkeypatch):
    sent = []
    monkeypatch.setattr(widget, "send", lambda content, buffers=None: sent.append(content))
    widget._handle_custom_msg({"ask": "live"}, [])
    assert sent == [{"live": True}]


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: the page was not opened in a browser")
@pytest.mark.parametrize("across", [1000, 400])
def test_a_saved_page_moves_and_offers_nothing_that_needs_a_kernel(prior, tmp_path, across):
    from ipywidgets.embed import embed_data
    from playwright.sync_api import sync_playwright

    shows = "<img src=x onerror=alert(1)>"
    widget = GuidanceExplorer(
        prior, PROMPT, castle(64), shows=shows, guidances=(-1, 4), times=(30, 999), steps=2, start=(0, 0)
    )
    saved = embed_data([widget], drop_defaults=False)
    state, view = (
        json.dumps(part).replace("<", "\\u003c") for part in (saved["manager_state"], saved["view_specs"][0])
    )
    script = f'<script src="{(ROOT / "book" / "_static" / "widgets.js").as_uri()}"></script>'
    page_file = tmp_path / "page.html"
    page_file.write_text(
        f'<!doctype html><meta charset="utf-8"><body>{script}'
        f'<script type="application/vnd.jupyter.widget-state+json">{state}</script>'
        f'<script type="application/vnd.jupyter.widget-view+json">{view}</script>',
        encoding="utf-8",
    )
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page, troubles = browser.new_page(viewport={"width": across, "height": 900}), []
        page.on("pageerror", lambda e: troubles.append(str(e)))
        page.on("dialog", lambda d: troubles.append("a text of the widget ran as code"))
        page.on("request", lambda r: troubles.append(r.url) if r.url.startswith(("http", "ws")) else None)
        page.goto(page_file.as_uri())
        page.wait_for_selector(".panel img", timeout=30_000)
        page.wait_for_timeout(500)

        def panels():
            shots = [stage.screenshot() for stage in page.locator(".panel .stage").all()]
            return [np.asarray(Image.open(io.BytesIO(shot)).convert("RGB")).astype(int) for shot in shots]

        assert page.locator(".heading b").all_inner_texts() == [title for title, _ in guidance.PANELS]
        first = panels()
        assert first[0].shape == first[3].shape and np.abs(first[0] - first[1]).mean() > 5
        guidance_slider, time_slider = page.locator("input[type=range]").all()
        time_slider.focus()
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(300)
        second = panels()
        assert all(np.abs(a - b).mean() > 5 for a, b in zip(first, second, strict=True))
        guidance_slider.focus()
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(300)
        third = panels()
        change = [np.abs(a - b).mean() for a, b in zip(second, third, strict=True)]
        assert change[0] < 4  # the noised latent knows no text: what moves is the compression of the strip
        assert change[1] > change[0] and min(change[2:]) > 10, change  # at t = 999 the prediction is nearly the noise
        assert page.locator("output").all_inner_texts() == ["s = 4 (g = 5)", "t = 999"]
        alts = [img.get_attribute("alt") for img in page.locator(".panel img").all()]
        assert alts[3].startswith("Finished sample") and alts[3].endswith("guidance s = 4 (g = 5), time t = 999")
        assert shows in page.locator(".about").inner_text()  # text stays text
        assert page.locator("form").count() == 1 and not page.locator("form").is_visible()
        assert "needs a kernel" in page.locator(".status").inner_text()
        assert page.evaluate("document.documentElement.scrollWidth") <= across
        browser.close()
    assert not troubles
