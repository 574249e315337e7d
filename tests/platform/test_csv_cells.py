"""CSV that a spreadsheet opens: texts of somebody else's are no formulas, and numbers are numbers."""

import csv
import io

import pytest

from trialmaker.platform.csv_cells import csv_text


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ('=HYPERLINK("http://elsewhere")', '\'=HYPERLINK("http://elsewhere")'),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("-2+3", "'-2+3"),
        ("@SUM(1)", "'@SUM(1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\n=1"),
        ("a\r=1,2", "a\n=1,2"),
        ("  =1", "'  =1"),
        ("\uff1d1", "'\uff1d1"),
        ("-0.5", "-0.5"),
        ("+1e-3", "+1e-3"),
        ("a=b", "a=b"),
        ("基线", "基线"),
        (-0.25, "-0.25"),
        (-3, "-3"),
        (None, ""),
    ],
)
def test_a_cell(value: object, cell: str) -> None:
    text = csv_text([["name", "other"], [value, value]])
    assert list(csv.reader(io.StringIO(text, newline=""))) == [["name", "other"], [cell, cell]]
