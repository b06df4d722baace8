"""Attempts: every way in which an answer can go wrong is told in a line, and a stub that passes is found out."""

import pytest

from dreamtext_lib.lessons.exercises import attempt


def check_twice(twice):
    assert twice(2) == 4, "twice 2 is 4"


def fails(error):
    def answer(x):
        raise error

    return answer


def stub(x):
    raise NotImplementedError


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (stub, "Not yet: the cell above waits for your code."),
        (lambda x: x, "Not yet: twice 2 is 4"),
        (lambda x, y: x, "Not yet: TypeError: "),
        (fails(AssertionError("\n the tensors differ\nin many places")), "Not yet: the tensors differ\n"),
        (fails(AssertionError("\n")), "Not yet: the numbers differ from what the check wants."),
        (fails(RuntimeError("\nsizes differ\nhere and there")), "Not yet: RuntimeError: sizes differ\n"),
        (lambda x: 2 * x, "Solved."),
    ],
)
def test_an_attempt_is_told_in_one_line(answer, told, capsys, monkeypatch):
    monkeypatch.delenv("DREAMTEXT_STUBS", raising=False)
    attempt(check_twice, answer)
    out = capsys.readouterr().out
    assert out.startswith(told) and out.count("\n") == 1


def test_a_stub_that_passes_is_found_out(monkeypatch):
    monkeypatch.setenv("DREAMTEXT_STUBS", "1")
    attempt(check_twice, stub)
    with pytest.raises(AssertionError, match="check_twice passes a stub"):
        attempt(check_twice, lambda x: 2 * x)
