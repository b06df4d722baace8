"""Sphinx extension: numbers of equations, and words of the glossary, become links by themselves.

A number such as (3.21) leads to the display that has it as its tag: in the same chapter, else in the first that has
one, else to its row in the ledger of equations. The first occurrence of a word of the glossary in a page leads to its
entry, and shows the definition when the pointer rests on it.
"""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from docutils import nodes

NUMBER, TAG = re.compile(r"\((\d\.\d{1,2})\)"), re.compile(r"\\tag\{(\d\.\d{1,2})\}")
LEDGER, GLOSSARY = "book/equations", "book/glossary"
EQUATIONS = Path(__file__).with_name("equations.yml")
VERBS = ("judge", "score")  # what someone does, as often as a thing, and what looks like their plural nearly always
THING = re.compile(r"(?:\b(?:an?|the|this|that|its|our|each|same|of|own|no)|['\u2019]s)\s+$", re.I)  # before a thing
PLAIN = (nodes.paragraph, nodes.entry, nodes.caption, nodes.emphasis, nodes.strong, nodes.term, nodes.inline)
CODE = (nodes.literal, nodes.literal_block, nodes.math, nodes.math_block, nodes.raw)
CLOSED = (nodes.reference, nodes.title, nodes.citation, *CODE)  # where nothing becomes a link


def anchor(number: str) -> str:
    """The id of an equation's place in a page.

    >>> anchor("3.21")
    'eq-3-21'
    """
    return f"eq-{number.replace('.', '-')}"


def mark(app: Any, doctree: nodes.document) -> None:
    """Give each tagged display an id, and each row of the ledger; remember which pages have which number."""
    page, places = app.env.docname, places_of(app.env)
    for display in doctree.findall(nodes.math_block):
        for number in TAG.findall(display.astext()):
            if page not in places.setdefault(number, []):
                display["ids"].append(anchor(number))
                places[number].append(page)
    if page == LEDGER:
        for row in doctree.findall(nodes.row):
            if re.fullmatch(r"\d\.\d{1,2}", number := row[0].astext().strip()):
                row[0][0]["ids"].append(anchor(number))
    if page == GLOSSARY:
        app.env.glossary_words = dict(words_of(doctree))


def places_of(env: Any) -> dict[str, list[str]]:
    """The pages that display each number."""
    if not hasattr(env, "equation_places"):
        env.equation_places = {}
    return env.equation_places


def forget(app: Any, env: Any, page: str) -> None:
    """A page is read anew: what it had is no longer sure."""
    for pages in places_of(env).values():
        if page in pages:
            pages.remove(page)


def words_of(doctree: nodes.document) -> Iterator[tuple[str, tuple[str, str]]]:
    """Each term of the glossary with its id and its definition."""
    for item in doctree.findall(nodes.definition_list_item):
        terms = [term for term in item if isinstance(term, nodes.term) and term["ids"]]
        definition = next((part.astext() for part in item if isinstance(part, nodes.definition)), "")
        for term in terms:
            yield term.astext().strip(), (term["ids"][0], " ".join(definition.split()))


def link(app: Any, doctree: nodes.document, page: str) -> None:
    """Turn numbers and the first occurrences of words into links."""
    for text in open_texts(doctree):
        replace(text, NUMBER, lambda match: to_equation(app, page, match))
    words = getattr(app.env, "glossary_words", {})
    if page == GLOSSARY or page.startswith("book/api/") or not words:
        return
    pattern, met = one_of(words), set()

    def once(match: re.Match) -> nodes.reference | None:
        word = next((w for w in words if same(w, match[0])), None)
        if word is None or word in met or (word in VERBS and not THING.search(match.string[: match.start()])):
            return None
        met.add(word)
        return to(app, page, GLOSSARY, words[word][0], match[0], "term", words[word][1])

    for text in open_texts(doctree):
        if any(isinstance(parent, nodes.paragraph) for parent in parents(text)):
            replace(text, pattern, once)


def open_texts(doctree: nodes.document) -> list[nodes.Text]:
    """The texts that may hold a link."""
    return [
        text
        for text in doctree.findall(nodes.Text)
        if isinstance(text.parent, PLAIN) and not any(isinstance(parent, CLOSED) for parent in parents(text))
    ]


def parents(node: nodes.Node) -> Iterator[nodes.Node]:
    """The nodes around a node, from the inside out."""
    while node.parent is not None:
        node = node.parent
        yield node


def replace(text: nodes.Text, pattern: re.Pattern, made: Any) -> None:
    """Put what `made` gives for each match in its place; None leaves it as it is."""
    whole, parts, end = text.astext(), [], 0
    for match in pattern.finditer(whole):
        if (node := made(match)) is not None:
            parts += [nodes.Text(whole[end : match.start()]), node]
            end = match.end()
    if parts:
        text.parent.replace(text, [part for part in (*parts, nodes.Text(whole[end:])) if part.astext()])


def to_equation(app: Any, page: str, match: re.Match) -> nodes.reference | None:
    """A link to where an equation is displayed; None if there is no such equation."""
    number = match[1]
    if number not in known():
        return None
    pages = places_of(app.env).get(number, [])
    where = page if page in pages else min(pages, default=LEDGER)
    return to(app, page, where, anchor(number), match[0], "equation")


def to(app: Any, page: str, target: str, place: str, text: str, kind: str, title: str | None = None) -> nodes.reference:
    """A link from a page to a place in another or the same."""
    uri = f"#{place}" if target == page else f"{app.builder.get_relative_uri(page, target)}#{place}"
    node = nodes.reference("", "", nodes.Text(text), internal=True, refuri=uri, classes=[kind])
    if title:
        node["reftitle"] = title
    return node


@cache
def known() -> frozenset[str]:
    """The numbers of all equations."""
    return frozenset(str(entry["id"]) for entry in yaml.safe_load(EQUATIONS.read_text(encoding="utf-8")))


def same(word: str, found: str) -> bool:
    """Whether a found text is a word of the glossary, or its plural; capitals matter where the word has them.

    >>> same("latent", "Latents"), same("KL", "kl"), same("ray", "array")
    (True, False, False)
    """
    forms = (word,) if word in VERBS else (word, f"{word}s")
    return found in forms or (word.islower() and found.lower() in forms)


def one_of(words: Any) -> re.Pattern:
    """A pattern for any of the words, the longest first."""
    parts = [
        re.escape(word) if not word.islower() else f"[{word[0].upper()}{word[0]}]{re.escape(word[1:])}"
        for word in sorted(words, key=len, reverse=True)
    ]
    return re.compile(rf"(?<![\w-])(?:{'|'.join(parts)})s?(?![\w-])")


def setup(app: Any) -> dict[str, bool]:
    """What sphinx calls."""
    app.connect("doctree-read", mark)
    app.connect("env-purge-doc", forget)
    app.connect("doctree-resolved", link)
    return {"parallel_read_safe": False}
