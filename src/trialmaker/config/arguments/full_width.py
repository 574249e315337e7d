"""Words as Chinese input methods type them, read as they are meant: ``——epochs　２``, ``lr＝0.1``, ``128，64``.

What is syntax is read so: dashes, names, ``=``; and values that are no text: numbers, truth values, choices, lists of
them. A value that is text, such as a path or a name, stays to the letter.
"""

import re
from collections import deque
from collections.abc import Sequence

from trialmaker.config.arguments.names import HYDRA_TEXT, Name, Names
from trialmaker.config.arguments.tokens import FLAGS, SWITCHES, display
from trialmaker.platform.input_methods import WIDE_BLANKS, dash_count, plain, plain_dashes

PARAMETER_NAME = re.compile(r"(\+\+?|~)?([A-Za-z_][A-Za-z0-9_./@-]*)", re.ASCII)
BLANKS = re.compile(f"[{WIDE_BLANKS}]+")
FLAG_ARGUMENT = Name("hydra.config_path")  # a path or a name


def as_meant(argv: Sequence[str], names: Names) -> tuple[list[str], str]:
    """Return the words of a command line as they are meant, and a line that says what was read as what; "" for nothing.

    Args:
        argv: the command line without the program's name.
        names: all names that the command line can set.
    """
    reader = _Reader(names)
    words = deque(argv)
    while words:
        reader.read(words)
    changes = dict.fromkeys(_change(typed, meant) for typed, meant in reader.changes)
    return reader.words, "read " + ", ".join(changes) if changes else ""


def _change(typed: str, meant: str) -> str:
    return "a wide blank as a blank" if meant == " " else f"{display(typed)} as {display(meant)}"


class _Reader:
    """The words read so far, and the name that still lacks its value."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.words: list[str] = []
        self.changes: list[tuple[str, str]] = []
        self.awaiting: Name | None = None

    def read(self, words: deque[str]) -> None:
        """Read the next word, or its part before a wide blank, whose rest is left as the next one."""
        typed = words.popleft()
        first, *rest = BLANKS.split(typed, maxsplit=1)
        if rest and self._are_words(first, rest[0]):
            self.changes.append((typed[len(first)], " "))
            words.appendleft(rest[0])
            typed = first
        parameter = self._parameter(typed)
        meant = self._value(typed, self.awaiting) if parameter is None else parameter
        if meant != typed:
            self.changes.append((typed, meant))
        self.words.append(meant)
        self.awaiting = None if parameter is None else self._lacking(meant)

    def _are_words(self, first: str, rest: str) -> bool:
        """Return whether the parts before and behind a wide blank are words of their own."""
        parameter = self._parameter(first)
        if parameter is not None and "=" not in parameter:
            return True
        name = self.awaiting if parameter is None else self.names.find(parameter.partition("=")[0].lstrip("-"))
        is_value = name is not None and not name.is_text()  # a list may have blanks in it
        return is_value and self._parameter(BLANKS.split(rest)[0]) is not None

    def _parameter(self, typed: str) -> str | None:
        """Return a word as it is meant, if it is a flag, or a name with or without a value; else None."""
        text, start = plain(typed), dash_count(typed)
        end = next((at for at, char in enumerate(text) if char == "="), -1)
        is_colon = end < 0 and "：" in typed
        end = typed.find("：") if is_colon else end
        match = PARAMETER_NAME.fullmatch(text[start:] if end < 0 else text[start:end])
        if not match or (not start and end < 0):
            return None
        dashes = plain_dashes(typed, match[2])
        name = self.names.find(match[2])
        is_known = name is not None or f"{dashes}{match[0]}" in (*FLAGS, *SWITCHES)
        is_text_awaited = self.awaiting is not None and self.awaiting.is_text()
        if (is_text_awaited and not (start and is_known)) or (is_colon and not is_known):
            return None
        if end < 0:
            return f"{dashes}{match[0]}"
        value = typed[end + 1 :]
        is_section = name is None and self.names.is_section(match[2])
        return f"{dashes}{match[0]}={plain(value) if is_section else self._value(value, name)}"

    def _lacking(self, parameter: str) -> Name | None:
        """Return the name whose value is the next word, if the parameter has none yet."""
        if "=" in parameter or parameter in SWITCHES:
            return None
        return FLAG_ARGUMENT if parameter in FLAGS else self.names.find(parameter.lstrip("-"))

    def _value(self, typed: str, name: Name | None) -> str:
        """Return a value as it is meant: text to the letter, all else in ASCII, where it can be written so."""
        text = plain(typed)
        if name is None or typed in name.choices or not text.isascii():
            return typed
        if name.fields:
            return typed if name.is_text() else text
        return text if name.choices or not HYDRA_TEXT.fullmatch(name.key) else typed
