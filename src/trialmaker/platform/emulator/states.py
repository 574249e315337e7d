"""A job's states as the platform's page shows them, in English and in Chinese."""

import sys
import time
from contextlib import suppress
from pathlib import Path

from trialmaker.platform import bilingual_texts


def text(key: str, **values: object) -> dict[str, str]:
    """Return a text of ``states.json`` by language; see ``bilingual_texts.fill``."""
    return bilingual_texts.fill(bilingual_texts.read_texts(Path(__file__))[key], **values)


def print_state(key: str, *, log: str = "", **values: object) -> None:
    """Print a state, in English alone where standard output cannot show Chinese; do nothing where it is closed.

    Args:
        key: the state's, in ``states.json``.
        log: lines to print below it.
        values: for the state's places.
    """
    state = text(key, **values)
    line = bilingual_texts.line(state)
    try:
        line.encode(getattr(sys.stdout, "encoding", None) or "utf-8", "surrogateescape")
    except UnicodeError:
        line = state["en"]
    with suppress(OSError):
        print(f"[{time.strftime('%H:%M:%S')}] {line}", *log.splitlines(), sep="\n", flush=True)
