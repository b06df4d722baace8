"""What a chapter may spend, and what it spent. `DREAMTEXT_QUICK=1` shrinks the budgets of all notebooks for tests."""

import os
import time

import torch

STARTED = time.perf_counter()  # a notebook's first cell imports this module


def quick() -> bool:
    """Whether budgets are to be shrunk for a test."""
    return os.environ.get("DREAMTEXT_QUICK", "") not in ("", "0")


def ran() -> str:
    """A sentence about how long a notebook took until now, for its last cell."""
    minutes, seconds = divmod(round(time.perf_counter() - STARTED), 60)
    threads = torch.get_num_threads()
    return f"the whole chapter ran in {minutes} min {seconds:02d} s on {threads} thread{'s' * (threads > 1)}"
