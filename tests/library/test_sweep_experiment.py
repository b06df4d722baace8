"""The file of an experiment: what it makes, and one sentence, with its name, for all that can be wrong with it."""

from pathlib import Path

import pytest

from dreamtext_lib.distillation.recipe import RECIPES
from dreamtext_lib.profile import PROFILES
from dreamtext_lib.sweep.experiment import jobs, read_experiment

EXAMPLE = Path(__file__).parents[2] / "experiments" / "sweeps" / "example.toml"
WHOLE = """
name = "guidance"
prompts = ["a red castle", " a blue mug "]
seeds = [3, 18446744073709551615]

[recipes.fitfusion]
[recipes.guided]
base = "stable-dreamfusion"
guidance = 20
score.t_max = 900

[score]
by = "none"
"""


def read(tmp_path, text):
    path = tmp_path / "e.toml"
    path.write_text(text, encoding="utf-8")
    return read_experiment(path)


@pytest.mark.parametrize("path", sorted(EXAMPLE.parent.glob("*.toml")), ids=lambda path: path.stem)
def test_every_experiment_that_is_kept_can_be_read(path):
    experiment = read_experiment(path)
    assert experiment.name == path.stem
    assert len(jobs(experiment)) == len(experiment.recipes) * len(experiment.subjects) * len(experiment.seeds) > 0


def test_the_arrows_differ_in_nothing_else():
    recipes = read_experiment(EXAMPLE.parent / "arrows.toml").recipes
    assert {r.score.arrow for r in recipes.values()} == {"sds", "csd", "sdi", "vsd", "perp-neg"} == {*recipes}
    assert all(r.with_fields(arrow="sds") == RECIPES["toy"]["latent"] for r in recipes.values())


def test_recipes_times_prompts_times_seeds(tmp_path):
    experiment = read(tmp_path, WHOLE)
    base = RECIPES["toy"]["stable-dreamfusion"]
    guided = base.with_fields(guidance=20.0, t_max=900)
    assert experiment.recipes == {"fitfusion": RECIPES["toy"]["fitfusion"], "guided": guided}
    assert isinstance(experiment.recipes["guided"].score.guidance, float)
    assert (experiment.changed, experiment.scoring.by, experiment.kind) == (("guidance", "t_max"), "none", "dream")
    made = jobs(experiment)
    assert [job["folder"] for job in made] == [
        f"{recipe}/{prompt}-{seed}"
        for recipe in ("fitfusion", "guided")
        for prompt in ("a-red-castle", "a-blue-mug")
        for seed in (3, 2**64 - 1)
    ]
    assert made[7] == {
        "folder": "guided/a-blue-mug-18446744073709551615",
        "kind": "dream",
        "recipe": "guided",
        "prompt": "a blue mug",
        "seed": 2**64 - 1,
        "model": None,
        "settings": guided.values(),
        "score": {"by": "none"},
    }


def test_a_number_of_seeds_is_the_first_ones(tmp_path):
    assert read(tmp_path, WHOLE.replace("[3, 18446744073709551615]", "3")).seeds == (0, 1, 2)


def test_the_example_can_be_read():
    assert len(jobs(read_experiment(EXAMPLE))) == 8


def test_recipes_are_those_of_the_profile(tmp_path, monkeypatch):
    monkeypatch.setenv("DREAMTEXT_PROFILE", "full")
    assert read(tmp_path, WHOLE).recipes["fitfusion"] == RECIPES["full"]["fitfusion"]
    monkeypatch.setenv("DREAMTEXT_PROFILE", "tiny")
    with pytest.raises(ValueError, match="DREAMTEXT_PROFILE is 'tiny'; choose one of toy, full"):
        read(tmp_path, WHOLE)


@pytest.mark.parametrize(
    ("was", "now", "words"),
    [
        ("[recipes.fit", "[recipes.fit", None),
        ("name =", "name", "is not valid TOML (Expected '='"),
        ("seeds", "name", "is not valid TOML (Cannot overwrite a value"),
        ("name =", "nam =", "has a key 'nam' that means nothing; is it 'name'?"),
        ('name = "guidance"', "", "has no name; it must be a text in quotes"),
        ('"guidance"', "3", "has the name 3; it must be a text in quotes"),
        ('"guidance"', '" "', "has the name ' '; it must be a text in quotes"),
        ("name", 'kind = "fly"\nname', "has the kind 'fly'; choose one of dream"),
        ("name", "kind = []\nname", "has the kind []; choose one of dream"),
        ("name", "model = 1\nname", "has the model 1; it must be a text in quotes"),
        ('["a red castle", " a blue mug "]', "[]", "has no prompts; they are a list of texts in quotes, at least one"),
        ('["a red castle", " a blue mug "]', '"a mug"', "has the prompts 'a mug'; they are a list"),
        ('" a blue mug "', "1", "has the prompts ['a red castle', 1]; they are a list"),
        ('" a blue mug "', '" "', "prompts: the prompt is empty"),
        ('" a blue mug "', '"a red castle "', "has the prompt 'a red castle' twice"),
        ("seeds = [3, 18446744073709551615]", "", "has no seeds; they are how many"),
        ("[3, 18446744073709551615]", "[]", "has the seeds []; they are how many"),
        ("[3, 18446744073709551615]", "0", "has the seeds 0; they are how many"),
        ("[3, 18446744073709551615]", "true", "has the seeds True; they are how many"),
        ("[3, 18446744073709551615]", '["x"]', "has the seeds ['x']; they are how many"),
        ("[3, 18446744073709551615]", "[1.5]", "has the seeds [1.5]; they are how many"),
        ("18446744073709551615", "-1", "has the seeds [3, -1]; they are how many"),
        ("18446744073709551615", "18446744073709551616", "or a list of whole numbers below 2^64"),
        ("18446744073709551615", "3", "has the seed 3 twice"),
        ("[3, 18446744073709551615]", "100000", "makes 400,000 jobs; at most 100,000 go into one sweep"),
        (
            'base = "stable-dreamfusion"',
            "",
            "recipe 'guided': it has no base; choose one of latent, fitfusion, stable-dream",
        ),
        ('base = "stable-dreamfusion"', 'base = "dreamfusion"', "recipe 'guided': the base is 'dreamfusion'; choose"),
        ("guidance = 20", "guidence = 20", "recipe 'guided': there is no field 'guidence'; is it 'guidance'?"),
        ("guidance = 20", 'guidance = "x"', "recipe 'guided': guidance is 'x'; it must be a finite number"),
        ("guidance = 20", "guidance = nan", "recipe 'guided': guidance is nan; it must be a finite number"),
        ("guidance = 20", f"guidance = {10**400}", "it must lie between -2^53 and 2^53"),
        ("guidance = 20", "steps = 1.5", "recipe 'guided': steps is 1.5; it must be a whole number"),
        (
            "guidance = 20",
            "photo_weight = 2",
            "recipe 'guided': photo_weight is 2.0, but a job of the kind 'dream' has no photograph; set it to 0, or",
        ),
        (
            '" a blue mug "',
            '"r\u00e9d", "re\u0301d"',
            "prompts 'r\\xe9d' and 're\\u0301d', which would share the folder 'r\u00e9d'",
        ),
        (
            "[recipes.guided]",
            '[recipes."\u00e9"]\nbase = "latent"\n[recipes."e\u0301"]',
            "has the recipes '\\xe9' and 'e\\u0301', which",
        ),
        ("guidance = 20", "grid = 1", "recipe 'guided': there is no field 'grid'"),
        ("guidance = 20", "t_max = 20", "recipe 'guided': the field 't_max' is there twice"),
        ("guidance = 20", "t_min = 950", "recipe 'guided': t_min is 950, above t_max, which is 900"),
        ("[recipes.fitfusion]", "[recipes]\nfitfusion = 1", "recipe 'fitfusion': a recipe is a table with a name"),
        ('by = "none"', 'bye = "none"', "[score]: there is no field 'bye'; is it 'by'?"),
        ('by = "none"', 'by = "taste"', "[score]: by is 'taste'; choose one of truth, none"),
    ],
)
def test_what_is_wrong_is_one_sentence_with_the_files_name(was, now, words, tmp_path):
    assert was in WHOLE
    if words is None:  # the text that all others spoil is itself fine
        read(tmp_path, WHOLE)
        return
    with pytest.raises(ValueError) as error:
        read(tmp_path, WHOLE.replace(was, now, 1))
    text = str(error.value)
    assert text.startswith(f"'{tmp_path / 'e.toml'}'") and words in text and "\n" not in text, text


def test_files_that_are_none(tmp_path):
    with pytest.raises(ValueError, match=r"there is no file '.*e\.toml'"):
        read_experiment(tmp_path / "e.toml")
    with pytest.raises(ValueError, match="has no recipes; add a table such as"):
        read(tmp_path, 'name = "a"\nprompts = ["b"]\nseeds = 1')
    (tmp_path / "e.toml").write_bytes(b'name = "caf\xe9"')
    with pytest.raises(ValueError, match=r"e\.toml' is no UTF-8 text"):
        read_experiment(tmp_path / "e.toml")


IMAGES = """
name = "methods"
kind = "image"
images = ["castle 1", " mug"]
seeds = 1
[recipes.dreamtext]
[recipes.noun]
base = "dreamtext"
learns = "noun"
words.steps = 40
dream.steps = 200
photo_weight = 10
"""


def test_rows_of_one_profile_are_not_those_of_another_where_recipes_are_the_same(tmp_path, monkeypatch):
    models = {}
    for profile in ("toy", "full"):
        monkeypatch.setenv("DREAMTEXT_PROFILE", profile)
        for kind, text in (("image", IMAGES), ("dream", WHOLE)):
            models[profile, kind] = jobs(read(tmp_path, text))[0]["model"]
    assert models["toy", "image"] is models["toy", "dream"] is models["full", "dream"] is None, "as they always were"
    assert models["full", "image"] == PROFILES["full"].model
    assert jobs(read(tmp_path, f'model = "tiny"\n{IMAGES}'))[0]["model"] == "tiny"
    monkeypatch.setenv("DREAMTEXT_PROFILE", "huge")
    with pytest.raises(ValueError, match="DREAMTEXT_PROFILE is 'huge'; choose one of toy, full"):
        jobs(read(tmp_path, IMAGES))


def test_an_image_drawn_of_a_prompt_is_no_photograph(tmp_path):
    text = IMAGES.replace('"image"', '"sample"').replace("images =", "prompts =").replace("dreamtext", "through-image")
    with pytest.raises(ValueError, match=r"photo_weight is 10\.0, but a job of the kind 'sample' has no photograph"):
        read(tmp_path, text.replace("words.steps", "method.words.steps").replace("dream.steps", "method.dream.steps"))


def test_images_are_named_by_their_titles_and_fields_that_are_there_twice_by_their_groups(tmp_path):
    experiment = read(tmp_path, IMAGES)
    assert experiment.subjects == ("castle 1", "mug") and experiment.about == "image"
    assert experiment.changed == ("learns", "words.steps", "dream.steps", "photo_weight")
    method = experiment.recipes["noun"]
    assert (method.words.learns, method.words.steps, method.dream.steps) == ("noun", 40, 200)
    assert method.dream.regular.photo_weight == 10.0 and method == method.from_values(method.values())
    assert [job["folder"] for job in jobs(experiment)][:2] == ["dreamtext/castle-1-0", "dreamtext/mug-0"]
    for was, now, words in (
        ("words.steps", "steps", "there are several fields 'steps'; choose one of words.steps, dream.steps"),
        ("words.steps", "word.steps", "there is no field 'word.steps'; is it 'words.steps'?"),
        ('"castle 1"', '"castle 9"', "images: 'castle 9' is no input image; choose among castle 1, castle 2"),
    ):
        with pytest.raises(ValueError, match=words.replace(".", r"\.").replace("?", r"\?")):
            read(tmp_path, IMAGES.replace(was, now))
