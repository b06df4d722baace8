"""What the benchmarks measured, as the book tells it: its pages, seconds to a mark, too much memory."""

import subprocess
from types import SimpleNamespace

import pytest
import torch

from benchmarks import memory
from benchmarks.fit import ahead, reached
from book import fields
from dreamtext_lib.sweep import dreams


def curve(*points):
    return [{"seconds": seconds, "psnr": psnr} for seconds, psnr in points]


def test_the_pages_are_what_the_results_give():
    pages = fields.pages()
    assert pages == {name: (fields.OUT / f"{name}.md").read_text(encoding="utf-8") for name in pages}
    assert "29.0 (2 pictures)" in pages["fit"] and "| ≤ 25.0 |" in pages["gpu"]


def test_seconds_to_a_mark_lie_between_two_looks_and_a_first_look_above_it_is_a_bound():
    points = curve((25.0, 22.0), (50.0, 26.0), (75.0, 25.0), (100.0, 27.0))
    assert reached(points, 24) == (37.5, False) and reached(points, 26.5) == (93.75, False)
    assert reached(points, 20) == (25.0, True) and reached(points, 28) is None
    fast = [curve((2.0, 8.0), (4.0, 40.0)), curve((2.0, 8.0), (18.0, 40.0))]  # at 24 dB after 3 s and after 10 s
    assert ahead(fast, [points], 24) == "4 times sooner"
    assert ahead(fast, [curve((25.0, 25.0))], 24) == "at most 2 times sooner"
    assert ahead(fast, [curve((25.0, 5.0), (80.0, 23.0)), curve((90.0, 25.0))], 24) == "more than 8 times sooner"


def test_only_a_case_that_memory_stopped_is_called_too_large(monkeypatch):
    def ends(code, said):
        monkeypatch.setattr(
            subprocess, "run", lambda *_, **__: SimpleNamespace(returncode=code, stdout=out, stderr=said)
        )

    out = "[1.5, 2.0]\n"
    ends(0, "")
    assert memory.measure(64, 1, 1, 20) == (1.5, 2.0)
    for said in ("DefaultCPUAllocator: can't allocate memory: you tried", "MemoryError", "std::bad_alloc"):
        ends(1, said)
        assert memory.measure(64, 1, 1, 20) is None
    ends(1, "ImportError: no module")
    with pytest.raises(RuntimeError, match="64 px failed with code 1, not for memory:\nImportError: no module"):
        memory.measure(64, 1, 1, 20)


def test_the_graphs_of_a_sweep_have_as_many_threads_as_pytorch(monkeypatch):
    given = []
    monkeypatch.setattr("dreamtext_lib.distillation.prior.load_prior", lambda *_: "prior")
    monkeypatch.setattr("dreamtext_lib.distillation.graph.quicken", lambda prior, threads=1: given.append(threads))
    for threads in (1, 3):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        assert dreams.prior_of.__wrapped__("tiny") == ("prior", "tiny")
    assert given == [1, 3]
