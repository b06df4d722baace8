"""Writes the ledgers of the book: where an equation is in the library, what proves it, and what was misprinted.

`python -m book.ledger` reads equations.yml, the marks of tests/equations and tests/mutants.json, and writes
equations.md and errata_equations.md, which the page of errata includes; and claims.yml with the outputs of the
notebooks, for claims.md.
"""

import ast
import json
import re
from collections import Counter
from itertools import groupby
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
CHAPTERS = {
    2: "Chapter 2: neural networks",
    3: "Chapter 3: diffusion, radiance fields, distillation",
    4: "Chapter 4: derivations",
    5: "Chapter 5: FitFusion and DreamText",
    6: "Chapter 6: experiments",
}

# What the name of a test cannot write.
WORDS = {w.lower().replace("'", ""): w for w in ("torch's", "Jensen's", "network's", "scheduler's", "Bayes")}
WORDS |= {w.lower(): w for w in ("KL", "KLs", "MSE", "ReLU", "XOR", "Gaussian", "Gaussians", "Jacobian")}


def equations() -> list[dict]:
    """The entries of equations.yml, in the thesis' order."""
    return yaml.safe_load((ROOT / "book" / "equations.yml").read_text(encoding="utf-8"))


def checks() -> dict[str, list[tuple[str, str]]]:
    """File and name of each test marked `equation(id)`, by id, read from the source."""
    found: dict[str, list[tuple[str, str]]] = {}
    for path in sorted((ROOT / "tests" / "equations").glob("test_*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef):
                for mark in node.decorator_list:
                    if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.equation":
                        found.setdefault(mark.args[0].value, []).append((path.name, node.name))
    return found


def mutants() -> tuple[Counter, Counter]:
    """How many mutants of each equation there are, and how many were caught when `make mutants` last ran."""
    results = json.loads((ROOT / "tests" / "mutants.json").read_text(encoding="utf-8"))
    return Counter(m["equation"] for m in results), Counter(m["equation"] for m in results if m["result"] == "caught")


def formula(entry: dict) -> str:
    """The formula in lines of display size."""
    lines = entry["formula"] if isinstance(entry["formula"], list) else [entry["formula"]]
    return "<br>".join(f"$\\displaystyle {line}$" for line in lines)


def sentence(name: str) -> str:
    """A test's name as words."""
    return " ".join(WORDS.get(word, word) for word in name.removeprefix("test_").split("_"))


def row(entry: dict, tests: list[tuple[str, str]], every: int, caught: int) -> str:
    """One line of a table: number; subject, formula and function; checks and mutants."""
    about = f"{entry['subject']}" + (f" ([erratum](#erratum-{anchor(entry)}))" if entry["erratum"] else "")
    where = [f"`{name.removeprefix('dreamtext_lib.')}`" for name in entry["function"] or []]
    if not where:
        where = [f"*not in the library.* {entry.get('note', '')}".strip()]
    proof = [f"– {sentence(name)}" for _, name in tests]
    proof = "<br>".join([*proof, f"**{caught} of {every} mutants caught**"] if every else proof or ["no check yet"])
    return f"| {entry['id']} | {'<br>'.join([about, formula(entry), *where])} | {proof} |"


def anchor(entry: dict) -> str:
    """An id of an equation as a part of a link's target."""
    return entry["id"].replace(".", "-")


def equations_page() -> str:
    """The text of equations.md."""
    entries, tests, (every, caught) = equations(), checks(), mutants()
    built = sum(bool(e["function"]) for e in entries)
    proved = sum(e["id"] in tests for e in entries)
    count = len({test for found in tests.values() for test in found})
    parts = [
        "# Ledger of equations",
        "<!-- written by `python -m book.ledger`: change equations.yml and run it again -->",
        f"**{len(entries)} equations: {built} in the library, {proved} supported by {count} checks; "
        f"{sum(caught.values())} of {sum(every.values())} deliberate mistakes caught; "
        f"{sum(bool(e['erratum']) for e in entries)} errata.**",
        "These are all numbered equations of the thesis, in their right form. Under each stands what computes it in\n"
        "`dreamtext_lib`. To the right is what the checks in `tests/equations` establish; each compares the library\n"
        "with something independent, such as a closed form, symbols, another library or an exactly known world. A\n"
        "mutant is a deliberate mistake: `make mutants` breaks the formula, by a sign, a root or an index, and the\n"
        "mutant is caught when a check of that equation fails.",
    ]
    for chapter, group in groupby(entries, key=lambda e: e["chapter"]):
        parts.append(f"## {CHAPTERS[chapter]}")
        rows = [row(e, tests.get(e["id"], []), every[e["id"]], caught[e["id"]]) for e in group]
        head = "| no. | equation, and what computes it in `dreamtext_lib` | what its checks establish |\n|---|---|---|"
        parts.append("\n".join([":::{div} stacked", head, *rows, ":::"]))
    return "\n\n".join(parts) + "\n"


def errata_list() -> str:
    """The text of errata_equations.md: one entry for each equation with an erratum."""
    parts = ["<!-- written by `python -m book.ledger` from equations.yml -->"]
    for e in equations():
        if e["erratum"]:
            right = e["erratum"].get("right") or formula(e)
            parts.append(
                f"(erratum-{anchor(e)})=\n**{e['id']}, {e['subject']}**\n"
                f": *Printed.* {e['erratum']['printed']}\n: *Right.* {right}\n: *Why.* {e['erratum']['why']}"
            )
    return "\n\n".join(parts) + "\n"


CLAIMS = """<!-- written by `python -m book.ledger` from claims.yml and the outputs of the notebooks -->
# Claims

The thesis makes claims that rest on looking at a few pictures. Here each of them has what was run, the
numbers that the run printed, and a verdict: *holds*, *does not hold*, or *unclear at this scale*. The scale is that of
the tiny models, of 64 pixels and fourteen things; a claim that fails here may hold at full size, and the other way
round. No setting was tuned until a claim agreed. A ± is a standard deviation over seeds; two numbers in brackets are
the ends of a 95 % interval over pairs.
"""


def printed(notebook: str) -> list[str]:
    """All lines that the cells of a notebook printed."""
    cells = json.loads((ROOT / "notebooks" / f"{notebook}.ipynb").read_text(encoding="utf-8"))["cells"]
    texts = ("".join(o.get("text", "")) for c in cells for o in c.get("outputs", []) if o["output_type"] == "stream")
    return [line for text in texts for line in text.splitlines()]


def claims_page() -> str:
    """The text of claims.md: each claim with its evidence, word for word as the chapter printed it."""
    parts = [CLAIMS.rstrip()]
    for c in yaml.safe_load((ROOT / "book" / "claims.yml").read_text(encoding="utf-8")):
        lines = [line for line in printed(c["notebook"]) if any(re.search(p, line) for p in c["lines"])]
        evidence = "\n".join(lines)
        parts.append(
            f"## {c['id']}: {c['where']}\n\n> {c['claim']}\n\n"
            f"**Run.** {c['run']} In {{doc}}`../notebooks/{c['notebook']}`."
            f"\n\n```text\n{evidence}\n```\n\n**Verdict.** {c['verdict']}"
        )
    return "\n\n".join(parts) + "\n"


def pages() -> dict[Path, str]:
    """What the generator writes, by path."""
    return {
        ROOT / "book" / "equations.md": equations_page(),
        ROOT / "book" / "errata_equations.md": errata_list(),
        ROOT / "book" / "claims.md": claims_page(),
    }


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(ROOT))
