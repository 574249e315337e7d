"""The validation of a composed config: from Hydra's ``DictConfig`` to a ``Config``."""

import json
import re
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, get_type_hints

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from trialmaker.config import environment, list_lengths
from trialmaker.config.config_dataclass import LIST, ONE, STRICT
from trialmaker.config.fields import GROUPS, Field, fields, leaves, leaves_as_text
from trialmaker.config.schema import Config, Data
from trialmaker.config.suggestions import nearest
from trialmaker.errors import UserError, one_line, printable, shorten

# By pydantic's error type; the braces get the bound.
LAW_BY_ERROR_TYPE = {
    "greater_than_equal": "must be at least {ge}",
    "greater_than": "must be more than {gt}",
    "less_than_equal": "must be at most {le}",
    "less_than": "must be less than {lt}",
    "finite_number": "must be a finite number",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "string_type": "must be text",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "tuple_type": "must be a list, such as [128,64]",
    "too_short": "must have at least {min_length} entry",
    "missing": "must be given",
    "json_invalid": "must be text that UTF-8 can hold",
    "dataclass_type": "must be a group of fields",
}
TAG_NAME = re.compile(r"(?=.{1,250}$)[A-Za-z0-9_][\w-]*(\.[\w-]+)*", re.ASCII)  # what Hydra and MLflow take
TAG_NAME_LAW = "a tag's name must be of the letters a to z, digits, - and _; a dot may part them"
OWN_TAGS = ("mlflow.", "trialmaker.")
MAX_TAG_CHARACTERS = 5000  # MLflow 3 takes 8000, older servers fewer


def load(composed: DictConfig) -> Config:
    """Resolve a config's interpolations and validate every field.

    Raises:
        UserError: one line for each field that breaks its type or range, in the order of ``Config``; if there is none,
            one line for each broken law between fields.
    """
    values = _resolved(composed)
    try:
        config = TypeAdapter(Config).validate_json(json.dumps(values))
    except ValidationError as error:
        order = [field.path for field in fields()]
        details = sorted(error.errors(), key=lambda detail: _position(_path(detail), order))
        raise UserError(*(_mistake(_path(detail), detail) for detail in details)) from error
    if mistakes := list(_mistakes_between_fields(config)):
        raise UserError(*mistakes)
    return config


def load_data(composed: DictConfig) -> Data:
    """Resolve and validate the fields of the data set alone.

    Raises:
        UserError: one line for each field that breaks its type or range.
    """
    annotation = get_type_hints(Config, include_extras=True)["data"]
    try:
        data: Data = TypeAdapter(annotation).validate_json(json.dumps(_resolved(composed.data)))
    except ValidationError as error:
        details = [ErrorDetails({**detail, "loc": ("data", *detail["loc"])}) for detail in error.errors()]
        raise UserError(*(_mistake(_path(detail), detail) for detail in details)) from error
    return data


def _resolved(composed: DictConfig) -> Any:
    try:
        values: Any = OmegaConf.to_container(composed, resolve=True)
    except OmegaConfBaseException as error:
        raise UserError(one_line(error)) from error
    if isinstance(values.get("tags"), dict):  # Hydra reads the dots in a name as levels, and 5 as a number
        values["tags"] = {name: str(value) for name, value in leaves(values["tags"])}
    return values


def broken_laws(field: Field, value: Any) -> list[str]:
    """Return each law of a field's type and bounds that a value breaks, such as ``must be at least 1``."""
    try:
        TypeAdapter(field.type, config=STRICT).validate_json(json.dumps(value))
    except ValidationError as error:
        return [_entry(detail) + _law(detail) for detail in error.errors()]
    return []


def _entry(detail: ErrorDetails) -> str:
    """Return the entry of a list that an error is about, with a blank; "" for an error about the whole value."""
    return f"{_shown(detail['input'])} " if set(detail["loc"]) - {ONE, LIST} else ""


def _mistakes_between_fields(config: Config) -> Iterator[str]:
    direction = {"val_accuracy": "maximize", "val_loss": "minimize"}[config.objective]
    if config.direction != direction:
        yield f"direction={config.direction}: objective={config.objective} asks for direction={direction}"
    for path, value in leaves_as_text(asdict(config)):
        if "\0" in value:
            yield f"{path}={_shown(value)}: must not contain a NUL character"
    yield from _mistakes_in_names(config)
    limit, margin = config.training.max_seconds, config.training.margin_seconds
    if limit and limit <= margin:
        yield f"training.max_seconds={limit:g}: must be more than training.margin_seconds={margin:g}"
    if {"?", "%"} & set(config.output) and not config.tracking.uri:
        yield f"output={json.dumps(config.output)}: must not contain ? or %, which mean something in MLflow's address"
    held_out = config.data.validation_fraction + getattr(config.data, "test_fraction", 0)
    if held_out >= 1:
        yield f"data.validation_fraction and data.test_fraction: must add up to less than 1, but are {held_out:g}"
    warmup = getattr(config.schedule, "warmup_epochs", 0)
    if warmup and warmup >= config.training.epochs:
        yield (
            f"schedule.warmup_epochs={warmup}: must be less than training.epochs={config.training.epochs};"
            " train longer, warm up for less, or take schedule=constant"
        )
    yield from list_lengths.mistakes(config.model)
    if config.optimizer.name == "ftrl":
        yield from _mistakes_with_ftrl(config)


def _mistakes_in_names(config: Config) -> Iterator[str]:
    if config.name and not config.name.strip():
        yield f"name={json.dumps(config.name)}: must not be blank; null for a name that TrialMaker makes"
    if config.name and not config.name.isprintable():
        yield f"{_setting('name', config.name)}: must be one line of printable characters"
    for name, value in config.tags.items():
        tag = f"tags.{shorten(name)}={_shown(value)}"
        if not TAG_NAME.fullmatch(name):
            yield f"{tag}: {TAG_NAME_LAW}"
        elif name.startswith(OWN_TAGS):
            yield f"{tag}: names that begin with {' or '.join(OWN_TAGS)} are taken; take another"
        if len(value) > MAX_TAG_CHARACTERS:
            yield f"tags.{shorten(name)}: must have at most {MAX_TAG_CHARACTERS} characters, but has {len(value)}"


def _mistakes_with_ftrl(config: Config) -> Iterator[str]:
    """Yield what does not go with an optimizer that computes its weights anew at each step."""
    if config.schedule.name != "constant":
        yield (
            f"schedule={config.schedule.name}: with optimizer=ftrl, weights shrink as the learning rate does;"
            " take schedule=constant"
        )
    if config.optimizer.weight_decay:
        yield (
            f"optimizer.weight_decay={config.optimizer.weight_decay:g}: optimizer=ftrl overwrites decayed weights;"
            " take optimizer.l2_regularization_strength"
        )


def _path(detail: ErrorDetails) -> str:
    """Return the path of the field that an error is about, as it is typed on a command line."""
    keys = [str(part) for part in detail["loc"] if part not in (ONE, LIST)]
    if len(keys) > 2 and keys[0] in GROUPS:
        del keys[1]  # the choice's name, which pydantic puts between the group and the field
    return ".".join(keys)


def _position(path: str, order: list[str]) -> int:
    """Return the index of the field that is, or begins, a path; the number of fields if none does."""
    matches = (index for index, field in enumerate(order) if path == field or path.startswith(f"{field}."))
    return next(matches, len(order))


def _mistake(path: str, detail: ErrorDetails) -> str:
    if detail["type"] == "unexpected_keyword_argument":
        return f"{path}: {_no_such_field(path, detail)}"
    setting = _setting(path, detail["input"]) if detail["type"] != "missing" else path
    return f"{setting}: {_law(detail)}"


def _setting(path: str, value: Any) -> str:
    """Return a field's setting as a message shows it, with the environment variable that it comes from, if any."""
    return f"{path}={_shown(value)}{environment.origin(path, value)}"


def _shown(value: Any) -> str:
    return shorten(printable(json.dumps(value, ensure_ascii=False)))


def _no_such_field(path: str, detail: ErrorDetails) -> str:
    """Return that the field is one of another choice of its group, or that there is none of its name."""
    if owners := " or ".join(field.owner.replace("/", " or ") for field in fields() if field.path == path):
        group = path.partition(".")[0]
        return f"{group}={detail['loc'][1]} has no such field; {group}={owners} has"
    return f"there is no such field{nearest(path, {field.path for field in fields()})}"


def _law(detail: ErrorDetails) -> str:
    context = {key: f"{value:g}" if isinstance(value, float) else value for key, value in detail.get("ctx", {}).items()}
    or_list = ", or a list of such" if ONE in detail["loc"] else ""
    if detail["type"] == "literal_error":
        legal = [choice.strip(" '") for choice in context["expected"].replace(" or ", ",").split(",")]
        return f"must be one of {', '.join(legal)}{or_list}{nearest(str(detail['input']), legal)}"
    law = LAW_BY_ERROR_TYPE.get(detail["type"])
    return law.format(**context) + (or_list if detail["type"].endswith("_type") else "") if law else detail["msg"]
