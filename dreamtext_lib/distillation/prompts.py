"""Prompts with view words (thesis 6.1.7)."""

from typing import TYPE_CHECKING

from torch import Tensor

from ..radiance.cameras import VIEW_WORDS

if TYPE_CHECKING:
    from .prior import Prior  # whose libraries take seconds to load


def check_prompt(prompt: str) -> str:
    """The prompt without surrounding space. Raises ValueError if nothing is left, or as `check_characters`."""
    if not any(c.isprintable() and not c.isspace() for c in prompt):
        raise ValueError("the prompt is empty; say what to dream, for example 'a red castle'")
    check_characters(prompt, "the prompt")
    return prompt.strip()


def check_characters(text: str, what: str) -> None:
    """Raise ValueError, with `what` the text is called, if a part of it is no text.

    What the terminal's encoding cannot read, Python hands on as lone surrogates, and these no file can keep.
    """
    if any("\ud800" <= c <= "\udfff" for c in text):
        raise ValueError(f"{what} holds bytes that are no text in this terminal's encoding; set it to UTF-8")
    if "\x1b" in text or "\0" in text:
        raise ValueError(f"{what} holds a control code of a terminal; type it as plain text")


def view_states(prior: "Prior", prompt: str, *, worded: bool = True, negative: str = "") -> dict[str, Tensor]:
    """Text states for 'PROMPT, front view' and the other view words, and under '' for no text: each (1, L, C).

    Not worded: the prompt alone, whatever the view. A negative prompt is said instead of no text. Raises ValueError if
    the prompt is empty, or if either is no text or, the prompt with its view word, longer than the tokenizer takes.
    """
    prompt = check_prompt(prompt)
    check_characters(negative, "the negative prompt")
    texts = {word: f"{prompt}, {word} view" if worded else prompt for word in VIEW_WORDS} | {"": negative}
    return dict(zip(texts, prior.encode_text(list(texts.values())).split(1)))
