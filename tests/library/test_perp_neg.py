"""Perp-Neg, negative prompts, prompts without view words, fields that start from noise: each against its own truth."""

import pytest
import torch

from dreamtext_lib.distillation.dream import Dream, fresh
from dreamtext_lib.distillation.gradients import Words, along, arrow_of, perp_neg, sds
from dreamtext_lib.distillation.prompts import view_states
from dreamtext_lib.distillation.recipe import Recipe, Score
from dreamtext_lib.radiance.cameras import VIEW_WORDS, orbit
from dreamtext_lib.radiance.encoding import HashGrid
from dreamtext_lib.runs import stream
from dreamtext_lib.settings import Grid

SHORT = Recipe().with_fields(steps=3, size=16, samples=16, voxels=16, batch=2, albedo_share=1.0, textureless_share=0.0)
NAMES = (*VIEW_WORDS, "")


class Speaker:
    """A prior that answers a sixth of the picture and, for each word, something of the word's own."""

    device, dtype = torch.device("cpu"), torch.float64
    alpha_bar = torch.linspace(0.999, 0.005, 1000, dtype=torch.float64)

    def __init__(self):
        self.says = torch.randn(len(NAMES), 2, 3, 3, generator=torch.Generator().manual_seed(8), dtype=self.dtype)
        self.asked = []  # the words of each call

    def eps(self, x_t, t, states):
        words = states[:, 0].argmax(1)  # the states of a word are 1 at its place
        self.asked.append([NAMES[i] for i in words.tolist()])
        return x_t / 6 + self.says[words] * (1 + t.double().view(-1, 1, 1, 1) / 1000)


STATES = {word: torch.eye(len(NAMES), dtype=torch.float64)[i].view(1, 1, -1) for i, word in enumerate(NAMES)}


def words_of(*azimuths, elevation=0.0):
    count = len(azimuths)
    cameras = orbit(torch.tensor(azimuths), torch.full((count,), elevation), 3.0, 40.0, size=8)
    text = torch.cat([STATES[word] for word in cameras.words])
    return Words(text, STATES[""].expand_as(text), cameras, STATES)


def generator(seed=4):
    return torch.Generator().manual_seed(seed)


LATENTS = torch.randn(3, 2, 3, 3, generator=generator(1), dtype=torch.float64)
TIMES = torch.tensor([20, 500, 980])
AROUND = words_of(0.0, 90.0, 180.0)  # front, side, back


def by_hand(prior, z, t, words, s, weight, seed=4):
    """None + g (d - w sum p_i) - eps with g = s + 1, as the paper writes it, in loops over plain numbers."""
    eps = torch.randn(z.shape, generator=generator(seed)).double()
    arrows = []
    for b, own in enumerate(words.cameras.words):
        a = prior.alpha_bar[t[b]].item()
        z_t = [a**0.5 * x + (1 - a) ** 0.5 * e for x, e in zip(z[b].flatten().tolist(), eps[b].flatten().tolist())]
        loud, says = 1 + t[b].item() / 1000, {w: prior.says[i].flatten().tolist() for i, w in enumerate(NAMES)}
        said = {w: [x / 6 + v * loud for x, v in zip(z_t, says[w])] for w in NAMES}
        none = said[""]
        d = [y - n for y, n in zip(said[own], none)]
        aim = list(d)
        for other in {*VIEW_WORDS} - {own}:
            d_i = [o - n for o, n in zip(said[other], none)]
            share = sum(x * y for x, y in zip(d_i, d)) / sum(x * x for x in d)
            aim = [u - weight * (x - share * y) for u, x, y in zip(aim, d_i, d)]
        arrow = [n + (s + 1) * u - e for n, u, e in zip(none, aim, eps[b].flatten().tolist())]
        arrows.append(torch.tensor(arrow, dtype=torch.float64).view(z[b].shape))
    return torch.stack(arrows)


@pytest.mark.parametrize("s", [-1.0, 0.0, 4.0, 99.0])
@pytest.mark.parametrize("weight", [0.3, 1.0, 2.5])
def test_it_is_the_papers_sum_for_each_view_with_its_own_other_words(s, weight):
    prior = Speaker()
    found = perp_neg(prior, LATENTS, TIMES, AROUND, s, generator(), weight=weight)
    expected = by_hand(prior, LATENTS, TIMES, AROUND, s, weight)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
    assert AROUND.cameras.words == ["front", "side", "back"]
    (asked,) = prior.asked  # one call; each view is asked about its word, none, and each of the others once
    for view, own in enumerate(AROUND.cameras.words):
        assert asked[view::3][:2] == [own, ""] and {*asked[view::3][2:]} == {*VIEW_WORDS} - {own}
        assert len(asked[view::3]) == 5


def test_a_view_does_not_change_with_those_that_are_asked_beside_it():
    together = by_hand(Speaker(), LATENTS, TIMES, AROUND, 4.0, 1.0)
    eps = torch.randn(LATENTS.shape, generator=generator()).double()
    for view, azimuth in enumerate((0.0, 90.0, 180.0)):
        one = slice(view, view + 1)
        alone = perp_neg(Speaker(), LATENTS[one], TIMES[one], words_of(azimuth), 4.0, generator())
        own = torch.randn(LATENTS[one].shape, generator=generator()).double()
        a = Speaker.alpha_bar[TIMES[view]]
        moved = (1 - a).sqrt() * (own - eps[one]) / 6 - (own - eps[one])  # only the noise that was drawn differs
        torch.testing.assert_close(alone - moved, together[one])


@pytest.mark.parametrize("s", [-1.0, 0.0, 7.0])
def test_without_strength_it_is_score_distillation_to_the_bit(s):
    arrow = arrow_of(Score(arrow="perp-neg", perp_strength=0.0), Speaker())
    found = arrow(Speaker(), LATENTS, TIMES, AROUND, s, generator())
    assert torch.equal(found, sds(Speaker(), LATENTS, TIMES, AROUND, s, generator()))
    assert not torch.equal(found, perp_neg(Speaker(), LATENTS, TIMES, AROUND, s, generator())) or s == -1


def test_without_strength_it_is_score_distillation_with_the_tiny_model(prior):
    states = view_states(prior, "a red mug")
    text = torch.cat([states["front"], states["back"]])
    cameras = orbit(torch.tensor([0.0, 180.0]), torch.zeros(2), 3.0, 40.0, size=8)
    words = Words(text, states[""].expand_as(text), cameras, states)
    z, t = torch.randn(2, 4, 16, 16, generator=generator()), torch.tensor([100, 700])
    plain = sds(prior, z, t, words, 5.0, generator())
    torch.testing.assert_close(perp_neg(prior, z, t, words, 5.0, generator(), weight=0.0), plain, atol=1e-4, rtol=0)
    assert (perp_neg(prior, z, t, words, 5.0, generator(), weight=1.0) - plain).abs().max() > 1e-2


@pytest.mark.parametrize("s", [0.0, 4.0])
def test_what_is_taken_away_is_at_right_angles_to_the_object(s):
    prior = Speaker()
    taken = sds(prior, LATENTS, TIMES, AROUND, s, generator()) - perp_neg(
        prior, LATENTS, TIMES, AROUND, s, generator(), weight=2.0
    )
    d = torch.stack([prior.says[NAMES.index(w)] - prior.says[-1] for w in AROUND.cameras.words])
    inner = (taken * d).flatten(1).sum(1) / (taken.flatten(1).norm(dim=1) * d.flatten(1).norm(dim=1))
    assert inner.abs().max() < 1e-12 and taken.flatten(1).norm(dim=1).min() > 1


def test_other_words_that_say_the_same_take_nothing_away():
    """With d_i a multiple of d, as where no view word is said, nothing is at right angles."""
    prior = Speaker()
    prior.says = torch.stack([prior.says[0] * k for k in (1.0, 3.0, -2.0, 0.5, 0.25)])
    found = perp_neg(prior, LATENTS, TIMES, AROUND, 4.0, generator())
    torch.testing.assert_close(found, sds(prior, LATENTS, TIMES, AROUND, 4.0, generator()))


def test_the_part_along_a_direction():
    a = torch.tensor([[[3.0, 4.0]], [[1.0, 2.0]], [[5.0, 6.0]]])
    d = torch.tensor([[[2.0, 0.0]], [[1.0, 2.0]], [[0.0, 0.0]]])
    assert torch.equal(along(a, d), torch.tensor([[[3.0, 0.0]], [[1.0, 2.0]], [[0.0, 0.0]]]))
    torch.testing.assert_close(along(a, -7 * d), along(a, d))  # neither its length nor its sign counts
    small = torch.full((1, 1, 2), 1e-30)  # whose square is 0 in single precision
    assert along(torch.ones(1, 1, 2), small).isfinite().all()


def test_a_negative_prompt_is_said_instead_of_nothing(prior):
    plain, away = view_states(prior, "a red mug"), view_states(prior, "a red mug", negative="a blurred red mug")
    torch.testing.assert_close(away[""], prior.encode_text(["a blurred red mug"]))
    torch.testing.assert_close(plain[""], prior.encode_text([""]))
    assert not torch.allclose(away[""], plain[""])
    assert all(torch.equal(away[word], plain[word]) for word in VIEW_WORDS)
    dream = Dream("a red mug", prior, SHORT.with_fields(negative="a blurred red mug"))
    assert torch.equal(dream.states[""], away[""])


def test_without_view_words_the_prompt_alone_is_said_of_every_view(prior):
    states = view_states(prior, " a red mug ", worded=False)
    assert list(states) == [*VIEW_WORDS, ""]
    for word in VIEW_WORDS:
        torch.testing.assert_close(states[word], prior.encode_text(["a red mug"]))
    dream = Dream("a red mug", prior, SHORT.with_fields(view_words=False))
    assert all(torch.equal(dream.states[word], states[word]) for word in states)
    assert not torch.allclose(states["back"], Dream("a red mug", prior, SHORT).states["back"])


def test_a_field_without_noise_is_the_one_that_there_was_before():
    """The table is drawn uniform in +-1e-4, then the network's weights, from the same stream."""
    found, g = fresh(SHORT, 3), stream(3, 0, "field")
    table = torch.empty(found.field.grid.table.shape).uniform_(-1e-4, 1e-4, generator=g)
    assert torch.equal(found.field.grid.table, table)
    again = HashGrid.of(SHORT.grid, SHORT.ball.bound, stream(3, 0, "field"))
    assert torch.equal(again.table, table)
    same = fresh(SHORT.with_fields(noise=0.0), 3)
    assert all(torch.equal(p, q) for p, q in zip(found.field.parameters(), same.field.parameters()))
    assert torch.equal(found.occupancy.mask, same.occupancy.mask)


def test_a_grid_is_made_as_its_settings_say():
    settings = Grid(levels=3, log2_table=8, coarsest=4, finest=20)
    grid = HashGrid.of(settings, 0.7)
    assert grid.made_of == {
        "levels": 3, "features": settings.features, "log2_table": 8, "coarsest": 4, "finest": 20, "bound": 0.7,
    }  # fmt: skip


def test_a_field_that_starts_from_noise_has_spread_tables_and_can_dream(prior):
    recipe = SHORT.with_fields(noise=0.3)
    found = fresh(recipe, 3).field.grid.table
    assert 0.29 < found.abs().max() <= 0.3 and found.std().item() == pytest.approx(0.3 / 3**0.5, rel=0.03)
    assert abs(found.mean()) < 0.01 and torch.equal(found, fresh(recipe, 3).field.grid.table)
    assert not torch.equal(found, fresh(recipe, 4).field.grid.table)
    dream = Dream("a red mug", prior, recipe, seed=3)
    before = dream.volume.field.grid.table.detach().clone()
    records = list(dream.run())
    assert len(records) == 3 and not any(r.nonfinite for r in records)
    assert not torch.equal(dream.volume.field.grid.table, before)


def test_a_dream_away_from_other_words_goes_on_after_a_stop_bit_for_bit(prior, tmp_path):
    recipe = SHORT.with_fields(arrow="perp-neg", perp_strength=1.5, negative="a blue mug")
    whole = Dream("a red mug", prior, recipe, seed=3)
    records = [r._replace(seconds=None) for r in whole.run()]
    assert [r.step for r in records] == [1, 2, 3] and not any(r.nonfinite for r in records)

    half = Dream("a red mug", prior, recipe, seed=3)
    next(half.run())
    half.save(tmp_path)
    resumed = Dream("a red mug", prior, recipe, seed=3)
    resumed.load(tmp_path)
    assert [r._replace(seconds=None) for r in resumed.run()] == records[1:]
    pairs = zip(whole.volume.field.parameters(), resumed.volume.field.parameters())
    assert all(torch.equal(p, q) for p, q in pairs)

    plain = Dream("a red mug", prior, recipe.with_fields(arrow="sds"), seed=3)
    assert [r._replace(seconds=None) for r in plain.run()] != records
