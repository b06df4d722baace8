"""The page that dreams, in a real browser, from a folder, with the network cut: its numbers are the library's."""

import json
import re
import sys

import numpy as np
import pytest
import torch
import trimesh
from test_pages import CHROMIUM, ROOT, browser, page  # noqa: F401  (fixtures)

from dreamtext_lib.diffusion.guidance import guide
from dreamtext_lib.diffusion.samplers import ddim, even_times
from dreamtext_lib.distillation.look import View
from dreamtext_lib.distillation.recipe import TOY_LATENT
from dreamtext_lib.distillation.regularisers import regulariser
from dreamtext_lib.distillation.score import injected, weighted
from dreamtext_lib.evaluation.views import load_judge, score_views
from dreamtext_lib.radiance.cameras import orbit, rays, sphere_interval, turntable
from dreamtext_lib.radiance.field import Matte
from dreamtext_lib.radiance.latent import LatentGrid
from dreamtext_lib.radiance.rendering import composite, render_samples

sys.path.insert(0, str(ROOT / "book"))
import page_parts

sys.path.pop(0)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: the page was not opened in a browser")
MODULES = ("random", "tokenizer", "field", "sampler", "distil", "surface", "glb", "mesh")
TEXTS = (
    "a purple teddy, overhead view",
    "",
    "A  Red\tCASTLE's 42 mugs!",
    "grüner Kaktus – 仙",
    "<|endoftext|> x",
    "é",
    "a constructor",  # a name that every object in JavaScript has
)


@pytest.fixture
def scripts(page):  # noqa: F811
    """An empty page with the scripts that reckon, on the page itself instead of in a worker."""
    page.set_content("<!doctype html><title>scripts</title>")
    for name in MODULES:
        page.add_script_tag(path=ROOT / "book" / "_static" / "dream" / f"{name}.js")
    yield page
    assert not page.troubles


@pytest.fixture
def ours(page, book):  # noqa: F811
    """The page itself."""
    page.set_default_timeout(300_000)
    page.goto((book / "book" / "page_dream.html").as_uri())
    page.wait_for_load_state("load")
    return page


def said(page, widget, words):  # noqa: F811
    page.wait_for_function(
        "([id, words]) => document.querySelector(`#${id} .status`).textContent.includes(words)", arg=[widget, words]
    )


# the scripts, beside the library ------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_noise_of_torch(scripts):
    drawn = scripts.evaluate("""() => {
      const g = randomModule().generator(4294967295);
      return [[...g.normal(1040)], [g.uniform(), g.uniform()], [g.integer(20, 980), g.integer(0, 1)]];
    }""")
    g = torch.Generator().manual_seed(4294967295)
    expected = torch.randn(1040, generator=g), torch.rand(2, generator=g), torch.randint(20, 981, (1,), generator=g)
    assert np.abs(np.array(drawn[0]) - expected[0].numpy()).max() < 2e-6
    assert drawn[1] == expected[1].tolist() and drawn[2][0] == expected[2].item()
    assert drawn[2][1] == torch.randint(0, 2, (1,), generator=g).item()


def test_words_become_the_numbers_of_the_tokenizer(scripts, prior):
    tokens = page_parts.manifest(prior, TOY_LATENT)["tokens"]
    run = "([tokens, texts]) => texts.map(tokenizerModule().tokenizer(tokens))"
    assert scripts.evaluate(run, [tokens, TEXTS]) == prior.tokenizer(list(TEXTS), padding="max_length").input_ids
    long = "([tokens, text]) => { try { tokenizerModule().tokenizer(tokens)(text); } catch (e) { return e.message; } }"
    assert "25 tokens long and the model takes 24" in scripts.evaluate(long, [tokens, "a " * 23])


def test_the_times_of_a_sampler_are_the_librarys(scripts):
    found = scripts.evaluate("() => [2, 3, 20, 50, 1000].map((n) => samplerModule().evenTimes(1000, n))")
    assert found == [even_times(1000, n) for n in (2, 3, 20, 50, 1000)]


STEP = """async ([values, recipe, alphaBar, walls, chances]) => {
  const field = fieldModule(), distil = distilModule(field, samplerModule());
  const noise = async (x, t, states) => states.map((s) => x.map((v) => Math.sin(3 * v + s[0] + t)));
  const states = Object.fromEntries(["front", "side", "back", "overhead", ""].map((word, i) => [word, [i / 3]]));
  const dream = distil.begin({ alphaBar, walls, noise }, randomModule().generator(1), states, recipe);
  dream.field.values.set(values);
  const records = [];
  for (const chance of chances) {
    records.push(await distil.step(dream, { ...chance, noise: Float32Array.from(chance.noise) }));
    records.at(-1).gradient = [...dream.gradient];
  }
  return [records, [...dream.field.values]];
}"""


def chance(g, size, samples, angles, t):
    return {
        "angles": angles,
        "wall": torch.rand(1, generator=g).item(),
        "jitter": torch.rand(size * size, samples, generator=g),
        "t": t,
        "noise": torch.randn(1, 4, size, size, generator=g),
    }


def test_steps_of_a_dream_are_those_of_the_library(scripts, prior):
    """Three steps from a lattice of large numbers: gradient, loss, opacity, the lattice; against autograd and Adam."""
    n, size, samples, steps = 9, 6, 12, 3
    g = torch.Generator().manual_seed(5)
    r = TOY_LATENT.with_fields(size=size, samples=samples, lattice=n, steps=steps, blob_radius=0.8, entropy_weight=0.5)
    field = LatentGrid(n, blob_radius=0.8, generator=g)
    with torch.no_grad():
        field.lattice.mul_(15)
    start = field.lattice.detach().clone()
    walls = torch.randn(2, 4, generator=g)
    views = [([30.0, 20.0, 2.9, 40.0], 700), ([-100.0, -5.0, 2.6, 44.0], 300), ([170.0, 80.0, 3.1, 50.0], 20)]
    chances = [chance(g, size, samples, *view) for view in views]
    optimiser = torch.optim.Adam(field.parameters(), lr=r.latents.rate_lattice, betas=(0.9, 0.99), eps=r.descent.eps)
    words, expected = {w: i / 3 for i, w in enumerate(("front", "side", "back", "overhead", ""))}, []
    for i, c in enumerate(chances):
        cameras = orbit(*c["angles"], size=size)
        o, d = (v[0] for v in rays(cameras))
        near, far, hit = sphere_interval(o, d, 1.1)
        t = near[:, None] + (far - near)[:, None] * (torch.arange(samples) + c["jitter"]) / samples
        delta = ((far - near) / samples)[:, None]
        seen = render_samples(Matte(field.features), None, o, d, t, delta, hit=hit)
        z = composite(seen.rgb, seen.opacity, torch.lerp(*walls, c["wall"])).t().reshape(1, 4, size, size)
        a = prior.alpha_bar[c["t"]]
        x = a.sqrt() * z.detach() + (1 - a).sqrt() * c["noise"]
        text, none = ((3 * x + words[word] + c["t"]).sin() for word in (cameras.words[0], ""))
        arrow = guide(text, none, r.score.guidance) - c["noise"]
        slope = weighted(arrow, a[None])
        view = View(z, seen, cameras, "albedo")
        loss = injected(z, slope) + regulariser(r.regular, prior, view, z, i / steps)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        gradient = field.lattice.grad.permute(1, 2, 3, 0).reshape(-1).numpy().copy()
        expected.append((gradient, (slope * arrow).mean().item(), seen.opacity.mean().item(), cameras.words[0]))
    given = [{k: v.flatten().tolist() if isinstance(v, torch.Tensor) else v for k, v in c.items()} for c in chances]
    recipe = page_parts.manifest(prior, r)["recipe"]
    lattice = start.permute(1, 2, 3, 0).flatten().tolist()
    records, final = scripts.evaluate(STEP, [lattice, recipe, prior.alpha_bar.tolist(), walls.tolist(), given])
    for record, (gradient, value, opacity, word) in zip(records, expected):
        assert np.abs(np.array(record["gradient"]) - gradient).max() < 1e-4 * np.abs(gradient).max()
        assert record["loss"] == pytest.approx(value, rel=1e-4) and record["word"] == word
        assert record["opacity"] == pytest.approx(opacity, rel=1e-4)
    moved = field.lattice.detach().permute(1, 2, 3, 0).flatten().numpy()
    gap, way = np.abs(np.array(final) - moved), np.abs(moved - np.array(lattice))
    assert gap.max() < 0.01 and gap.mean() < 1e-5 and way.max() > 0.1  # Adam makes much of slopes that are nearly 0
    assert [word for *_, word in expected] == ["front", "side", "overhead"]


def test_a_surface_is_closed_and_of_the_right_size(scripts):
    """A ball of radius 9 in a block of 24, with an island beside it that is too small to be kept."""
    vertices, faces, normals = scripts.evaluate("""() => {
      const n = 24, s = surfaceModule(), { cross } = fieldModule();
      const volume = Float32Array.from({ length: n ** 3 }, (_, i) => {
        const [x, y, z] = [i % n, Math.floor(i / n) % n, Math.floor(i / n ** 2)].map((v) => v - 11.5);
        return 9 - Math.hypot(x, y, z);
      });
      volume[22 + n * (22 + n * 22)] = 5;
      const found = s.surface(s.tidy(volume, n, 0), n, 0);
      return [found.vertices, found.faces, s.normals(found, cross)];
    }""")
    ball = trimesh.Trimesh(vertices, faces, process=False)
    assert ball.is_watertight and ball.is_winding_consistent and ball.body_count == 1
    assert ball.volume == pytest.approx(4 / 3 * np.pi * 9**3, rel=0.02)  # positive: the triangles face outwards
    out = (np.array(vertices) - 11.5) / np.linalg.norm(np.array(vertices) - 11.5, axis=1, keepdims=True)
    assert (out * np.array(normals)).sum(1).min() > 0.98


# the widgets, beside a worker that waits to be let go ---------------------------------------------------------------

WORKER = """var dreamtext = (() => {
  const waiting = [], later = () => new Promise((done) => setTimeout(done)), flat = () => new Float32Array(3 * 64 * 64);
  let left = 0, step = 0;
  const doors = {
    begin({ prompt, steps }) {
      if (prompt === "too long") throw new Error("it is too long");
      return Array.from({ length: (left = steps) }, (_, i) => 10 * (steps - i));
    },
    draw() {
      if (!left) throw new Error("no step is left");
      return { t: 10 * left--, x: new Float32Array(1024), noise: new Float32Array(1024), picture: flat() };
    },
    sleep: () => { step = 0; },
    dream: () => ({ step: ++step, loss: 1, opacity: 0.5, t: 500, word: "front" }),
    view: ({ angles }) => ((dreamtext.seen = angles), flat()),
    mesh() {
      if (step < 2) throw new Error("The dream is empty");
      return new Blob(["x".repeat(1000 * step)]);
    },
  };
  return {
    load: async () => {},
    model: () => ({ palette: Array(5).fill([0, 0, 0]) }),
    ask: (door, value) => new Promise((done, fail) => waiting.push(() => {
      try { done(doors[door](value)); } catch (error) { fail(error); }
    })),
    async answer(count) {
      for (let k = 0; k < count; k++) {
        for (let tries = 0; !waiting.length && tries < 50; tries++) await later();
        waiting.shift()?.();
        await later();
      }
    },
  };
})();"""


@pytest.fixture
def widgets(page):  # noqa: F811
    """Both widgets; the worker gives its next `count` answers by `dreamtext.answer(count)`."""
    text = (ROOT / "book" / "page_dream.md").read_text(encoding="utf-8")
    page.set_content(
        "<!doctype html><title>widgets</title>" + "".join(re.findall(r"<section.*?</section>", text, re.S))
    )
    page.add_style_tag(path=ROOT / "book" / "_static" / "dream" / "dream.css")  # a finger's sideways way is the thing's
    page.add_script_tag(content=WORKER)
    for name in ("widget", "draw_widget", "dream_widget"):
        page.add_script_tag(path=ROOT / "book" / "_static" / "dream" / f"{name}.js")
    page.set_default_timeout(10_000)
    yield page
    assert not page.troubles


def answer(page, count):  # noqa: F811
    page.evaluate("(count) => dreamtext.answer(count)", count)


@pytest.mark.parametrize("stopped_at", [1, 3])
def test_a_drawing_that_was_stopped_in_a_step_goes_on_to_its_end(widgets, stopped_at):
    draw = widgets.locator("#draw")
    draw.locator("[name=steps]").fill("4")
    draw.locator("button[type=submit]").click()
    answer(widgets, 1 + stopped_at)
    draw.locator("[name=stop]").click()  # while the next step is made
    draw.locator("[name=stop]").click()  # now: Go on
    answer(widgets, 4 - stopped_at)
    said(widgets, "draw", "4 steps")
    assert draw.locator("output").inner_text() == "4 of 4" and draw.locator(".time").inner_text() == "10"


def test_a_step_that_a_stop_did_not_wait_for_is_kept(widgets):
    draw = widgets.locator("#draw")
    draw.locator("[name=steps]").fill("2")
    draw.locator("button[type=submit]").click()
    answer(widgets, 2)
    draw.locator("[name=stop]").click()
    answer(widgets, 1)
    assert draw.locator("[name=stop]").is_disabled() and draw.locator("input[type=range]").get_attribute("max") == "1"


def test_one_step_after_the_end_or_with_other_words_begins_anew(widgets):
    draw = widgets.locator("#draw")
    draw.locator("[name=steps]").fill("2")
    draw.locator("button[type=submit]").click()
    answer(widgets, 3)
    said(widgets, "draw", "2 steps")
    for words, place in (("a purple teddy", "1 of 2"), ("a mug", "1 of 2"), ("a mug", "2 of 2")):
        draw.locator("[name=prompt]").fill(words)
        draw.locator("[name=step]").click()
        answer(widgets, 2)
        widgets.wait_for_function("(text) => document.querySelector('#draw output').textContent === text", arg=place)
    assert "for “a mug”" in draw.locator("canvas").nth(2).get_attribute("aria-label")


@pytest.mark.parametrize("widget", ["draw", "dream"])
def test_a_stop_before_the_first_step_is_a_stop(widgets, widget):
    """Also where it comes while the worker reads the words: the page rests, and says so, and Go on goes on."""
    box = widgets.locator(f"#{widget}")
    box.locator("[name=steps]").fill("12")
    box.locator("button[type=submit]").click()
    answer(widgets, 4)
    box.locator("button[type=submit]").click()
    box.locator("[name=stop]").click()
    answer(widgets, 6)
    said(widgets, widget, "Stopped after 0 of 12 steps")
    assert box.locator("[name=stop]").inner_text() == "Go on" and box.locator("[name=step]").is_enabled()
    box.locator("[name=stop]").click()
    answer(widgets, 20)
    said(widgets, widget, "12 steps")
    assert box.locator("[name=stop]").is_disabled()


def test_looking_back_stops_a_drawing_and_says_so(widgets):
    draw = widgets.locator("#draw")
    draw.locator("[name=steps]").fill("6")
    draw.locator("button[type=submit]").click()
    answer(widgets, 4)
    draw.locator("input[type=range]").focus()
    widgets.keyboard.press("Home")
    said(widgets, "draw", "Stopped after 3 of 6 steps")
    answer(widgets, 1)
    said(widgets, "draw", "Stopped after 4 of 6 steps")
    assert draw.locator("output").inner_text() == "1 of 6"
    draw.locator("[name=replay]").click()
    said(widgets, "draw", "4 of 6 steps.")
    draw.locator("[name=stop]").click()
    answer(widgets, 2)
    said(widgets, "draw", "”: 6 steps")


def test_a_mesh_has_the_name_of_its_own_dream(widgets):
    dream = widgets.locator("#dream")
    dream.locator("[name=steps]").fill("10")
    dream.locator("button[type=submit]").click()
    answer(widgets, 20)
    said(widgets, "dream", "is dreamed: 10 steps")
    dream.locator("[name=home]").click()
    dream.locator("[name=prompt]").fill("a red castle")
    dream.locator("button[type=submit]").click()
    with widgets.expect_download() as download:
        answer(widgets, 1)
    assert download.value.suggested_filename == "a-purple-teddy.glb"
    answer(widgets, 20)
    said(widgets, "dream", "“a red castle” is dreamed")


@pytest.mark.parametrize("kind", ["mouse", "finger"])
def test_a_drag_turns_the_thing_as_far_as_the_pointer_goes(widgets, kind):
    dream = widgets.locator("#dream")
    dream.locator("[name=step]").click()
    answer(widgets, 4)
    stage = dream.locator("canvas.stage")
    stage.scroll_into_view_if_needed()
    box = stage.bounding_box()
    x, y = box["x"] + 5, box["y"] + 5
    if kind == "mouse":
        widgets.mouse.move(x, y)
        widgets.mouse.down()
        widgets.mouse.move(x + 50, y, steps=5)
        widgets.mouse.up()
        widgets.mouse.move(x + 90, y)  # a hand that does not hold it turns nothing
    else:
        hand = widgets.context.new_cdp_session(widgets)
        for name, points in (("Start", [0]), ("Move", [10]), ("Move", [30]), ("Move", [50]), ("End", [])):
            touches = [{"x": x + right, "y": y} for right in points]
            hand.send("Input.dispatchTouchEvent", {"type": f"touch{name}", "touchPoints": touches})
            widgets.wait_for_timeout(50)  # some frames between two places, as with a finger
    answer(widgets, 6)
    azimuth, elevation = widgets.evaluate("dreamtext.seen")
    assert azimuth == pytest.approx(20 - 50 * 0.6, abs=0.7) and elevation == 15


def test_words_of_spaces_alone_are_no_words(widgets):
    for widget in ("draw", "dream"):
        field = widgets.locator(f"#{widget} [name=prompt]")
        for words, fine in (("  ", False), (" a mug ", True), ("", False), ("🧸", True)):
            field.fill(words)
            assert field.evaluate("field => field.checkValidity()") is fine, words


def test_one_step_after_a_text_that_was_refused_begins_a_drawing(widgets):
    draw = widgets.locator("#draw")
    draw.locator("[name=steps]").fill("3")
    draw.locator("[name=step]").click()
    answer(widgets, 2)
    for text in ("too long", "a mug"):
        draw.locator("[name=prompt]").fill(text)
        draw.locator("button[type=submit]" if text == "too long" else "[name=step]").click()
        answer(widgets, 1)
    answer(widgets, 1)
    assert draw.locator("output").inner_text() == "1 of 3" and draw.locator(".time").inner_text() == "30"
    assert "for “a mug”" in draw.locator("canvas").nth(2).get_attribute("aria-label")


def test_a_new_dream_does_not_count_a_step_of_the_last_one(widgets):
    dream = widgets.locator("#dream")
    dream.locator("[name=steps]").fill("10")
    dream.locator("button[type=submit]").click()
    answer(widgets, 5)  # asleep, its first picture, and three steps
    dream.locator("button[type=submit]").click()  # while the fourth is made
    answer(widgets, 1 + 2 + 10 + 2)  # that one, asleep again, ten steps, pictures after the eighth and the last one
    said(widgets, "dream", "is dreamed: 10 steps")
    assert "Step 10 of 10" in dream.locator(".now").inner_text()


def test_a_dream_that_cannot_be_taken_home_says_why(widgets):
    dream = widgets.locator("#dream")
    dream.locator("[name=step]").click()
    answer(widgets, 4)  # asleep, its first picture, a step, its picture
    dream.locator("[name=home]").click()
    answer(widgets, 1)
    said(widgets, "dream", "The dream is empty")


# what travels -------------------------------------------------------------------------------------------------------


def test_graphs_travel_in_half_precision_and_answer_as_torch_does(prior):
    decoder = page_parts.parts(prior)[1]
    whole, half = page_parts.export(decoder), page_parts.packed(decoder)
    assert len(half) < 0.6 * len(whole)
    broken = decoder._replace(module=torch.nn.Sequential(decoder.module, torch.nn.Tanh()))
    with pytest.raises(ValueError, match="the exported decoder is off"):
        page_parts.compare(page_parts.Graph(half), broken)


# the page itself ----------------------------------------------------------------------------------------------------


def test_nothing_is_loaded_before_it_is_asked_for(page, book):  # noqa: F811
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((book / "book" / "page_dream.html").as_uri())
    page.wait_for_timeout(1000)
    assert any(name.endswith("dream/load.js") for name in asked) and not [n for n in asked if "/models/" in n]
    other = (book / "book" / "gallery.html").read_text(encoding="utf-8")
    assert "dream/load.js" not in other and not page.troubles
    assert not (book / "_static" / "vendor" / "onnxruntime").exists()


def test_a_book_without_the_models_says_so(ours, book):
    models = book / "_static" / "dream" / "models"
    models.rename(models.with_name("away"))
    try:
        ours.click("#draw button[type=submit]")
        said(ours, "draw", "did not arrive")
    finally:
        models.with_name("away").rename(models)
    assert all("ERR_FILE_NOT_FOUND" in trouble for trouble in ours.troubles)


def test_a_picture_is_drawn_as_python_draws_it(ours, prior):
    """Each step is shown; the last is Python's to 1/255; the slider and One step work; a long text is refused."""
    draw = ours.locator("#draw")
    draw.locator("[name=g]").fill("4")
    assert draw.locator("[name=s]").input_value() == "3"
    draw.locator("[name=steps]").fill("8")
    draw.locator("[name=prompt]").fill("a red castle")
    draw.locator("[name=step]").click()
    said(ours, "draw", "1 of 8 steps")
    first = pixels(ours, "#draw canvas >> nth=2")
    draw.locator("[name=stop]").click()  # now: Go on
    said(ours, "draw", "”: 8 steps")
    states = prior.encode_text(["a red castle", ""])
    x = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(7))

    def eps(x, t):
        return guide(*prior.eps(x.repeat(2, 1, 1, 1), t.repeat(2), states).split(1), 3.0)

    with torch.no_grad():
        *_, z = ddim(eps, prior.schedule, x, even_times(1000, 8))
    expected = prior.decode(z)[0].permute(1, 2, 0).numpy() * 255
    last = pixels(ours, "#draw canvas >> nth=2")
    assert np.abs(last - expected).max() <= 1 and np.abs(last - first).mean() > 5
    draw.locator("input[type=range]").focus()
    ours.keyboard.press("Home")
    assert np.array_equal(pixels(ours, "#draw canvas >> nth=2"), first)
    assert draw.locator("output").inner_text() == "1 of 8"
    draw.locator("[name=prompt]").fill("red " * 24)
    draw.locator("button[type=submit]").click()
    said(ours, "draw", "26 tokens long and the model takes 24")
    assert not ours.troubles


def pixels(page, selector):  # noqa: F811
    """A canvas's colours, (H, W, 3) in 0..255."""
    run = """(canvas) => {
      const { width, height } = canvas;
      return [height, width, [...canvas.getContext("2d").getImageData(0, 0, width, height).data]];
    }"""
    height, width, data = page.locator(selector).evaluate(run)
    return np.array(data, float).reshape(height, width, 4)[..., :3]


def views_of(page, cameras):  # noqa: F811
    """The dream as the page decodes it, (N, 64, 64, 3) in 0..1."""
    run = "(angles) => dreamtext.ask('view', { angles }).then((planes) => [...planes])"
    angles = torch.stack([cameras.azimuth, cameras.elevation], 1).tolist()
    return torch.tensor([page.evaluate(run, a) for a in angles]).view(-1, 3, 64, 64).permute(0, 2, 3, 1)


def test_a_thing_is_dreamed_turned_and_taken_home(ours):
    dream = ours.locator("#dream")
    dream.locator("[name=steps]").fill("150")
    dream.locator("[name=turn]").set_checked(False)
    dream.locator("button[type=submit]").click()
    said(ours, "dream", "is dreamed: 150 steps")
    before = pixels(ours, "#dream canvas.stage")
    dream.locator("canvas.stage").focus()
    for _ in range(6):
        ours.keyboard.press("ArrowLeft")
    ours.wait_for_function("dreamtext.ask('view', { angles: [0, 0] }).then(() => true)")  # all before it is answered
    assert np.abs(pixels(ours, "#dream canvas.stage") - before).mean() > 0.5
    scores = score_views(load_judge(), views_of(ours, turntable(8)), turntable(8), "teddy", "purple")
    assert scores.class_share > 0.5 and scores.colour_share > 0.5, scores
    with ours.expect_download() as download:
        dream.locator("[name=home]").click()
    assert download.value.suggested_filename == "a-purple-teddy.glb"
    raw = download.value.path().read_bytes()
    mesh = trimesh.load(download.value.path(), file_type="glb", force="mesh")
    assert mesh.is_winding_consistent and mesh.volume > 0.1 and len(mesh.faces) > 1000
    length = int.from_bytes(raw[12:16], "little")
    at = json.loads(raw[20 : 20 + length])["bufferViews"][3]  # linear colours, the fourth of them opacity
    light = np.frombuffer(raw, "<u2", at["byteLength"] // 2, 28 + length + at["byteOffset"]).reshape(-1, 4)
    red, green, blue, _ = light.mean(0)
    assert green < 0.7 * min(red, blue)  # purple
    assert not ours.troubles
