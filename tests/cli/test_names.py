"""Names of what commands write: every script kept, no two prompts in one, nothing written over, any system."""

import re
import subprocess
import sys
import unicodedata
from argparse import ArgumentTypeError
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from dreamtext_lib.cli.fit import name_of
from dreamtext_lib.cli.names import free, new_file, new_folder, seed
from dreamtext_lib.slugs import BYTES, LETTERS, MARK, slug

RESERVED = {"con", "prn", "aux", "nul"} | {f"{port}{n}" for port in ("com", "lpt") for n in range(10)}  # on Windows
PROMPTS = [
    "a red castle", "A red castle", "a red castle!", "a red, castle", "a-red castle", "a red castle 2fdfaf",
    "红色的城堡", "синий замок", "قلعة حمراء", "लाल किला", "a réd castle", "赤い城", "🏰", "con", "nul", "..", "!!!",
    "???", "x" * 300, "x" * 301, "城" * 300, "C:\\castle", "a/b", "a\nb",
]  # fmt: skip


def test_a_link_that_leads_nowhere_is_no_place(tmp_path):
    (link := tmp_path / "link").symlink_to(tmp_path / "gone")
    with pytest.raises(ValueError, match="is a link that leads nowhere; remove it, or name another folder"):
        new_folder(link)
    with pytest.raises(ValueError, match="is a link that leads nowhere; remove it, or name another file"):
        new_file(link, "--out")


def test_every_script_keeps_its_letters():
    assert slug("a red castle") == "a-red-castle"
    for prompt in ("红色的城堡", "синий замок", "قلعة حمراء", "लाल किला", "a réd castle"):
        assert slug(prompt).replace("-", " ") == prompt


def test_no_two_prompts_have_one_name():
    assert len({slug(prompt) for prompt in PROMPTS}) == len(PROMPTS)


def check_name(prompt):
    name = f"{slug(prompt)}-0"
    assert len(name) <= LETTERS + MARK + 3 and len(name.encode()) <= BYTES + MARK + 3
    assert not re.search(r'[<>:"/\\|?*\x00-\x1f\s]', name) and not name.startswith((".", "-"))
    assert name.lower() not in RESERVED and name[-1] not in " ."
    assert unicodedata.normalize("NFC", name) == name


@given(some.text(min_size=1, max_size=200))
def test_a_name_is_fit_for_every_system(prompt):
    check_name(prompt)


@pytest.mark.parametrize("prompt", PROMPTS)
def test_the_name_of_each_of_these_is_fit_too(prompt):
    check_name(prompt)


def test_the_same_letters_in_two_forms_are_one_prompt():
    assert slug(unicodedata.normalize("NFD", "a réd castle")) == slug("a réd castle")


def test_a_name_that_is_taken_gets_a_number(tmp_path):
    assert free(tmp_path / "a.png") == tmp_path / "a.png"
    (tmp_path / "a.png").touch()
    (tmp_path / "a-2.png").touch()
    assert free(tmp_path / "a.png") == tmp_path / "a-3.png"


def test_what_is_there_is_not_written_over(tmp_path):
    (tmp_path / "mine").write_text("mine", encoding="utf-8")
    for make, place, words in (
        (lambda p: new_file(p, "--out"), tmp_path / "mine", "is there already"),
        (lambda p: new_file(p, "--page"), tmp_path, "--page .* is a folder"),
        (lambda p: new_file(p, "--out"), tmp_path / "mine" / "a.png", "cannot be written: it is not a folder"),
        (new_folder, tmp_path / "mine", "is a file; name a folder"),
        (new_folder, tmp_path, "is not empty"),
        (new_folder, tmp_path / "mine" / "run", "cannot be written"),
    ):
        with pytest.raises(ValueError, match=words):
            make(place)
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]
    assert new_folder(tmp_path / "a" / "b") == tmp_path / "a" / "b" and not (tmp_path / "a").exists()


def test_a_run_that_was_killed_before_its_first_checkpoint_blocks_no_other(tmp_path):
    holds = "import os, sys; from pathlib import Path; from dreamtext_lib.drive import alone\n"
    code = holds + "with alone(Path(sys.argv[1])): os._exit(9)"
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path / "run")]).returncode == 9
    assert list((tmp_path / "run").iterdir()) and new_folder(tmp_path / "run") == tmp_path / "run"


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="there is no /proc here")
def test_a_folder_that_takes_no_file_is_named():
    with pytest.raises(ValueError, match=r"'/proc/nothing/here.png' cannot be written: .*'/proc'"):
        new_file(Path("/proc/nothing/here.png"), "--out")


@pytest.mark.parametrize("text", ["-1", "1.5", "x", "", str(2**64), "1e3"])
def test_a_seed_is_a_whole_number_of_64_bits(text):
    with pytest.raises(ArgumentTypeError, match="is no whole number from 0 to 2"):
        seed(text)
    assert seed(str(2**64 - 1)) == 2**64 - 1 and seed("0") == 0


def test_fits_are_named_after_their_captures(tmp_path):
    assert name_of(tmp_path / "castle") == "castle"
    (tmp_path / "castle").mkdir()
    for file, name in (("transforms.json", "castle"), ("night.json", "castle-night")):
        (tmp_path / "castle" / file).touch()
        assert name_of(tmp_path / "castle" / file) == name
