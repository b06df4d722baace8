"""`make mutants`: would the checks notice a mistake? Break each formula on purpose, and see whether they fail.

Each mutant of mutants.yml is made in a copy of the package and the checks marked with its equation run against that
copy. It is *caught* when one of them fails, *survived* when all pass, and *broken* when the copy cannot be imported or
nothing was run, which proves nothing. `python tests/mutants.py` writes mutants.json; with numbers of equations as
arguments it runs those alone and writes nothing.
"""

import gc
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
PACKAGE, RESULTS = "dreamtext_lib", ROOT / "tests" / "mutants.json"
sys.path.insert(0, str(ROOT / "book"))

from ledger import checks  # noqa: E402


def load() -> list[dict[str, str]]:
    """The mutants: equation, file, old, new."""
    return yaml.safe_load((ROOT / "tests" / "mutants.yml").read_text(encoding="utf-8"))


def warm_up() -> None:
    """Import what the package and its tests import, and nothing of the package: the children inherit it."""
    os.environ.update(OMP_NUM_THREADS="1", TRANSFORMERS_VERBOSITY="error", PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    import diffusers
    import numba  # noqa: F401
    import pytest_timeout  # noqa: F401
    import skimage.measure  # noqa: F401
    import sympy  # noqa: F401
    import torch
    import transformers.utils  # noqa: F401
    import trimesh  # noqa: F401

    # diffusers loads a name when it is asked for
    for name in ("DDIMScheduler", "DDPMScheduler", "DiffusionPipeline", "StableDiffusionPipeline"):
        getattr(diffusers, name)
    torch.set_num_threads(1)
    gc.freeze()  # a collection in a child would copy all of the parent's memory
    assert PACKAGE not in sys.modules


def copy_package(target: Path, mutant: dict[str, str] | None) -> None:
    """The package's sources in `target`, with the mutant's change; the models are linked."""
    for path in (ROOT / PACKAGE).rglob("*.py"):
        copy = target / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    (target / PACKAGE / "zoo" / "models").symlink_to(ROOT / PACKAGE / "zoo" / "models")
    if mutant:
        file = target / PACKAGE / mutant["file"]
        text = file.read_text(encoding="utf-8")
        assert text.count(mutant["old"]) == 1, f"{mutant['old']!r} is not there once in {mutant['file']}"
        file.write_text(text.replace(mutant["old"], mutant["new"]), encoding="utf-8")


class Outcome:
    """A plugin of pytest's that keeps what passed, what failed in a test, and what failed before or after one."""

    def __init__(self) -> None:
        self.passed, self.failed, self.broken = [], [], []

    def pytest_runtest_logreport(self, report) -> None:
        if report.failed:
            (self.failed if report.when == "call" else self.broken).append(report.nodeid)
        elif report.when == "call" and report.passed:
            self.passed.append(report.nodeid)

    def pytest_collectreport(self, report) -> None:
        if report.failed:
            self.broken.append(report.nodeid)


def run(mutant: dict[str, str] | None) -> tuple[str, str]:
    """In a child of its own: caught, survived or broken, and what pytest printed. None runs all on an unbroken copy."""
    import pytest

    chosen = [
        test for equation, tests in checks().items() if not mutant or equation == mutant["equation"] for test in tests
    ]
    folder = Path(tempfile.mkdtemp(prefix="mutant-"))
    try:
        copy_package(folder, mutant)
        sys.dont_write_bytecode = True
        sys.path.insert(0, str(folder))
        with (folder / "output").open("w", encoding="utf-8") as output:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
            outcome = Outcome()
            where = [f"{ROOT}/tests/equations/{file}::{name}" for file, name in dict.fromkeys(chosen)]
            options = [
                "-x",
                "-q",
                "-p",
                "no:cacheprovider",
                "-p",
                "pytest_timeout",
                "--timeout=60",
                f"--rootdir={ROOT}",
            ]
            pytest.main([*options, *where], plugins=[outcome])
            sys.stdout.flush()
        loaded = Path(sys.modules[PACKAGE].__file__) if PACKAGE in sys.modules else ROOT
        text = (folder / "output").read_text(encoding="utf-8")
        if outcome.broken or not loaded.is_relative_to(folder) or not (outcome.failed or outcome.passed):
            return "broken", text
        return ("caught" if outcome.failed else "survived"), text
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run_all(mutants: list[dict[str, str] | None]):
    """The outcome of each mutant, in their order, two at a time; each in a fresh child of this process."""
    with multiprocessing.get_context("fork").Pool(2, maxtasksperchild=1) as pool:
        yield from pool.imap(run, mutants, chunksize=1)


def main(wanted: list[str]) -> int:
    """Run the mutants, print a table by equation, and say which survived."""
    started, mutants = time.monotonic(), [m for m in load() if not wanted or m["equation"] in wanted]
    warm_up()
    ((result, output),) = run_all([None])
    if result != "survived":
        print(output, "\nThe checks do not pass on the package as it is.", sep="", file=sys.stderr)
        return 1
    results, every, caught = [], Counter(), Counter()
    for mutant, (result, output) in zip(mutants, run_all(mutants)):
        results.append(mutant | {"result": result})
        every[mutant["equation"]] += 1
        caught[mutant["equation"]] += result == "caught"
        if result != "caught":
            print(f"\n{mutant['equation']} {result}: {mutant['file']}\n  - {mutant['old']}\n  + {mutant['new']}")
            if result == "broken":
                print(output[-2000:])
    print("equation  caught")
    for equation, count in every.items():
        print(f"{equation:>8}  {caught[equation]}/{count}")
    total, seconds = sum(caught.values()), time.monotonic() - started
    print(f"{total} of {len(mutants)} mutants caught in {seconds:.0f} s")
    if not wanted:
        RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return int(total < len(mutants))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
