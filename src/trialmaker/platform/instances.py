"""The instances that ``config/resource.json`` names, and jobs that this version cannot run."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trialmaker.errors import UserError
from trialmaker.platform.paths import root
from trialmaker.platform.regular_files import read_text

IP_WITH_PORT = re.compile(r"\b(?:\d{1,3}\.){3}\d{1,3}\b(?::\d+)?")


def check_supported() -> None:
    """Refuse a job that this version cannot run.

    Raises:
        UserError: the job has several instances.
    """
    resource = root() / "config" / "resource.json"
    if (count := count_instances(resource)) > 1:
        raise UserError(f"{resource}: names {count} instances, but training runs on one: start the job with 1 instance")


def count_instances(resource: Path) -> int:
    """Return the number of instances that a ``resource.json`` names, at least 1.

    The platform does not document the file's form. Both the objects with an address and the distinct IP addresses
    (with their ports) are counted; the higher count is returned. A file that cannot be read counts as 1.
    """
    try:
        text = read_text(resource)
        objects = sum(1 for _ in _objects_with_address(json.loads(text)))
    except (OSError, ValueError, RecursionError):
        return 1
    return max(1, objects, len(set(IP_WITH_PORT.findall(text))))


def _objects_with_address(part: Any) -> Iterator[Any]:
    if isinstance(part, dict) and any(key.lower().endswith(("ip", "host", "address")) for key in part):
        yield part
    elif isinstance(part, dict | list):
        for inner in part.values() if isinstance(part, dict) else part:
            yield from _objects_with_address(inner)
