"""The toybox: shapes, pictures, captions and data sets are what they say."""

from itertools import product

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree

from dreamtext_lib.radiance.cameras import orbit, rays, sample_cameras, turntable, view_word
from dreamtext_lib.toybox import shapes
from dreamtext_lib.toybox.classes import ACCENTS, CLASSES, FORMS
from dreamtext_lib.toybox.colours import (
    COLOUR_NAMES,
    COLOURS,
    MARGIN,
    TERMS,
    any_colours,
    colour_called,
    colour_word,
    difference,
    name_colours,
    oklab,
)
from dreamtext_lib.toybox.dataset import batches, gather, read, write
from dreamtext_lib.toybox.inputs import DEVELOPMENT, NAMES, inputs
from dreamtext_lib.toybox.objects import (
    BOUND,
    CLASS_NAMES,
    PATTERNS,
    SHAPE_NAMES,
    TALL,
    WIDE,
    ToyObject,
    caption,
    random_caption,
    random_object,
    vocabulary,
)
from dreamtext_lib.toybox.render import render, studio

SPOKEN = (COLOUR_NAMES, PATTERNS, SHAPE_NAMES)
FRONT = orbit(0.0, 10.0)


def points(count: int = 20_000, seed: int = 0) -> torch.Tensor:
    return (torch.rand(count, 3, generator=torch.Generator().manual_seed(seed)) * 2 - 1) * 1.2


@pytest.mark.parametrize(
    ("name", "arguments", "inside", "outside", "gap"),
    [
        ("sphere", ((0, 0, 0), 0.5), (0.1, 0, 0), (0.9, 0, 0), 0.4),
        ("box", ((0, 0, 0), (0.3, 0.4, 0.5), 0.0), (0.2, 0.3, 0.4), (0.3, 0.4, 0.8), 0.3),
        ("cylinder", ((0, 0, 0), 0.3, 0.5), (0.1, 0.1, 0.4), (0.7, 0, 0), 0.4),
        ("capsule", ((0, 0, -0.5), (0, 0, 0.5), 0.2), (0, 0.1, 0.4), (0, 0, 1.0), 0.3),
        ("torus", ((0, 0, 0), 0.5, 0.1), (0.5, 0, 0.05), (0, 0, 0), 0.4),
        ("ellipsoid", ((0, 0, 0), (0.5, 0.5, 0.5)), (0.1, 0, 0), (0.9, 0, 0), 0.4),
        ("cone", ((0, 0, 0), 0.4, 0.4, 0.5), (0.1, 0, 0.2), (0.8, 0, 0), 0.4),
    ],
)
def test_shape_distances(name, arguments, inside, outside, gap):
    def at(p):
        return getattr(shapes, name)(tuple(torch.tensor([float(v)]) for v in p), *arguments).item()

    assert at(inside) < 0
    assert at(outside) == pytest.approx(gap, abs=1e-5)


@pytest.mark.parametrize("name", CLASS_NAMES)
def test_every_form_of_a_class_lies_in_the_bound_and_never_oversteps(name):
    rng = np.random.default_rng(0)
    ends = [ToyObject(name, scale=s, form=f) for s in SHAPE_NAMES for f in product((0, 1), repeat=len(FORMS[name]))]
    for i, thing in enumerate([*(ToyObject(name, scale=s) for s in SHAPE_NAMES), *ends, random_object(rng, name)]):
        p = points()
        d = thing.distance(p)
        assert (p[d < 0].norm(dim=-1) < BOUND).all()
        assert 0.005 < (d < 0).float().mean() < 0.5
        if i % 4:
            continue
        # a distance may be too short, never longer than the way to the nearest point of the surface
        surface = thing.mesh(48).sample(20_000, seed=0)
        far = cKDTree(surface).query(p[:2000].numpy())[0]
        assert (d[:2000].abs().numpy() <= far + 0.06).all()


def test_fourteen_classes_with_a_front_unlike_the_back():
    assert len(CLASSES) == 14
    for name in CLASS_NAMES:
        thing = ToyObject(name, "green")
        cameras = orbit([0.0, 180.0], 10.0)
        front, back = render([thing, thing], cameras, 64, studio(cameras)).rgb
        assert (front - back.flip(1)).abs().amax(-1).gt(0.15).float().mean() > 0.005, name


def test_picture_agrees_with_the_exact_shape():
    thing = ToyObject("cactus", "blue", "spotted", scale="wide")
    cameras = turntable(3)
    picture = render([thing] * 3, cameras, 40)
    o, d = rays(cameras.sized(40))
    hit = (picture.alpha == 1).reshape(3, -1)
    surface = o + picture.depth.reshape(3, -1, 1) * d
    assert thing.distance(surface[hit]).abs().max() < 0.01
    # brute force: a ray hits if any of 250 points on it lies inside
    t = torch.linspace(1.6, 4.1, 250)
    inside = thing.occupancy(o[:, :, None] + t[:, None] * d[:, :, None]).any(-1)
    assert (inside <= hit).float().mean() > 0.999 and (inside == hit).float().mean() > 0.99
    assert torch.equal(picture.depth.isfinite(), picture.alpha > 0)
    n = picture.normal[picture.alpha == 1]
    torch.testing.assert_close(n.norm(dim=-1), torch.ones(len(n)))
    assert ((n * d[hit]).sum(-1) < 0.2).float().mean() > 0.99  # surfaces face the camera


def test_picture_of_any_size_and_silhouettes_smooth():
    small, large = (render([ToyObject("donut")], FRONT, s).alpha[0] for s in (48, 256))
    assert small.shape == (48, 48) and large.shape == (256, 256)
    assert small.mean() == pytest.approx(large.mean().item(), abs=0.04)  # half a pixel wider
    assert ((large > 0.02) & (large < 0.98)).any()


def test_stripes_and_colours_show():
    plain, striped = (render([ToyObject("mug", "red", p)], FRONT, 64).rgb[0] for p in ("plain", "striped"))
    assert (plain - striped).abs().amax(-1).gt(0.3).float().mean() > 0.03
    red, blue = (render([ToyObject("mug", c)], FRONT, 64).rgb[0, 32, 20] for c in ("red", "blue"))
    assert red[0] > red[2] and blue[2] > blue[0]


def test_every_number_of_an_object_shows_and_moves_nothing_else():
    cameras = turntable(4)

    def seen(**changes):
        thing = ToyObject("castle", **({"pattern": "striped"} | changes))
        return render([thing] * 4, cameras, 48).rgb, render([thing] * 4, cameras, 48).alpha

    rgb, alpha = seen()
    for changes in (
        {"colour": (0.1, 0.5, 0.5)},
        {"second": (0.1, 0.2, 0.9)},
        {"accent": (0.9, 0.5, 0.7)},
        {"grain": 0.13},
    ):
        other, outline = seen(**changes)
        assert (rgb - other).abs().amax(-1).gt(0.1).float().mean() > 0.02, changes
        assert torch.equal(outline, alpha), changes
    for i, number in enumerate(FORMS["castle"]):
        form = [0.5] * 3
        form[i] = 1.0
        assert (seen(form=tuple(form))[1] - alpha).abs().mean() > 0.002, number


@pytest.mark.parametrize("name", CLASS_NAMES)
def test_every_number_of_a_form_changes_the_shape(name):
    p = points()
    drawn = ToyObject(name).distance(p)
    for i, number in enumerate(FORMS[name]):
        form = [0.5] * len(FORMS[name])
        form[i] = 0.0
        gap = (ToyObject(name, form=tuple(form)).distance(p) - drawn).abs().max()
        assert gap > 0.04, f"{number} of a {name} moves nothing"
    assert len(FORMS[name]) >= 2 and name in ACCENTS


def test_forms_of_a_batch_are_each_its_own():
    """Objects of one class that differ in all their numbers look in a batch as they do alone."""
    rng = np.random.default_rng(4)
    things, cameras = [random_object(rng, "teddy") for _ in range(5)], turntable(5)
    together = render(things, cameras, 32).rgb
    for i, thing in enumerate(things):
        alone = render([thing], cameras[i], 32).rgb[0]
        torch.testing.assert_close(together[i], alone, atol=1e-4, rtol=0)


def test_words_are_derived_from_numbers():
    pink = ToyObject("mug", (0.95, 0.62, 0.72), "striped", scale=(0.7, 0.7, 1.0), second=(0.94, 0.6, 0.7))
    assert pink.words == ("mug", "pink", "plain", "tall")  # stripes in the same pink cannot be seen
    for ratio, word in ((TALL * 1.01, "tall"), (TALL / 1.01, ""), (WIDE * 1.01, ""), (WIDE / 1.01, "wide")):
        thing = ToyObject("fish", scale=(1 / ratio**0.5, 1 / ratio**0.5, ratio**0.5))
        assert thing.words.shape == word and not thing.clear.shape
    assert ToyObject("mug", form=(1.0, 0.5, 0.5)).height > 1.2 > ToyObject("mug").height  # a high mug is a tall one
    for name in COLOUR_NAMES:
        assert ToyObject("bird", name).words.colour == name and ToyObject("bird", name).clear.colour
    rng = np.random.default_rng(2)
    for _ in range(50):
        thing = random_object(rng)
        stored = np.array(thing.numbers, dtype=np.float32).tolist()
        again = ToyObject.of_numbers(thing.name, stored)
        assert again.words == thing.words and again.numbers == pytest.approx(thing.numbers, abs=1e-4)


def test_colours_are_named_by_the_nearest_term():
    white, black, red = oklab(torch.tensor([[1.0, 1, 1], [0, 0, 0], [1, 0, 0]], dtype=torch.float64))
    torch.testing.assert_close(white, torch.tensor([1.0, 0, 0], dtype=torch.float64), atol=1e-4, rtol=0)
    torch.testing.assert_close(black, torch.zeros(3, dtype=torch.float64), atol=1e-6, rtol=0)
    # published value of sRGB red
    torch.testing.assert_close(red, torch.tensor([0.6280, 0.2249, 0.1258], dtype=torch.float64), atol=2e-4, rtol=0)
    said = {"teal": (0.0, 0.5, 0.5), "navy": (0.0, 0.0, 0.5), "lime": (0.6, 0.9, 0.2), "maroon": (0.5, 0.0, 0.05),
            "rose": (1.0, 0.7, 0.8), "chocolate": (0.35, 0.2, 0.1), "violet": (0.55, 0.3, 0.8)}  # fmt: skip
    means = {"teal": ("green", "blue"), "navy": "blue", "lime": "green", "maroon": "red", "rose": "pink",
             "chocolate": "brown", "violet": "purple"}  # fmt: skip
    for name, rgb in said.items():
        assert colour_word(rgb) in means[name], name
    _, margin = name_colours(torch.tensor([COLOURS[n] for n in COLOUR_NAMES]))
    assert (margin > MARGIN).all() and len(TERMS) == 11
    index, _ = name_colours(torch.tensor((0.3, 0.6, 0.2)))
    brute = min(TERMS, key=lambda n: min(difference((0.3, 0.6, 0.2), e) for e in TERMS[n]))
    assert COLOUR_NAMES[int(index)] == brute


def test_random_colours_reach_everything_and_every_word_alike():
    rng = np.random.default_rng(3)
    drawn = any_colours(4000, rng)
    assert drawn.min() >= 0.04 and drawn.max() <= 0.97
    cells = {tuple(c) for c in (drawn * 3.999).astype(int).tolist()}
    assert len(cells) >= 60  # of 64 cells of the cube
    assert all(colour_word(colour_called(n, rng)) == n for n in COLOUR_NAMES)
    words = [random_object(rng, "fish").words for _ in range(440)]
    counts = [sum(w.colour == n for w in words) for n in COLOUR_NAMES]
    assert min(counts) > 20 and max(counts) < 70
    assert 0.4 < np.mean([w.pattern == "plain" for w in words]) < 0.6


def test_the_twenty_input_images():
    things = inputs()
    assert [i.thing.name for i in things] == list(NAMES) and len({i.title for i in things}) == 20
    assert sum(i.development for i in things) == 10 == len(DEVELOPMENT)
    castles = [i.thing for i in things[:5]]
    assert len({c.form for c in castles}) == 5 and len({c.colour for c in castles}) == 5
    for one, other in zip(things, inputs()):
        assert one.thing == other.thing and torch.equal(one.camera.pose, other.camera.pose)
        # no object that a word's middle means looks like it
        assert min(difference(one.thing.colour, middle) for middle in COLOURS.values()) > 0.1
        assert view_word(one.camera.azimuth.item(), one.camera.elevation.item()) == "front"
    assert things[5].picture(32).shape == (32, 32, 3)
    data = gather(batches(224, seed=0, size=8, workers=1), 224)
    known = {tuple(row) for row in data.numbers.tolist()}
    assert not known & {tuple(np.float32(i.thing.numbers).tolist()) for i in things}


def test_mesh_volume_is_the_occupied_volume():
    thing = ToyObject("teddy", scale="tall")
    mesh = thing.mesh(96)
    assert mesh.is_watertight
    share = thing.occupancy(points(400_000)).float().mean().item()
    assert mesh.volume == pytest.approx(share * 2.4**3, rel=0.03)


@pytest.mark.parametrize("field", ["name", "colour", "pattern", "scale"])
def test_unknown_words_are_named(field):
    with pytest.raises(ValueError, match="'dragon' in the toybox; choose one of"):
        ToyObject(**({"name": "mug"} | {field: "dragon"}))


def test_render_refuses_mixed_classes_and_no_size():
    with pytest.raises(ValueError, match="one class at a time"):
        render([ToyObject("mug"), ToyObject("fish")], turntable(2))
    with pytest.raises(ValueError, match="0 pixels"):
        render([ToyObject("mug")], FRONT, 0)


def test_captions():
    assert ToyObject("castle", "red", "striped", scale="tall").caption("front") == (
        "an image of a tall, red, striped castle, front view"
    )
    assert caption("fish", ("orange",), start="") == "an orange fish"
    assert caption("cherries", ("red",)) == "an image of red cherries"
    rng = np.random.default_rng(0)
    said = [random_caption(ToyObject("bird", "blue", "spotted").words, "side", rng) for _ in range(400)]
    assert all("bird" in s for s in said)
    assert 0.75 < np.mean(["blue" in s for s in said]) < 0.95
    words = set(vocabulary())
    assert {w for s in said for w in s.replace(",", "").split()} <= words


@pytest.mark.parametrize(
    ("azimuth", "elevation", "word"),
    [(0, 0, "front"), (44, 0, "front"), (-44, 20, "front"), (46, 0, "side"), (270, 0, "side"), (180, 5, "back"),
     (-136, 0, "back"), (10, 75, "overhead"), (720 + 30, 0, "front")],
)  # fmt: skip
def test_view_words(azimuth, elevation, word):
    assert view_word(azimuth, elevation) == word


def test_cameras_look_at_the_origin():
    cameras = sample_cameras(200, torch.Generator().manual_seed(0))
    pose = cameras.pose
    identity = torch.eye(3).expand(200, 3, 3)
    torch.testing.assert_close(pose[:, :, :3].transpose(1, 2) @ pose[:, :, :3], identity, atol=1e-5, rtol=0)
    torch.testing.assert_close(torch.linalg.det(pose[:, :, :3]), torch.ones(200))
    torch.testing.assert_close(pose[:, :, 3], pose[:, :, 2] * cameras.radius[:, None])
    _, d = rays(cameras.sized(2))
    torch.testing.assert_close(d.mean(1) / d.mean(1).norm(dim=-1, keepdim=True), -pose[:, :, 2], atol=1e-5, rtol=0)


def test_front_bias_is_a_setting():
    def fronts(bias):
        words = sample_cameras(2000, torch.Generator().manual_seed(1), front_share=bias, overhead_share=0).words
        return words.count("front") / 2000

    assert fronts(0.0) == pytest.approx(0.25, abs=0.04)
    assert fronts(0.8) == pytest.approx(0.85, abs=0.04)


def test_dataset_is_the_same_for_any_number_of_workers(tmp_path):
    one = gather(batches(40, seed=5, size=16, workers=1), 40)
    two = gather(batches(40, seed=5, size=16, workers=2), 40)
    assert len(one) == 40 and torch.equal(one.images, two.images) and torch.equal(one.labels, two.labels)
    write(one, tmp_path / "a.safetensors")
    write(two, tmp_path / "b.safetensors")
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    back = read(tmp_path / "a.safetensors")
    assert torch.equal(back.angles, one.angles)
    other = gather(batches(16, seed=6, size=16, workers=1), 16)
    assert not torch.equal(other.images, one.images[:16])


def test_dataset_labels_are_true():
    data = gather(batches(224, seed=9, size=32, workers=1), 224)
    assert set(data.labels[:, 0].tolist()) == set(range(14))
    for row in range(0, 224, 16):
        thing, (azimuth, elevation) = data.thing(row), data.angles[row].tolist()
        assert data.view(row) == view_word(azimuth, elevation)
        said = (
            CLASS_NAMES.index(thing.name),
            *(w.index(v) for w, v in zip(SPOKEN, thing.words[1:])),
            data.labels[row, 4],
        )
        assert data.labels[row].tolist() == [int(v) for v in said]
        assert data.clear[row].tolist() == [*thing.clear, True]
    assert data.pixels(slice(0, 4)).shape == (4, 3, 32, 32) and data.pixels(slice(0, 4)).abs().max() <= 1


def test_rendering_leaves_the_threads_as_they_were():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    gather(batches(16, seed=1, size=16, workers=1), 16)
    assert torch.get_num_threads() == 2
    torch.set_num_threads(before)
