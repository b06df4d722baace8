"""Tables of chapters: every cell once, in its place, as text; rows that do not fit are refused."""

import re

import pytest

from dreamtext_lib.lessons.tables import table


def test_each_cell_is_there_in_its_order_and_as_text():
    page = table(["kind", "a < b", "n"], [["wide & low", "1 > 0", 2], ["narrow", None, 3.5]]).data
    cells = re.findall(r"<t[hd] [^>]*>(.*?)</t[hd]>", page)
    assert cells == ["kind", "a &lt; b", "n", "wide &amp; low", "1 &gt; 0", "2", "narrow", "None", "3.5"]
    assert page.count("<tr>") == 3 and page.count('scope="row"') == 2 and page.count('scope="col"') == 1


def test_a_row_of_another_length_is_refused():
    with pytest.raises(ValueError, match="a row has 1 cells and the head 2"):
        table(["a", "b"], [[1]])


def test_an_interval_stays_on_one_line():
    cell, words = (
        table(["", "x"], [["a", v]]).data.split('right">')[-1] for v in ("+0.5 (+0.4 to +0.6) *", "(to the left)")
    )
    assert words.startswith("(to the left)</td>")
    assert cell.startswith('+0.5 <span style="white-space: nowrap">(+0.4 to&nbsp;+0.6)&nbsp;*</span></td>')
