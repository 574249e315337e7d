"""The messages of a meeting, as JSON: whoever reaches the port may send anything."""

import json
from collections.abc import Mapping
from typing import Any

MAX_MESSAGE_BYTES = 4 * 1024**2  # of a message; files and decisions come in pieces
STREAM_PIECE_BYTES = 256 * 1024  # of such a piece
SERVICE = "trialmaker.Meeting"
ATTEND, AGREE, PUSH = "Attend", "Agree", "Push"


def encode(**fields: Any) -> bytes:
    """Return a message of such fields."""
    return json.dumps(fields).encode()


def decode(content: bytes) -> dict[str, Any]:
    """Return a message's fields.

    Raises:
        ValueError: it is none.
    """
    try:
        fields = json.loads(content)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(fields, dict):
        raise ValueError("no object")
    return fields


def text(fields: Mapping[str, Any], name: str) -> str:
    """Return a field that is a text; "" where there is none."""
    value = fields.get(name)
    return value if isinstance(value, str) else ""


def number(fields: Mapping[str, Any], name: str, default: int) -> int:
    """Return a field that is a whole number; else the default."""
    value = fields.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def texts(fields: Mapping[str, Any], name: str) -> dict[str, str]:
    """Return a field that is texts by name; what else it holds is left out."""
    value = fields.get(name)
    pairs = value.items() if isinstance(value, dict) else ()
    return {key: inner for key, inner in pairs if isinstance(inner, str)}
