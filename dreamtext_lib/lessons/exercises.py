"""Exercises that check themselves: a reader's answer is tried, and told in one line how it went.

An exercise is three cells: a stub that raises NotImplementedError, `attempt(check_x, x)`, and a folded solution that
ends in `check_x(x_solution)`. A check is a function of the answer that asserts; the messages of its asserts are hints.
"""

import os
from collections.abc import Callable
from typing import Any


def first_line(error: Exception) -> str:
    """The first line of a message that is not empty; '' if there is none."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "")


def attempt(check: Callable[[Any], None], answer: Any) -> None:
    """Try an answer: prints 'Solved.', or 'Not yet' with what went wrong; never a traceback.

    With DREAMTEXT_STUBS=1, which the tests set, the answer is the stub and has to fail: AssertionError if it passes.
    """
    try:
        check(answer)
    except NotImplementedError:
        print("Not yet: the cell above waits for your code.")
    except AssertionError as error:
        print(f"Not yet: {first_line(error) or 'the numbers differ from what the check wants.'}")
    except Exception as error:  # any mistake of a learner's is theirs to read, in a line
        print(f"Not yet: {type(error).__name__}: {first_line(error)}")
    else:
        if os.environ.get("DREAMTEXT_STUBS", "") not in ("", "0"):
            raise AssertionError(f"{check.__name__} passes a stub: it checks nothing")
        print("Solved.")
