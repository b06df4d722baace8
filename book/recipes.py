"""Writes the page of recipes: table 5.1 of the thesis, and every field in which the named recipes differ.

`python -m book.recipes` writes recipes.md from `dreamtext_lib.distillation.recipe`.
"""

from pathlib import Path

from dreamtext_lib.cli.flags import comments, groups
from dreamtext_lib.distillation.recipe import RECIPES, Recipe
from dreamtext_lib.settings import Settings, paths

PAGE = Path(__file__).parent / "recipes.md"
EPOCH = 100  # steps that the thesis and its code call an epoch
METHODS = {"stable-dreamfusion": "Stable DreamFusion", "fitfusion": "FitFusion"}

TEXT = """# Recipes

Every setting of a dream is a field of one recipe, and the named recipes are values in `distillation/recipe.py`. This
page is written from them. First comes table 5.1 of the thesis, as the full recipes have it and at the scale of the toy:

{table}

Guidance is s of (3.8), eps(y) + s (eps(y) - eps(none)); diffusers' `guidance_scale` is s + 1. An epoch has {epoch}
steps.

The text of the thesis and its code are two things. The text speaks of 200 epochs for FitFusion. The code has 101 unless
it is told otherwise, and the published command does not tell it. The recipes `...-as-run` have what the code did.

## The toy's recipes

These are the fields in which they differ; `dreamtext dream --help` lists all.

{toy}

## The full recipes

{full}
"""


def shown(value: object) -> str:
    """A value as a cell."""
    return f"{value:g}" if isinstance(value, float) else f"{value:,}" if type(value) is int else str(value)


def table(head: list[str], rows: list[list[str]]) -> str:
    """A table of Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in lines)


def sizes() -> str:
    """Table 5.1, from the recipes."""
    rows = []
    for name, words in METHODS.items():
        for profile in ("full", "toy"):
            r = RECIPES[profile][name]
            cells = [f"{words}, {profile}", r.views.size, r.score.guidance, r.steps / EPOCH]
            rows.append([c if isinstance(c, str) else f"{c:g}" for c in cells])
    return table(["method", "image size", "guidance", "epochs"], rows)


def value_at(recipe: Settings, path: tuple[str, ...]) -> object:
    """The value of a field, by the names of its groups and its own."""
    for name in path:
        recipe = getattr(recipe, name)
    return recipe


def differences(recipes: dict[str, Recipe]) -> str:
    """The fields whose values are not the same in all recipes, with what they are."""
    first = next(iter(recipes.values()))
    said = {(*path, name): words for path, group in groups(first) for name, words in comments(type(group)).items()}
    rows = []
    for path in paths(first):
        values = [shown(value_at(r, path)) for r in recipes.values()]
        if len(set(values)) > 1:
            rows.append([f"`{path[-1]}`", *values, said[path]])
    return table(["field", *recipes, "what it is"], rows)


def page() -> str:
    """The whole page."""
    parts = {profile: differences(recipes) for profile, recipes in RECIPES.items()}
    return TEXT.format(table=sizes(), epoch=EPOCH, **parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
