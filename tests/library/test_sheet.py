"""The contact sheet of the sweep (experiments.sheet): each picture is the one that its scores are of."""

import re

from experiments.sheet import SIDE, grid, means

INDEX = {"recipes": ["latent", "fitfusion"], "subjects": ["a mug", "a fish"], "seeds": [0, 3]}


def line(recipe, prompt, seed, named, *, empty=False):
    scores = {"class_share": named, "view_share": 0.5, "colour_share": 1.0, "sharpness": 0.0 if empty else 0.8}
    told = {"recognised": named > 0.5, "empty": empty}
    return {k: str(v) for k, v in ({"recipe": recipe, "prompt": prompt, "seed": seed} | scores | told).items()}


def test_a_picture_keeps_its_place_on_the_sheet_though_runs_before_it_are_missing():
    page = grid([line("latent", "a mug", 3, 0.25), line("fitfusion", "a fish", 0, 1.0)], INDEX)
    found = re.findall(r'aria-label="([^"]+)".*?position:-(\d+)px -(\d+)px.*?<figcaption>(.*?)</figcaption>', page)
    assert found == [
        ("a mug, the usual recipe, seed 3, from the front", str(SIDE), "0", "class 25%<br>side 50%"),
        ("a fish, FitFusion, seed 0, from the front", str(2 * SIDE), str(SIDE), "class 100%<br>side 50%"),
    ]
    assert page.count('<figure class="lost">') == 1  # the mug, named in a quarter of its views
    assert page.count(f"background-size:{4 * SIDE}px {2 * SIDE}px") == 2


def test_means_count_the_recognised_and_leave_empty_objects_out_of_detail():
    rows = [line("latent", "a mug", 0, 1.0), line("latent", "a mug", 3, 0.0, empty=True)]
    assert means(rows).splitlines()[2] == "| the usual recipe | 1 of 2 | 50% | 50% | 100% | 0.80 |"
