"""The check of config that somebody else made: files in ``input/config``, overrides stored in studies and runs.

Such config is data. It may set the fields of the config that ``schema.py`` gives to it, and of Hydra those of a sweep.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hydra.core.override_parser import types

from trialmaker.config import override_values, received_defaults, received_values, study_fields
from trialmaker.config.arguments import overrides as hydras
from trialmaker.config.config_dataclass import Received
from trialmaker.config.config_files import GLOBAL_GROUPS
from trialmaker.config.fields import GROUPS, fields
from trialmaker.config.run_schema import AUTO, NEVER
from trialmaker.config.suggestions import nearest
from trialmaker.errors import UserError, printable, shorten

MAX_OVERRIDE_CHARACTERS = 10_000
WORD = re.compile(r"[\w-]+", re.ASCII)
SWEEPER = "hydra.sweeper"
HARMLESS_VALUES = {"resume": (AUTO, NEVER)}  # values of fields that are otherwise for whoever runs the command
HYDRA_MODES = ("RUN", "MULTIRUN", None)
HYDRA_LAW = "may not be set here, where only hydra.mode and hydra.sweeper's fields of Hydra's may; type it"
OWN_LAW = "is for whoever runs the command to set: type it, or give a folder of your own by --config-dir"
PLACE_LAW = "must lie below the job's input/ or its output here; type it to take another place"
TARGET_LAW = "may only be one of Optuna's samplers or pruners, in the sampler or pruner of hydra.sweeper"
UNDERSCORE_LAW = "names that begin with _ mean something to Hydra, and are refused here"
MAX_REFERENCES = 20  # of a value to other fields
PARAMETER_LAW = "must not contain $, in somebody else's search space"


def check_overrides(overrides: Sequence[str], source: str) -> None:
    """Check overrides that are stored in somebody's study or run, before they become a command line.

    The paths of data and of initial weights are free, since the studies of whoever asks have them too.

    Args:
        overrides: in Hydra's syntax.
        source: what they are stored in, for the message.

    Raises:
        UserError: one line, with source and key, for each override that is more than a value of a field or a choice of
            a config group, or that only whoever runs a command may set.
    """
    broken = [mistake for text in overrides for mistake in override_mistakes(text)]
    values = [] if broken else [leaf for text in overrides for leaf in _override_leaves(text)]
    if broken := broken or [*expansion_mistakes(values), *_download_mistakes(dict(values))]:
        raise UserError(*(f"{printable(source)}: {mistake}" for mistake in broken))


def split_overrides(overrides: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return overrides without those that only whoever runs a command may set, and those."""
    own = {field.path for field in fields() if field.received is Received.NO_VALUE}
    own |= {f"{SWEEPER}.{name}" for name in study_fields.own()}
    is_own = {text: text.lstrip("+~").partition("=")[0] in own for text in overrides}
    return [text for text in overrides if not is_own[text]], [text for text in overrides if is_own[text]]


def override_mistakes(text: str, *, is_searched: bool = False) -> Iterator[str]:
    """Yield ``key: law`` for each law that an override breaks.

    Args:
        text: in Hydra's syntax.
        is_searched: whether it is a parameter of a search space.
    """
    if len(text) > MAX_OVERRIDE_CHARACTERS:
        yield f"{_shown(text)}: must have at most {MAX_OVERRIDE_CHARACTERS} characters"
        return
    try:
        override = hydras.parse(text)
    except UserError as error:
        yield from error.mistakes
        return
    key = override.key_or_group or ""
    if override.package is not None or not key:
        yield f"{_shown(text)}: must be a field or a config group, without a package"
    elif "$" in text and is_searched:
        yield f"{_shown(key)}: {PARAMETER_LAW}"
    elif law := received_values.interpolation_law(text):
        yield f"{_shown(key)}: {law}"
    elif not all(map(override_values.is_data, entries := override_values.entries(override))):
        yield f"{_shown(text)}: must be a number, a text, a list or names and values"
    elif key in (*GROUPS, *GLOBAL_GROUPS) or (key in received_defaults.SWEEPER_GROUPS and not is_searched):
        if not all(entry is None or (isinstance(entry, str) and WORD.fullmatch(entry)) for entry in entries):
            yield f"{_shown(text)}: must be the name of a choice"
    elif (key.startswith("hydra") and is_searched) or override.type is types.OverrideType.DEL:
        yield f"{_shown(text)}: {HYDRA_LAW if is_searched else 'nothing but a choice can be deleted'}"
    else:
        for entry in entries:
            yield from mistakes(_nested(key, entry), has_free_places=not is_searched)


def _override_leaves(text: str) -> Iterator[tuple[str, Any]]:
    """Yield what a checked override sets."""
    override = hydras.parse(text)
    for entry in override_values.entries(override):
        yield from leaves(_nested(str(override.key_or_group), entry))


def _nested(key: str, value: Any) -> dict[str, Any]:
    for name in reversed(key.split(".")):
        value = {name: value}
    return dict(value)


def mistakes(values: Mapping[Any, Any], package: str = "", *, has_free_places: bool = False) -> Iterator[str]:
    """Yield ``key: law`` for each value that somebody else's config may not set.

    Args:
        values: nested, interpolations unresolved.
        package: the path at which they stand in the config; "" for its top.
        has_free_places: whether the paths of data and weights may be any.
    """
    for path, value in leaves(values, package):
        if law := _law(path, value, has_free_places=has_free_places):
            yield f"{_shown(path)}: {law}"
        elif path.startswith((f"{SWEEPER}.params", f"{SWEEPER}.enqueue")):
            yield from _search_space_mistakes(path, value)
        elif law := received_values.interpolation_law(value):
            yield f"{_shown(path)}: {law}"


def leaves(values: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (path, value) for each value that is no dictionary; of the search space, for the whole."""
    for name, value in values.items():
        path = f"{prefix}.{name}" if prefix else str(name)
        if isinstance(value, dict) and path != f"{SWEEPER}.params":
            yield from leaves(value, path) if value else [(path, value)]
        else:
            yield path, value


def expansion_mistakes(values: Sequence[tuple[str, Any]]) -> Iterator[str]:
    """Yield ``key: law`` for each text that could grow without bound, by interpolations of interpolations.

    Args:
        values: all that config of one origin sets, by path.
    """
    made = {path for path, value in values if received_values.has_interpolation(value)}
    for path, value in values:
        names = received_values.references(value)
        parts = sorted(made & set(names)) if value != f"${{{names[0] if names else ''}}}" else []
        if parts or len(names) > MAX_REFERENCES:
            part = f"${{{parts[0]}}} is made of other fields itself, and" if parts else "is made of too many fields,"
            yield f"{_shown(path)}: {part} cannot be a part of a text or list; write it out"


def _download_mistakes(values: Mapping[str, Any]) -> Iterator[str]:
    """Yield the mistake in where files are downloaded to, which a place that is only read does not have."""
    place = values.get("data.directory")
    if values.get("data.download") is True and not received_values.is_own_place(place):
        yield f"data.directory: {_shown(str(place))}: with data.download=true, {PLACE_LAW}"


def _law(path: str, value: Any, *, has_free_places: bool) -> str:
    """Return the law that a leaf of the config breaks; "" where it breaks none."""
    keys = path.split(".")
    if keys[0] == "hydra" and keys[1:2] != ["sweeper"]:
        return _hydra_law(keys[1:], value)
    if keys[-1] == received_values.TARGET:
        return "" if received_values.is_harmless_target(path, value) else TARGET_LAW
    if any(text.startswith("_") for text in (*keys, *_keys_in(value))) and keys[0] != "tags":
        return UNDERSCORE_LAW
    if keys[0] == "hydra":
        return _hydra_law(keys[1:], value)
    if keys[0] == "tags":
        return "must be a text" if isinstance(value, list) else ""
    if keys[-1] == "name" and path.removesuffix(".name") in GROUPS:
        return "" if isinstance(value, str) and WORD.fullmatch(value) else "must be a name"
    return _field_law(path, value, has_free_places=has_free_places)


def _field_law(path: str, value: Any, *, has_free_places: bool) -> str:
    matches = [field for field in fields() if field.path == path]
    if not matches and any(field.path.startswith(f"{path}.") for field in fields()):
        return ""  # an empty section, or a text where a section belongs, which the config's own check refuses
    if not matches:
        return f"there is no such field{nearest(path, {field.path for field in fields()})}"
    if Received.NO_VALUE in {field.received for field in matches}:
        return "" if value is None or value in HARMLESS_VALUES.get(path, ()) else OWN_LAW
    is_place = Received.OWN_PLACE in {field.received for field in matches}
    return PLACE_LAW if is_place and not has_free_places and not received_values.is_own_place(value) else ""


def _hydra_law(keys: Sequence[str], value: Any) -> str:
    path = ".".join(keys)
    if path == "mode":
        return "" if value in HYDRA_MODES else f"must be {' or '.join(filter(None, HYDRA_MODES))}"
    if path == "sweep.dir":
        return "" if _fits(received_values.STUDY_FOLDER, value) else "must begin with ${output}/logs/, or be left out"
    if keys[:1] != ["sweeper"] or len(keys) == 1:
        is_nothing = value in ({}, None) and path in ("", "sweeper")
        return "" if is_nothing else HYDRA_LAW
    if path == "sweeper.storage" and (value is None or _fits(received_values.STUDY_STORAGE, value)):
        return ""
    if path == "sweeper.n_jobs" and isinstance(value, int) and value > (os.cpu_count() or 1):
        return f"must be at most {os.cpu_count()}, the number of processors here, in somebody else's config"
    return OWN_LAW if keys[1] in study_fields.own() and value is not None else ""


def _fits(pattern: re.Pattern[str], value: Any) -> bool:
    return isinstance(value, str) and bool(pattern.fullmatch(value)) and ".." not in value


def _keys_in(value: Any) -> Iterator[str]:
    """Yield the keys of the dictionaries that lie in a list."""
    for entry in value if isinstance(value, list) else ():
        if isinstance(entry, dict):
            yield from map(str, entry)
            yield from (key for inner in entry.values() for key in _keys_in([inner]))
        yield from _keys_in(entry)


def _search_space_mistakes(path: str, value: Any) -> Iterator[str]:
    """Yield the mistakes in the parameters of a search space, or in the points to try first."""
    points = [value] if isinstance(value, dict) else value if isinstance(value, list) else []
    if not points and "$" in str(value):
        yield f"{_shown(path)}: {PARAMETER_LAW}"
    for name, entry in ((name, entry) for point in points if isinstance(point, dict) for name, entry in point.items()):
        text = entry if isinstance(entry, str) else json.dumps(entry, default=str)
        yield from (f"{path}.{mistake}" for mistake in override_mistakes(f"{name}={text}", is_searched=True))


def _shown(text: str) -> str:
    return shorten(printable(text))
