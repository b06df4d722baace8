"""What several tests share: the tiny prior, loaded once."""

import pytest

from dreamtext_lib.distillation.prior import load_prior
from dreamtext_lib.zoo import MODELS


@pytest.fixture(scope="session")
def prior():
    return load_prior(str(MODELS / "tiny"))
