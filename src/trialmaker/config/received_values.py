"""The laws of single values that somebody else's config holds: interpolations, places, callables, names of choices."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trialmaker.config import study_fields
from trialmaker.config.config_dataclass import Received
from trialmaker.config.fields import GROUPS, fields
from trialmaker.platform import paths

TARGET = "_target_"
# Resolvers that tell nothing but where the job's files are, and what time it is. All others are refused: oc.env and
# environment read variables, oc.decode and oc.create make new interpolations, hydra and manual are of no use there.
HARMLESS_CALL = re.compile(r"\$\{(ai_root:|process_id:|input:[\w.-]+|now:[%\w:. -]*)\}")
REFERENCE = re.compile(r"\$\{([A-Za-z]\w*(?:\.\w+)*)\}")
OWN_FOLDER = re.compile(r"\$\{(?:ai_root:\}/input|(output)\}|input:([\w.-]+)\})(/.*)?")
PLACE = r"(?:[\w.-]|\$\{(?:data|model)\.name\}|\$\{process_id:\}|\$\{now:[%\w:-]*\})+"
STUDY_STORAGE = re.compile(rf"\$\{{output\}}/studies/{PLACE}")
STUDY_FOLDER = re.compile(rf"\$\{{output\}}/logs(?:/{PLACE})+")
CHOICE = re.compile(r"(?:[\w-]|\$\{/?[\w/]+\})(?:[\w.-]|\$\{/?[\w/]+\})*")
OPTUNAS_PARTS = re.compile(r"optuna\.samplers\.nsgaii\.[A-Z]\w+(Crossover|Mutation)")  # arguments of its samplers


def texts(value: Any) -> Iterator[str]:
    """Yield each text in a value, those in its lists and the keys of its dictionaries too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | tuple):
        for entry in value:
            yield from texts(entry)
    elif isinstance(value, dict):
        for name, entry in value.items():
            yield from texts(name)
            yield from texts(entry)


def interpolation_law(value: Any) -> str:
    r"""Return the law that an interpolation in a value breaks; "" where none does.

    Whatever stands behind a ``\`` counts too: text that one reader takes literally, the next may resolve.
    """
    for text in texts(value):
        rest = HARMLESS_CALL.sub("", text)
        for name in REFERENCE.findall(rest):
            if not _may_be_referred_to(name):
                return f"${{{name}}}: an interpolation may refer to a field of the config; write a text without ${{"
        if "${" in REFERENCE.sub("", rest):
            return "an interpolation may only refer to a field, such as ${seed}, or be ${ai_root:} or ${input:NAME}"
    return ""


def has_interpolation(value: Any) -> bool:
    """Return whether a value holds an interpolation."""
    return any("${" in text for text in texts(value))


def references(value: Any) -> list[str]:
    """Return the fields to which the interpolations in a value refer, as often as they do."""
    return [name for text in texts(value) for name in REFERENCE.findall(text)]


def _may_be_referred_to(name: str) -> bool:
    """Return whether a field tells nothing that its reader should not have, as ``tracking.uri`` may."""
    if name.startswith("tags.") or name in ("output", *(f"{group}.name" for group in GROUPS)):
        return True
    return any(field.path == name != "tags" and field.received is not Received.NO_VALUE for field in fields())


def is_own_place(value: Any) -> bool:
    """Return whether a value is null, or a path below the job's inputs or its output, links followed."""
    if value is None:
        return True
    match = OWN_FOLDER.fullmatch(value) if isinstance(value, str) else None
    if match and "${" not in (match[3] or ""):
        output, name, rest = match.groups()
        folder = paths.root() / "output" if output else paths.root() / "input" / (name or "")
        return _is_below_inputs(f"{folder}{rest or ''}", allowed=(str(folder),) if output else ())
    return isinstance(value, str) and "${" not in value and _is_below_inputs(value)


def _is_below_inputs(path: str, allowed: tuple[str, ...] = ()) -> bool:
    """Return whether a path lies below one of the inputs, or the allowed folders, before and after links are followed.

    An input, or an allowed folder, may itself be a link: that is the person's own.
    """
    if ".." in Path(path).parts or "\0" in path:
        return False
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 - without links
    inputs = paths.root() / "input"
    folders = [Path(folder) for folder in allowed]
    if absolute.is_relative_to(inputs) and absolute != inputs:
        folders.append(inputs / absolute.relative_to(inputs).parts[0])
    return any(absolute.is_relative_to(folder) and absolute.resolve().is_relative_to(folder.resolve())
               for folder in folders)  # fmt: skip


def is_harmless_target(path: str, value: Any) -> bool:
    """Return whether a ``_target_`` is the sweeper's own, or one of Optuna's samplers and pruners, where those belong.

    Args:
        path: of the ``_target_`` in the config.
        value: the dotted name of what is called.
    """
    if not isinstance(value, str):
        return False
    if path == f"hydra.sweeper.{TARGET}":
        return value == study_fields.sweeper_target()
    is_argument = path.startswith(("hydra.sweeper.sampler.", "hydra.sweeper.pruner."))
    return is_argument and (value in study_fields.targets() or bool(OPTUNAS_PARTS.fullmatch(value)))
