"""The text of messages: on one line, and printable."""

import pytest

from trialmaker.errors import UserError, one_line, printable


def test_a_user_error_has_a_line_for_each_mistake() -> None:
    error = UserError("seed=-1: must be at least 0", "output=: must not be empty")
    assert str(error) == "seed=-1: must be at least 0\noutput=: must not be empty"
    assert error.mistakes == ("seed=-1: must be at least 0", "output=: must not be empty")


@pytest.mark.parametrize(
    ("error", "limit", "line"),
    [
        (ValueError("no such column: x"), None, "no such column: x"),
        (ValueError("  two\nlines,\t a tab and\r\n\n blanks "), None, "two lines, a tab and blanks"),
        (ValueError(), None, "ValueError"),
        (ValueError(" \n"), None, "ValueError"),
        (KeyError("name"), None, "'name'"),
        (KeyboardInterrupt(), None, "KeyboardInterrupt"),
        (KeyboardInterrupt(), 8, "Keyboard"),
        (UserError("one", "other"), None, "one other"),
        (ValueError("12345"), 5, "12345"),
        (ValueError("123\n456"), 5, "123 4"),
        ("a\ntext", None, "a text"),
        ("", None, ""),
        (None, None, "None"),
    ],
)
def test_one_line(error: object, limit: int | None, line: str) -> None:
    assert one_line(error, limit) == line


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("", ""),
        ("a text, 手写数字 – é", "a text, 手写数字 – é"),
        ("a\nb\tc\rd", "a\\nb\\tc\\rd"),
        ("\x1b[31mred\0", "\\x1b[31mred\\x00"),
        ("soft\xadhyphen", "soft\\xadhyphen"),
        ("left\u200eright", "left\\u200eright"),
        ("\udcff", "\\udcff"),
        ("'quotes' \"stay\" \\", "'quotes' \"stay\" \\"),
    ],
)
def test_printable(text: str, escaped: str) -> None:
    assert printable(text) == escaped
