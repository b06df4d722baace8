"""Numbers of equations and words of the glossary become links: to the display here, elsewhere, or the ledger's row."""

import re
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FIRST = r"""# First

Look at (3.1), and at (3.1) again; (2.4) stands in the ledger, (9.9) nowhere, `(3.1)` is code. Two latents and a Latent
are seen by the judge, not by judgement.

$$x=1\tag{3.1}$$

## A heading with (3.1) and the judge
"""
SECOND = r"""# Second

As (3.1) says, and (3.2) too, CLIP judges, to judge is hard, and the judge is right. The judge is asked twice.

$$y=2\tag{3.2}$$

$$x=1\tag{3.1}$$
"""
LEDGER = "# Ledger\n\n| no. | equation |\n|---|---|\n| 2.4 | neuron |\n| 3.1 | forward |\n"
PAPERS = "# References\n\n```{bibliography}\n:all:\n```\n"
GLOSSARY = '# Glossary\n\n```{glossary}\nlatent\n  A small "code".\n\njudge\n  A CLIP that scores.\n```\n'


@pytest.fixture(scope="module")
def pages(tmp_path_factory, build_book):
    source = tmp_path_factory.mktemp("links")
    shutil.copytree(ROOT / "book", source / "book", ignore=shutil.ignore_patterns("*.md"))
    shutil.copy(ROOT / "_config.yml", source)
    toc = "format: jb-book\nroot: a\nchapters:\n" + "".join(
        f"  - file: {f}\n" for f in ("b", "book/equations", "book/glossary", "book/references")
    )
    (source / "_toc.yml").write_text(toc, encoding="utf-8")
    texts = {"a": FIRST, "b": SECOND, "book/equations": LEDGER, "book/glossary": GLOSSARY, "book/references": PAPERS}
    for name, text in texts.items():
        (source / f"{name}.md").write_text(text, encoding="utf-8")
    html, _ = build_book(source, tmp_path_factory.mktemp("links-built"))
    return {name: (html / f"{name}.html").read_text(encoding="utf-8") for name in texts}


def links(text, kind):
    return re.findall(rf'<a class="(?:\w+ )*{kind}(?: \w+)*" href="([^"]+)"(?: title="([^"]*)")?>([^<]+)</a>', text)


def test_numbers_lead_to_the_display_or_to_the_ledger(pages):
    assert links(pages["a"], "equation") == [
        ("#eq-3-1", "", "(3.1)"),
        ("#eq-3-1", "", "(3.1)"),
        ("book/equations.html#eq-2-4", "", "(2.4)"),
    ]
    assert links(pages["b"], "equation") == [("#eq-3-1", "", "(3.1)"), ("#eq-3-2", "", "(3.2)")]
    assert pages["a"].count('id="eq-3-1"') == pages["b"].count('id="eq-3-1"') == 1 and 'id="eq-3-2"' in pages["b"]
    assert 'id="eq-2-4"' in pages["book/equations"]


def test_the_first_occurrence_of_a_word_shows_its_meaning(pages):
    where = "book/glossary.html#term-"
    assert links(pages["a"], "term") == [
        (f"{where}latent", "A small “code”.", "latents"),
        (f"{where}judge", "A CLIP that scores.", "judge"),
    ]
    assert links(pages["b"], "term") == [(f"{where}judge", "A CLIP that scores.", "judge")]
    assert "CLIP judges, to judge is hard, and the <a" in pages["b"]  # what someone does is not what it is
    assert not links(pages["book/glossary"], "term")


def test_titles_of_papers_are_left_as_they_are(pages):
    page = pages["book/references"]
    assert "latent diffusion models" in page and not links(page, "term") and not links(page, "equation")
    labels = re.findall(r'<span class="fn-bracket">\[</span>([^<]+)<', page)
    assert len(labels) > 50 and max(map(len, labels)) <= 9, [label for label in labels if len(label) > 9]
