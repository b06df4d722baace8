"""Sweeps side by side: which jobs are compared under which names, means against numpy, and what stands on the page."""

import base64
import io
import re

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import stats

from dreamtext_lib.sweep.compare import compared, jobs_in
from dreamtext_lib.viewing.comparison import ACROSS, FRAMES, Mean, cell, number, page, strip
from dreamtext_lib.viewing.film import write_webp

ROWS = {
    ("new", "mug", 0): {"steps": 5, "seconds": 1.5, "sentence": "an image of a mug", "similarity": 0.5, "empty": False},
    ("new", "fish", 0): {"steps": 5, "seconds": 2.5, "similarity": 0.75, "empty": True},
    ("old", "mug", 0): {"steps": 5, "similarity": 0.25, "psnr": float("inf"), "empty": False},
    ("old", "fish", 0): {"steps": 5, "similarity": 0.4, "psnr": 20.5, "empty": False},
}


def frames_of(url):
    """The pictures in an address that `strip` made, in order."""
    with Image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))) as sheet:
        a = np.asarray(sheet.convert("RGB")).astype(float)
    side = a.shape[1] // ACROSS
    cells = [a[y : y + side, x : x + side] for y in range(0, a.shape[0], side) for x in range(0, a.shape[1], side)]
    return cells[:FRAMES]


def test_methods_subjects_and_scores_are_those_of_the_jobs(fake_sweep):
    found = compared([fake_sweep("one", ROWS)], {"similarity": "how like"})
    assert (found.title, found.about, list(found.subjects), found.methods) == (
        "one",
        "image",
        ["fish", "mug"],
        ["new", "old"],
    )
    assert found.text == "4 jobs of dreamtext sweep, 2 methods."
    assert list(found.scores) == ["similarity", "psnr", "empty"]  # neither steps nor seconds; the first ones first
    assert found.scores["similarity"] == "how like" and found.first == ["similarity", "psnr"]
    cards = {(c.method, c.subject): c for c in found.cards}
    assert cards["new", "mug"].text == "an image of a mug" and cards["new", "mug"].seed == ""
    assert cards["new", "fish"].scores == {"similarity": 0.75, "empty": 1.0}
    assert cards["old", "mug"].scores == {"similarity": 0.25, "empty": 0.0}  # an infinite number is left out
    assert found.subjects["mug"].size == (96, 96)  # the picture that the methods were given


def test_means_have_students_interval_and_differences_are_paired(fake_sweep):
    means = compared([fake_sweep("one", ROWS)], {}).means
    low, high = stats.t.interval(0.95, 1, loc=0.625, scale=stats.sem([0.5, 0.75]))
    assert means[""]["new", "similarity"] == pytest.approx((0.625, low, high, 2))
    assert means[""]["old", "psnr"] == (20.5, 20.5, 20.5, 1)
    low, high = stats.t.interval(0.95, 1, loc=0.3, scale=stats.sem([0.25, 0.35]))
    assert means["old"]["new", "similarity"] == pytest.approx((0.3, low, high, 2))
    assert means["new"]["old", "similarity"].mean == pytest.approx(-0.3)
    assert ("new", "psnr") not in means[""] and ("new", "psnr") not in means["old"]


def test_the_order_is_that_of_the_experiment(fake_sweep):
    folder = fake_sweep("one", ROWS)
    text = 'name = "one"\nimages = ["mug", "fish"]\n[recipes.old]\n[recipes.new]\n'
    (folder / "experiment.toml").write_text(text, encoding="utf-8")
    assert [(d.job["recipe"], d.subject) for d in jobs_in(folder)] == [
        ("old", "mug"),
        ("old", "fish"),
        ("new", "mug"),
        ("new", "fish"),
    ]
    (folder / "experiment.toml").write_text("[", encoding="utf-8")
    assert [d.job["recipe"] for d in jobs_in(folder)] == ["new", "new", "old", "old"]


def test_a_recipe_of_two_folders_is_one_method_if_its_settings_are_one(fake_sweep):
    same, more = fake_sweep("one", ROWS), fake_sweep("two", {("new", "teddy", 0): {"similarity": 0.1}, **ROWS})
    found = compared([same, more], {})
    assert found.methods == ["new", "old"] and len(found.cards) == 5 and found.title == "one and two"
    other = fake_sweep("three", {("new", "mug", 0): {"similarity": 0.9}}, settings={"of": "another"})
    assert compared([same, other], {}).methods == [f"new ({same})", "old", f"new ({other})"]


def test_a_recipe_of_one_folder_is_several_methods_if_its_settings_are_several(fake_sweep):
    folder = fake_sweep("one", {("new", "mug", 0): {"similarity": 0.25}})
    fake_sweep("one", {("new", "mug", 1): {"similarity": 0.75}}, settings={"of": "another"})
    found = compared([folder], {})
    assert found.methods == [f"new ({folder})", f"new ({folder}) 2"]
    assert [found.means[""][method, "similarity"].mean for method in found.methods] == [0.25, 0.75]


def test_a_row_that_was_scored_in_another_way_is_not_done(fake_sweep):
    folder = fake_sweep("one", ROWS)
    (folder / "new" / "mug-0" / "row.json").write_text(
        '{"score": {"by": "none"}, "row": {"steps": 5}}', encoding="utf-8"
    )
    assert compared([folder], {}).text == "4 jobs of dreamtext sweep, 2 methods. 1 not done yet."


def test_failures_alone_are_not_compared(fake_sweep):
    folder = fake_sweep("one", {("new", "mug", 0): {"error": "it broke"}, ("new", "fish", 0): None})
    with pytest.raises(
        ValueError, match=r"no job of '.*one' is done yet, and 1 failed \(each row.json says why\); give"
    ):
        compared([folder], {})


def test_of_a_job_that_two_folders_have_the_one_that_came_furthest_is_shown(fake_sweep):
    rows = {("new", "mug", 0): None, ("new", "fish", 0): {"error": "it broke"}, ("new", "teddy", 0): {"psnr": 1.0}}
    other = {("new", "mug", 0): {"psnr": 2.0}, ("new", "fish", 0): None, ("new", "teddy", 0): {"psnr": 3.0}}
    found = compared([fake_sweep("one", rows), fake_sweep("two", other)], {})
    assert found.text == "3 jobs of dreamtext sweep, 1 method. 1 failed."
    assert {c.subject: c.scores.get("psnr") for c in found.cards} == {"fish": None, "mug": 2.0, "teddy": 1.0}
    assert found.means[""]["new", "psnr"].count == 2


def test_what_failed_and_what_is_missing_is_said_and_shown(fake_sweep):
    rows = ROWS | {("new", "mug", 1): {"error": "it <broke>"}, ("old", "mug", 1): None}
    found = compared([fake_sweep("one", rows)], {})
    assert found.text == "6 jobs of dreamtext sweep, 2 methods. 1 failed. 1 not done yet."
    text = page(found)
    assert "it &lt;broke&gt;" in text and "<broke>" not in text and "not done yet" in text
    assert "new, seed 1" in text and text.count('class="card bad"') == 1 and text.count("nothing to see") == 1


def test_texts_are_escaped_and_nothing_is_fetched(fake_sweep):
    evil = '<script>alert("x")</script>'
    rows = {(evil, evil, 0): {"sharpness": 1.0, evil: 2.0}, ("plain", evil, 0): {"sharpness": 0.5}}
    folder = fake_sweep("odd", {}, kind="dream")
    folder = fake_sweep(
        "odd", {(r.replace("/", "|"), s.replace("/", "|"), i): v for (r, s, i), v in rows.items()}, kind="dream"
    )
    text = page(compared([folder], {evil: evil}))
    assert text.count("<script>") == 1 and "alert(&quot;x&quot;)" in text
    assert not re.findall(r"(?:src|href)=\"(?!data:)|https?://|url\((?!data:)", text)
    assert "default-src 'none'" in text and "prefers-reduced-motion" in text and "prefers-color-scheme: dark" in text


def test_each_picture_holds_the_turn_in_order(tmp_path):
    grey = torch.linspace(0, 1, FRAMES)[:, None, None, None].expand(-1, 16, 16, 3)
    write_webp(grey, tmp_path / "turn.webp", quality=90)
    seen = [cell.mean() / 255 for cell in frames_of(strip(tmp_path / "turn.webp"))]
    assert seen == pytest.approx(np.linspace(0, 1, FRAMES).tolist(), abs=0.03)
    write_webp(grey[::2], tmp_path / "half.webp", quality=90)  # twelve views: each stands twice
    seen = [cell.mean() / 255 for cell in frames_of(strip(tmp_path / "half.webp"))]
    assert seen == pytest.approx(np.repeat(np.linspace(0, 1, FRAMES)[::2], 2).tolist(), abs=0.03)
    held = torch.cat([grey[:6], grey[6:7].expand(12, -1, -1, -1), grey[18:]])  # the file has one frame for the twelve
    write_webp(held, tmp_path / "held.webp", quality=90)
    assert Image.open(tmp_path / "held.webp").n_frames == 13
    seen = [cell.mean() / 255 for cell in frames_of(strip(tmp_path / "held.webp"))]
    assert seen == pytest.approx(held.mean((1, 2, 3)).tolist(), abs=0.03)
    write_webp(torch.full((FRAMES, 16, 16, 3), 0.5), tmp_path / "gone.webp")  # a dream of nothing: one still, for 0 ms
    seen = [cell.mean() / 255 for cell in frames_of(strip(tmp_path / "gone.webp"))]
    assert seen == pytest.approx([0.5] * FRAMES, abs=0.03)
    (tmp_path / "none.webp").write_bytes(b"RIFF")
    with pytest.raises(ValueError, match=r"none\.webp' is no picture that can be read"):
        strip(tmp_path / "none.webp")


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.62345, "0.623"), (-2.0, "\u22122.00"), (28.14, "28.1"), (999.9, "1,000"), (100.0, "100"), (0.0, "0.00")],
)
def test_numbers_have_three_digits(value, text):
    assert number(value) == text


def test_a_thing_that_went_through_a_picture_has_it_on_its_card(fake_sweep):
    rows = {("through-image", "a mug", 0): {"class_share": 0.5}, ("plain", "a mug", 0): {"class_share": 0.25}}
    folder = fake_sweep("ways", rows, kind="sample")
    path = folder / "through-image" / "a-mug-0" / "words" / "image.png"
    path.parent.mkdir()
    Image.new("RGB", (8, 8), (0, 0, 255)).save(path)
    found = compared([folder], {})
    assert {c.method: c.before for c in found.cards} == {"through-image": path, "plain": None}
    shown = re.findall(r'<img class="before" src="(data:image/webp;base64,[^"]+)" alt="[^"]+">', page(found))
    assert len(shown) == 1
    with Image.open(io.BytesIO(base64.b64decode(shown[0].split(",")[1]))) as picture:
        assert np.allclose(np.asarray(picture.convert("RGB")).mean((0, 1)), (0, 0, 255), atol=4)


def test_a_difference_of_one_job_is_not_marked_as_there():
    marked = [' class="there"' in cell(Mean(0.5, low, 0.5, count), bold=True) for low, count in ((0.5, 1), (0.4, 2))]
    assert marked == [False, True]
