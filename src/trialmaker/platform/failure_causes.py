"""The causes in an output's file ``failure``, in English and in Chinese.

A cause is written in English where it arises. ``failure_causes.json`` has the forms of the messages, the special before
the general: in English with a place for what varies, and in Chinese with some of those places.
"""

import re
from contextlib import suppress
from pathlib import Path

from trialmaker.platform import bilingual_texts

BUG, OTHER = "bug", "other"  # the keys of an exception with a traceback, and of any cause
MAX_CAUSE_CHARACTERS = 2000  # of a cause that is compared with the forms
FORM_PLACE = re.compile(r"\{(\w+)\}")


def bilingual_cause(cause: str, *, is_bug: bool = False) -> str:
    """Return a cause in both languages on one line; one of no known form with a general text in Chinese.

    Args:
        cause: one line of English.
        is_bug: whether it is an exception's type and message.
    """
    with suppress(OSError):  # a file of texts that is gone is no reason to lose the cause
        key, values = recognize(cause, is_bug=is_bug)
        return bilingual_texts.line({"en": cause, "zh": _chinese(key, values)})
    return cause


def recognize(cause: str, *, is_bug: bool = False) -> tuple[str, dict[str, str]]:
    """Return the key of a cause's form, and what stands in its places; see ``bilingual_cause``."""
    texts = bilingual_texts.read_texts(Path(__file__))
    keys = [BUG] if is_bug else [key for key in texts if key != BUG]
    for key in keys if len(cause) <= MAX_CAUSE_CHARACTERS else ():
        if match := _pattern(texts[key]["en"]).fullmatch(cause):
            return key, match.groupdict()
    return OTHER, {}


def by_language(cause: str) -> dict[str, str]:
    """Return a cause for each language's page: in Chinese the English follows in brackets, or stands alone."""
    key, values = recognize(cause)
    return {"en": cause, "zh": cause if key == OTHER else f"{_chinese(key, values)}（{cause}）"}


def chinese_cause(key: str) -> str:
    """Return the Chinese of a form whose Chinese has no place."""
    return bilingual_texts.read_texts(Path(__file__))[key]["zh"]


def _chinese(key: str, values: dict[str, str]) -> str:
    texts = {name: value.replace(" or ", " 或 ") if name == "suggestion" else value for name, value in values.items()}
    return bilingual_texts.read_texts(Path(__file__))[key]["zh"].format(**texts)


def _pattern(form: str) -> re.Pattern[str]:
    parts = FORM_PLACE.split(form)  # text and names in turn
    return re.compile("".join(f"(?P<{part}>.*?)" if index % 2 else re.escape(part) for index, part in enumerate(parts)))
