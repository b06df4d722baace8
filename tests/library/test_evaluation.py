"""Scores against the truth, each tried on objects made to be good, empty, two-faced, shrunk, moved or blurred."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import avg_pool3d, grid_sample

from dreamtext_lib.evaluation.diversity import diversity, true_frames
from dreamtext_lib.evaluation.evaluate import asked, evaluate
from dreamtext_lib.evaluation.fronts import FrontWatch, Looks, count_fronts, front_profile, look_at, turn
from dreamtext_lib.evaluation.geometry import fit_scale, gap, silhouette_iou, spread
from dreamtext_lib.evaluation.images import sharpness
from dreamtext_lib.evaluation.truth import exact, family, turned
from dreamtext_lib.evaluation.views import constant_answer, load_judge, score_views
from dreamtext_lib.radiance.cameras import turntable
from dreamtext_lib.radiance.volume import Volume, World
from dreamtext_lib.sweep.folder import work
from dreamtext_lib.toybox.objects import BOUND, ToyObject, Words
from dreamtext_lib.toybox.prompts import words_of
from dreamtext_lib.toybox.render import render

TEDDY = ToyObject("teddy", "red")
SIDE = 56


class Voxels(nn.Module):
    """Density and premultiplied colour on a lattice of the ball, which can be spoilt."""

    def __init__(self, density, colour):
        super().__init__()
        self.held = nn.Parameter(torch.cat([density[None], colour * density], 0), requires_grad=False)  # (4, n, n, n)

    def forward(self, points, directions=None):
        at = (points.flip(-1) / BOUND)[None, :, None, None]  # grid_sample has the last axis first
        found = grid_sample(self.held[None], at, align_corners=True)[0, :, :, 0, 0]  # (4, N)
        return found[0], (found[1:] / found[0].clamp(min=1e-6)).T.clamp(0, 1)

    def density(self, points):
        return self(points)[0]


def voxels(thing):
    """Density (n, n, n) and colour (3, n, n, n) of a toy."""
    axis = torch.linspace(-BOUND, BOUND, SIDE)
    points = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
    colour = exact(thing).field(points)[1]
    density = 200 * (-thing.distance(points) / 0.06).clamp(0, 1)  # its skin is inside, for voxels are coarse
    return density.view((SIDE,) * 3), colour.T.reshape(3, *(SIDE,) * 3)


def volume(density, colour):
    return Volume(Voxels(density, colour), radius=BOUND)


@pytest.fixture(scope="module")
def judge():
    return load_judge()


@pytest.fixture(scope="module")
def good(judge):
    return evaluate(exact(TEDDY), TEDDY, judge)


# prompts and families -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("a tall red striped castle", Words("castle", "red", "striped", "tall")),
        ("An image of a wide, green mug, side view", Words("mug", "green", "", "wide")),
        ("plain orange cherries", Words("cherries", "orange", "plain", "")),
        ("a photo of an orange fish.", Words("fish", "orange", "", "")),
    ],
)
def test_a_prompt_says_what_it_says(prompt, words):
    assert words_of(prompt) == words


@pytest.mark.parametrize(
    "prompt", ["", "a", "red", "a red blue mug", "a red castle on a hill", "a teal mug", "mug mug"]
)
def test_other_prompts_are_none_of_the_toybox(prompt):
    assert words_of(prompt) is None
    with pytest.raises(ValueError, match="no prompt of the toybox"):
        asked(prompt)


def test_captions_are_understood():
    thing = family(Words("statue", "", "", ""))[3]
    _, colour, pattern, shape = thing.words
    assert words_of(thing.caption("front")) == Words("statue", colour, "" if pattern == "plain" else pattern, shape)


def test_a_family_is_described_by_its_words_and_always_the_same():
    words = Words("mug", "purple", "spotted", "tall")
    members = family(words)
    assert len(set(members)) == 12 and {thing.words for thing in members} == {words}
    family.cache_clear()
    assert family(words) == members
    painted = family(Words("mug", "green", "", "tall"))
    assert [(t.scale, t.form) for t in painted] == [(t.scale, t.form) for t in members], "paint moves no shape"
    assert len({t.words.colour for t in family(Words("mug", "", "", ""))}) > 3


# the truth as a volume ----------------------------------------------------------------------------------------------


def test_the_truth_looks_as_the_toybox_renders_it():
    cameras = turntable(2)
    seen = look_at(exact(TEDDY), cameras, 64)
    true = render([TEDDY] * 2, cameras, 64)
    assert (seen.frames - true.rgb).abs().mean() < 0.01
    assert silhouette_iou(seen.opacity, true.alpha) > 0.995
    mesh, drawn = exact(TEDDY).mesh(64), TEDDY.mesh(64)
    np.testing.assert_allclose(mesh.extents, drawn.extents, atol=0.02)


def test_two_faces_look_the_same_after_half_a_turn():
    two = look_at(exact(TEDDY, turns=(0, 180)), turntable(4), 32).frames
    one = look_at(exact(TEDDY), turntable(4), 32).frames
    assert (two - two.roll(2, 0)).abs().mean() < 0.01 < 0.02 < (one - one.roll(2, 0)).abs().mean()
    x = torch.tensor([[1.0, 0.0, 2.0]])
    torch.testing.assert_close(turned(x, 90), torch.tensor([[0.0, 1.0, 2.0]]))


# single measures ----------------------------------------------------------------------------------------------------


def test_a_fit_finds_the_scale_and_the_shift():
    rng = np.random.default_rng(0)
    b = rng.normal(size=(2000, 3)) * (1.0, 0.5, 0.2)
    b /= np.linalg.norm(b / (1.0, 0.5, 0.2), axis=1, keepdims=True)
    a = (b - (0.1, -0.2, 0.05)) / 1.4
    found = fit_scale(a, b)
    assert found.scale == pytest.approx(1.4, abs=0.01) and found.gap < 0.002 < 0.1 < gap(a, b)
    np.testing.assert_allclose(found.shift, (0.1, -0.2, 0.05), atol=0.01)
    assert fit_scale(b, b).gap == 0 and fit_scale(b, b).scale == 1
    assert spread(2 * b + 7) == pytest.approx(2 * spread(b))


def test_chamfer_of_two_spheres_is_the_gap_of_their_radii():
    sphere = np.random.default_rng(0).normal(size=(4000, 3))
    sphere /= np.linalg.norm(sphere, axis=1, keepdims=True)
    assert gap(sphere, 1.3 * sphere) == pytest.approx(0.3, abs=0.02)


def test_silhouettes():
    a, b = torch.zeros(2, 8, 8), torch.zeros(2, 8, 8)
    a[:, :4], b[:, 2:6] = 0.9, 0.7
    assert silhouette_iou(a, b) == pytest.approx(16 / 48) and silhouette_iou(a, a) == 1
    assert silhouette_iou(0.5 * a, a) == 0 and silhouette_iou(torch.zeros(1, 8, 8), torch.zeros(1, 8, 8)) == 1


def test_sharpness_is_0_for_a_slope_less_for_blur_and_most_for_noise():
    ramp = torch.linspace(0, 1, 64)[None, None, :, None].expand(1, 64, 64, 3)
    noise = torch.rand(1, 64, 64, 3, generator=torch.Generator().manual_seed(0))
    edge = torch.zeros(1, 64, 64, 3)
    edge[:, :, 31:] = 1
    assert sharpness(ramp) == pytest.approx(0, abs=0.05) and sharpness(torch.ones(1, 8, 8, 3)) == 0
    assert sharpness(noise) == pytest.approx(15 / 16, abs=0.02)
    assert sharpness(edge) == pytest.approx(0.75) == sharpness(0.1 * edge), "h^2 L against twice (h/2)^2 L/2"


def test_arcs_are_counted_around_the_circle():
    def of(*degrees, width=40.0):
        azimuth = torch.arange(24) * 15.0
        off = torch.stack([((azimuth - d + 180) % 360 - 180).abs() for d in degrees]).amin(0)
        return (1 - off / (2 * width)).clamp(min=0)

    assert [count_fronts(of(*d)) for d in ((0,), (345,), (0, 180), (90, 270), (0, 120, 240))] == [1, 1, 2, 2, 3]
    assert count_fronts(torch.zeros(24)) == 0 == count_fronts(torch.full((24,), math.nan))
    assert count_fronts(0.3 * of(0, 180)) == 2 and count_fronts(0.3 * of(0, 180), least=0.6) == 0


def test_beside_each_share_stands_that_of_a_constant_answer(judge):
    cameras = turntable(24)
    assert constant_answer(cameras, "red", "striped") == (1 / 14, 0.5, 1 / 11, 1 / 3)
    assert constant_answer(turntable(1)) == (1 / 14, 1.0, None, None)
    striped = ToyObject("mug", "green", "striped")
    frames = look_at(exact(striped), turntable(6)).frames
    scores = score_views(judge, frames, turntable(6), "mug", "green", pattern="striped")
    assert scores.pattern_share > 0.6 and scores.constant.pattern == 1 / 3
    assert score_views(judge, frames, turntable(6), "mug", "green", pattern="plain").pattern_share < 0.4
    with pytest.raises(ValueError, match="knows no checked mug"):
        score_views(judge, frames, turntable(6), "mug", pattern="checked")


def test_diversity_is_that_of_what_is_seen(judge):
    members = true_frames(Words("mug", "", "", ""), turntable(2), 3)
    same = members[:1].expand(3, -1, -1, -1, -1)
    assert members.shape == (3, 2, 64, 64, 3)
    assert diversity(judge, same) == pytest.approx(0, abs=1e-5) and diversity(judge, members) > 0.05
    x = judge.images(members[:, 0].permute(0, 3, 1, 2) * 2 - 1)
    pairs = [1 - float(x[i] @ x[j]) for i, j in ((0, 1), (0, 2), (1, 2))]
    assert diversity(judge, members[:, :1]) == pytest.approx(np.mean(pairs), abs=1e-5)
    with pytest.raises(ValueError, match="two results"):
        diversity(judge, same[:1])


# a whole row --------------------------------------------------------------------------------------------------------


def test_the_truth_scores_best(good):
    assert good.class_share == 1 and good.colour_share == 1 and good.view_share > 0.8
    assert (good.fronts, good.empty, good.iou, good.sharpness) == (1, False, 1.0, pytest.approx(1))
    assert good.size == pytest.approx(1, abs=0.02) and good.opacity == pytest.approx(good.opacity_true, abs=0.01)
    assert good.chamfer_fitted <= good.chamfer < 0.02


def test_what_is_spoilt_scores_worse(judge, good):
    density, colour = voxels(TEDDY)
    copy = evaluate(volume(density, colour), TEDDY, judge)
    assert copy.class_share > 0.9 and copy.iou > 0.9 and copy.chamfer < 0.03 and copy.fronts == 1

    soft = [avg_pool3d(v[None], 9, 1, 4)[0] for v in (density[None], density * colour)]
    blurred = evaluate(volume(0.1 * soft[0][0], (soft[1] / soft[0].clamp(min=1e-6))), TEDDY, judge)
    assert blurred.sharpness < 0.8 * copy.sharpness

    nothing = evaluate(volume(0 * density, colour), TEDDY, judge)
    assert nothing.empty and (nothing.fronts, nothing.iou, nothing.class_share) == (0, 0.0, 0.0)
    assert nothing.chamfer is nothing.chamfer_fitted is nothing.size is None and nothing.opacity == 0


@pytest.mark.parametrize("where", ["frames", "opacity"])
def test_what_is_not_finite_is_refused_and_an_error_of_its_row_in_a_sweep(judge, tmp_path, where):
    seen = {"frames": torch.full((24, 64, 64, 3), 0.9), "opacity": torch.zeros(24, 64, 64)}
    seen[where][3, 2, :2] = math.nan
    job, words = {"folder": "base/a", "score": {}}, "not finite, since its field gives such, so they cannot be scored"
    row = work(job, tmp_path, lambda job, home: evaluate(exact(TEDDY), TEDDY, judge, seen=Looks(**seen)), str)
    assert row["error"].startswith("6 numbers" if where == "frames" else "2 numbers") and words in row["error"]


def test_a_shrunk_and_moved_object_is_near_once_it_is_fitted(judge, good):
    shrunk = replace(exact(TEDDY), world=World((0.1, 0.0, -0.1), 0.7))
    row = evaluate(shrunk, TEDDY, judge)
    assert row.size == pytest.approx(0.7, abs=0.02) and row.scale_fitted == pytest.approx(1 / 0.7, abs=0.03)
    assert row.chamfer > 0.05 > 0.025 > row.chamfer_fitted and row.iou < 0.6
    assert row.opacity < 0.6 * row.opacity_true


def test_two_faces_are_counted_and_watched_for(judge, good):
    two = exact(TEDDY, turns=(0, 180))
    row = evaluate(two, TEDDY, judge)
    assert row.fronts == 2 and row.iou < 0.95 and row.view_share < good.view_share
    watch = FrontWatch(judge, "teddy")
    assert watch(two) and not watch(exact(TEDDY)) and not FrontWatch(judge, "castle")(two)

    density, colour = voxels(TEDDY)
    half = SIDE // 2
    for v in (density[None], colour):  # the front half, and its mirror image behind
        v[:, :half] = v[:, half:].flip(1)
    mirrored = look_at(volume(density, colour), turn()).frames
    assert count_fronts(front_profile(judge, mirrored, "teddy")) == 2


def test_a_prompt_is_scored_against_the_nearest_of_its_family(judge):
    prompt = "a tall green mug"
    member = family(words_of(prompt))[4]
    row = evaluate(exact(member), prompt, judge)
    assert row.chamfer < 0.02 and row.iou == 1 and row.pattern_share is None
    assert evaluate(exact(ToyObject("mug", "green", scale="wide")), prompt, judge).chamfer > 2 * row.chamfer
