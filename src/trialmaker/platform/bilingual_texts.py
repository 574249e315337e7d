"""Texts in English and Chinese, which lie beside the module that shows them, in a JSON file of its name."""

import json
from collections.abc import Mapping
from pathlib import Path

SEPARATOR = " / "  # between the languages of a line; the Chinese part, which is the last, never contains it


def read_texts(beside: Path) -> dict[str, dict[str, str]]:
    """Return the texts of a module or page, by key and language: ``en``, ``zh``."""
    return dict(json.loads(beside.with_suffix(".json").read_text(encoding="utf-8")))


def fill(text: Mapping[str, str], **values: object) -> dict[str, str]:
    """Return a text with values in its places; of a value that is itself a text, the part of the same language."""
    return {
        language: part.format(**{name: one[language] if isinstance(one, dict) else one for name, one in values.items()})
        for language, part in text.items()
    }


def line(text: Mapping[str, str]) -> str:
    """Return a text in both languages on one line, English first."""
    return f"{text['en']}{SEPARATOR}{text['zh'].replace(SEPARATOR, '/')}"


def split_line(text: str) -> tuple[str, str]:
    """Return the English and the Chinese part of a line; "" for Chinese that is not there."""
    english, separator, chinese = text.rpartition(SEPARATOR)
    return (english, chinese) if separator and not chinese.isascii() else (text, "")
