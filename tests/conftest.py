"""What several tests share: the tiny prior, loaded once."""

import pytest
import torch

from dreamtext_lib.distillation.prior import load_prior
from dreamtext_lib.runs import write_json
from dreamtext_lib.viewing.film import write_webp
from dreamtext_lib.zoo import MODELS


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
