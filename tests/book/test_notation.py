"""The page of notation against the code and the ledger: names, symbols, conventions."""

import ast
import re
from pathlib import Path

import torch
import yaml

from dreamtext_lib.distillation.recipe import Score
from dreamtext_lib.radiance.cameras import orbit, rays, view_word

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "book" / "notation.md").read_text(encoding="utf-8")
EQUATIONS = {e["id"]: e for e in yaml.safe_load((ROOT / "book" / "equations.yml").read_text(encoding="utf-8"))}


def rows(section):
    """The cells of a section's table."""
    text = PAGE.split(f"## {section}\n")[1].split("\n## ")[0]
    table = [line for line in text.splitlines() if line.startswith("|")]
    return [[c.strip() for c in re.split(r"(?<!\\)\|", line)[1:-1]] for line in table[2:]]


def names():
    """All names of functions, parameters, variables and attributes in the library."""
    found = set()
    for path in (ROOT / "dreamtext_lib").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            found |= {getattr(node, key) for key in ("id", "attr", "arg", "name") if hasattr(node, key)}
    return {name for name in found if isinstance(name, str)}


def test_each_name_of_the_page_is_one_of_the_code():
    known, seen = names(), 0
    for section in ("Diffusion", "Volume rendering", "Score distillation", "Encodings of a position"):
        for _, code, _ in rows(section):
            for piece in re.findall(r"`([^`]+)`", code):
                for name in re.findall(r"[A-Za-z_]\w*", piece):
                    prefix = name.endswith("_")  # `q_...` stands for all that begin so
                    assert any(k.startswith(name) for k in known) if prefix else name in known, f"{name} of '{code}'"
                    seen += 1
    assert seen > 30


def test_the_frozen_network_is_phi_and_what_is_trained_is_theta():
    meaning = {symbol: text for symbol, _, text in rows("Score distillation")}
    assert "field" in meaning[r"$\theta$"] and "frozen network" in meaning[r"$\phi$"]
    said = re.search(r"```\{math\}\n(\\nabla_\\theta\\mathcal L_.*?)```", PAGE, re.S).group(1)
    formulas = [said, *("".join(EQUATIONS[number]["formula"]) for number in ("3.19", "3.20", "3.21"))]
    for formula in formulas:
        assert r"\varepsilon_\phi" in formula and r"\varepsilon_\theta" not in formula
        assert r"\nabla_\phi" not in formula and r"\partial\phi" not in formula
    assert r"\nabla_\theta" in said and r"\partial\theta" in said
    chapter = (ROOT / "notebooks" / "15_score_distillation.ipynb").read_text(encoding="utf-8")
    assert r"\\varepsilon_\\phi(z_t" in chapter and r"\\varepsilon_\\theta" not in chapter


def test_guidance_is_counted_as_the_page_says():
    from dreamtext_lib.diffusion.guidance import guide

    text, none = torch.tensor([2.0]), torch.tensor([0.5])
    for words, s, expected in (("the text is ignored", -1, 0.5), ("plain conditional prediction", 0, 2.0)):
        row = next(line for line in PAGE.splitlines() if words in line)
        assert f"${s}$ | ${s + 1}$" in row and guide(text, none, s).item() == expected
    assert "s + 1" in (ROOT / "dreamtext_lib" / "distillation" / "recipe.py").read_text(encoding="utf-8")
    assert Score(guidance=-1.0).guidance == -1.0


def test_the_conventions_of_space_are_the_codes():
    angle = torch.tensor([0.0, 90.0, 0.0])
    cameras = orbit(angle, torch.tensor([0.0, 0.0, 90.0]), 1.0, 40.0, size=3)
    pose = cameras.pose  # (3, 3, 4)
    places = pose[:, :, 3]
    expected = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]])  # front: x; a quarter turn: y, the left; above: z
    torch.testing.assert_close(places, expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(pose[:, :, 2], expected, atol=1e-6, rtol=0)  # `backward` points to the camera
    _, directions = rays(cameras[0])
    torch.testing.assert_close(directions[0, 4], torch.tensor([-1.0, 0, 0]), atol=1e-6, rtol=0)  # it looks along -z
    assert "above 60°" in PAGE
    assert [view_word(0, 60.1), view_word(0, 60.0), view_word(45, 0), view_word(90, 0), view_word(180, 0)] == [
        "overhead", "front", "front", "side", "back",
    ]  # fmt: skip
