"""What several tests share: the tiny prior, loaded once; and which of them a worker runs one after another."""

import os
import signal

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["OMP_NUM_THREADS"] = "1"  # before torch reads it, and for what the tests start
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # in the background of a script; what tests start would ignore it
    signal.signal(signal.SIGINT, signal.default_int_handler)

import pytest
import torch

from dreamtext_lib.distillation.prior import load_prior
from dreamtext_lib.files import write_json
from dreamtext_lib.viewing.film import write_webp
from dreamtext_lib.zoo import MODELS


@pytest.hookimpl(optionalhook=True)  # of xdist
def pytest_xdist_make_scheduler(config, log):
    """With several workers: the tests of the book go to one of them, which builds it once, all others file by file.

    Another `--dist` than xdist's usual one is left as it is.
    """
    if config.getoption("dist") != "load":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            file = nodeid.split("::")[0]
            return "tests/book" if file.startswith("tests/book/") else file

    return ByFile(config, log)


@pytest.fixture(scope="session")
def prior():
    return load_prior(str(MODELS / "tiny"))


@pytest.fixture
def fake_sweep(tmp_path):
    """A maker of folders as `dreamtext sweep` leaves them, whose rows are given: (recipe, subject, seed) -> row."""

    def make(name, rows, *, kind="image", settings=None, turns=True):
        about = {"image": "image", "dream": "prompt", "sample": "prompt"}[kind]
        for (recipe, subject, seed), row in rows.items():
            job = {"folder": f"{recipe}/{subject.replace(' ', '-')}-{seed}", "kind": kind, "recipe": recipe}
            job |= {about: subject, "seed": seed, "model": None, "settings": settings or {"of": recipe}, "score": {}}
            home = tmp_path / name / job["folder"]
            write_json(home / "job.json", job)
            if row is not None:
                write_json(home / "row.json", {"score": {}, "row": row})
            if row and turns:
                write_webp(torch.linspace(0, 1, 24)[:, None, None, None].expand(-1, 8, 8, 3), home / "turn.webp")
        return tmp_path / name

    return make
