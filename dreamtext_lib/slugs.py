"""Names made of texts in any script, fit for every system, never two texts in one."""

import hashlib
import re
import unicodedata

LETTERS, BYTES = 60, 150  # at most in a name; systems allow 255 bytes, some 260 letters for a whole path
MARK = 6  # letters of the mark of a prompt that its name does not hold whole


def slug(text: str) -> str:
    """The part of a name that a text gives: its letters, marks and digits in any script, small, joined by '-'.

    A text that cannot be read off it (capitals, other signs, too long) leaves a mark of its own at the end, so that two
    texts do not have one name; Unicode's normal forms of one text do. A caller that adds '-SEED' or the like keeps
    clear of the names that Windows reserves, such as 'con'; the name alone may be one of them.

    >>> slug("a red castle"), slug("红色的城堡"), slug("A red castle!")
    ('a-red-castle', '红色的城堡', 'a-red-castle_2fdfaf')
    """
    text = unicodedata.normalize("NFC", text)
    kept = "".join(c if unicodedata.category(c)[0] in "LMN" else "-" for c in text.lower())
    name = re.sub("-+", "-", kept).strip("-")[:LETTERS]
    while len(name.encode("utf-8", "surrogatepass")) > BYTES:
        name = name[:-1]
    name = unicodedata.normalize("NFC", name.strip("-"))
    if name.replace("-", " ") == text:
        return name
    mark = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:MARK]
    return f"{name}_{mark}"  # no sign that a name holds otherwise
