"""The fonts of figures: from a list of files, so that what is installed decides nothing here."""

from pathlib import Path

import pytest

from support.fonts import make_font
from trialmaker.tracking.figures.class_labels import class_labels
from trialmaker.tracking.figures.fonts import find_fonts, plain


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\x1b[31mb\x07\n c", "a[31mb c"),
        ("cafe\u0301", "café"),
        ("a\u202eb\ufe0f\u200d", "ab"),
        (" 大 熊猫 ", "大 熊猫"),
    ],
)
def test_a_text_is_one_line_of_characters_that_are_seen(text: str, expected: str) -> None:
    assert plain(text) == expected


def test_fonts_are_added_until_each_character_has_a_glyph(tmp_path: Path) -> None:
    """The one for Chinese comes first, by its name; a file that is no font is passed over."""
    (tmp_path / "broken.ttf").write_bytes(b"no font")
    first = make_font(tmp_path / "SourceHanSansOfTests.ttf", "猫")
    second, other = make_font(tmp_path / "aThai.ttf", "猫ก"), make_font(tmp_path / "Greek.ttf", "α")
    fonts = find_fonts(["cat 猫ก"], [other, second, str(tmp_path / "broken.ttf"), first])
    assert fonts.families == ("DejaVu Sans", "SourceHanSansOfTests", "aThai") and not fonts.missing
    assert find_fonts(["Straße → λ · ½"], [other]).families == ("DejaVu Sans",)


def test_without_a_font_the_characters_are_named_and_left_out_of_texts() -> None:
    fonts = find_fonts(["猫 cnn 狗"], [])
    assert fonts.missing == {"猫", "狗"} and fonts.drawable("猫 cnn 狗") == "cnn"
    assert not fonts.can_draw("猫a") and not fonts.can_draw("") and fonts.can_draw("a")


def test_labels_are_names_or_numbers_and_never_equal() -> None:
    names = ["cat", "猫", "\x1b", "n0" * 20 + "a", "n0" * 20 + "b", "a very long name of one class"]
    labels = class_labels(names, find_fonts(names, []))
    assert labels.texts == [
        "cat",
        "#1",
        "#2",
        "#3 n0n0n0n0n0n0n0n0n…",
        "#4 n0n0n0n0n0n0n0n0n…",
        "a very long name of one…",
    ]
    assert labels.note and class_labels(["0", "1"], labels.fonts).note == ""


def test_a_legend_is_safe_html() -> None:
    names = ["<script>", "猫"]
    page = class_labels(names, find_fonts(names, [])).legend("a & b")
    assert (
        "<tr><td>&lt;script&gt;<td>&lt;script&gt;</tr>\n<tr><td>#1<td>猫</tr>" in page and "<h1>a &amp; b</h1>" in page
    )
