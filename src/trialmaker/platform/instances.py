"""The instances that ``config/resource.json`` names."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trialmaker.errors import UserError
from trialmaker.platform.paths import inputs, root

IP_WITH_PORT = re.compile(r"\b(?:\d{1,3}\.){3}\d{1,3}\b(?::\d+)?")


def check_supported() -> None:
    """Refuse what a job asks for and this version can't do.

    Raises:
        UserError: several instances, or an earlier job to resume.
    """
    resource = root() / "config" / "resource.json"
    if (count := count_instances(resource)) > 1:
        raise UserError(f"{resource}: names {count} instances, but training runs on one: start the job with 1 instance")
    if earlier := inputs().get("resume"):
        way_on = "to start from its weights, call the input init_model"
        raise UserError(f"{earlier}: continuing an earlier job is not possible yet; {way_on}")


def count_instances(resource: Path) -> int:
    """How many instances a ``resource.json`` names. Its form is not documented.

    Each object with an address is one, and each IP address; in doubt the higher number counts.
    """
    try:
        text = resource.read_text(encoding="utf-8")
        objects = sum(1 for _ in _addresses(json.loads(text)))
    except (OSError, ValueError, RecursionError):
        return 1
    return max(1, objects, len(set(IP_WITH_PORT.findall(text))))


def _addresses(part: Any) -> Iterator[Any]:
    if isinstance(part, dict) and any(key.lower().endswith(("ip", "host", "address")) for key in part):
        yield part
    elif isinstance(part, dict | list):
        for inner in part.values() if isinstance(part, dict) else part:
            yield from _addresses(inner)
