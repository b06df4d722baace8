"""Prompts with view words (thesis 6.1.7)."""

from torch import Tensor

from ..radiance.cameras import VIEW_WORDS
from .prior import Prior


def check_prompt(prompt: str) -> str:
    """The prompt without surrounding space. Raises ValueError if nothing is left, or if a part is no text.

    What the terminal's encoding cannot read, Python hands on as lone surrogates, and these no file can keep.
    """
    if not any(c.isprintable() and not c.isspace() for c in prompt):
        raise ValueError("the prompt is empty; say what to dream, for example 'a red castle'")
    if any("\ud800" <= c <= "\udfff" for c in prompt):
        raise ValueError("the prompt holds bytes that are no text in this terminal's encoding; set it to UTF-8")
    if "\x1b" in prompt or "\0" in prompt:
        raise ValueError("the prompt holds a control code of a terminal; type it as plain text")
    return prompt.strip()


def view_states(prior: Prior, prompt: str, *, worded: bool = True, negative: str = "") -> dict[str, Tensor]:
    """Text states for 'PROMPT, front view' and the other view words, and under '' for no text: each (1, L, C).

    Not worded: the prompt alone, whatever the view. A negative prompt is said instead of no text. Raises ValueError if
    the prompt is empty or, with its view word, longer than the tokenizer takes.
    """
    prompt = check_prompt(prompt)
    texts = {word: f"{prompt}, {word} view" if worded else prompt for word in VIEW_WORDS} | {"": negative}
    return dict(zip(texts, prior.encode_text(list(texts.values())).split(1)))
