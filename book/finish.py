"""Sphinx extension: the last touches on a page. What a page loads is light, and its folds are called what they say.

A picture has its size from the beginning, and is loaded when the reader comes near it; MathJax is loaded for formulas.
The other scripts of a page are chosen in `_templates/layout.html` and, for widgets, in `_config.yml`.
"""

import re
from pathlib import Path
from typing import Any

from PIL import Image

PICTURE = re.compile(r'<img (?![^>]*\b(?:width|style)=)(?=[^>]*src="(?:\.\./)*_images/([^"]+\.(?:png|jpe?g|webp))")')
MENDED = {
    '<summary aria-label="Toggle hidden content">': "<summary>",  # a voice then reads what an eye does
    'role="doc-biblioentry"': 'role="listitem"',  # what a list is made of
}


def sized(body: str, files: dict[str, Path]) -> str:
    """The HTML of a page with width, height and lazy loading on each picture among `files`, name -> file.

    >>> sized('<img alt="a" src="../_images/there.png">', {})
    '<img alt="a" src="../_images/there.png">'
    """

    def told(match: re.Match) -> str:
        if match[1] not in files:
            return match[0]
        with Image.open(files[match[1]]) as picture:
            width, height = picture.size
        return f'<img loading="lazy" width="{width}" height="{height}" '

    return PICTURE.sub(told, body)


def finish(app: Any, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Touch a page that is about to be written."""
    if "body" in context:
        files = {name: Path(app.srcdir) / source for source, name in app.builder.images.items()}
        body = sized(context["body"], files)
        for wrong, right in MENDED.items():
            body = body.replace(wrong, right)
        context["body"] = body
        if 'class="math' not in body:  # sphinx loads it too where a page below this one has a formula
            scripts = context["script_files"]
            context["script_files"] = [s for s in scripts if "/mathjax/" not in (getattr(s, "filename", "") or "")]


def setup(app: Any) -> dict[str, bool]:
    """What sphinx calls."""
    app.connect("html-page-context", finish, priority=900)  # after the scripts are gathered
    return {"parallel_read_safe": True, "parallel_write_safe": True}
