"""Hydra's errors while it composes a config, as lines that name the value, or the file, that is to be changed."""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from trialmaker.config import config_files, study_fields
from trialmaker.config.arguments.translation import config_directories
from trialmaker.config.fields import fields
from trialmaker.config.suggestions import nearest
from trialmaker.errors import UserError, first_line, one_line

SECTION = "hydra.sweeper"
MAX_LAW_CHARACTERS = 300


def explain(error: Exception, argv: Sequence[str]) -> UserError:
    """Return a user's error for an error of Hydra's.

    Args:
        error: Hydra's.
        argv: the command line that Hydra was given.
    """
    text = one_line(error)
    if mistake := _study_mistake(text):
        return UserError(_with_file(mistake, argv))
    if text.startswith("Error merging override ") and isinstance(error.__cause__, Exception):
        law = first_line(error.__cause__, MAX_LAW_CHARACTERS)  # such as: Value 'abc' … could not be converted
        return UserError(f"{text.removeprefix('Error merging override ')}: {law}")
    match = re.match(r"Could not override '([^']+)'", text)
    path = match[1] if match else ""
    owners = [field.owner for field in fields() if field.path == path and field.owner]
    if not owners:
        return UserError(_with_file(text, argv))
    group, _, name = path.partition(".")
    settings = [word for word in argv if word.startswith(f"{group}=")] or [f"the default {group}"]
    owner_names = ", ".join(owner.replace("/", ", ") for owner in dict.fromkeys(owners))
    have_it = "have it" if ", " in owner_names else "has it"
    return UserError(f"{path}: {settings[-1]} has no {name}; {owner_names} {have_it}")


def _study_mistake(text: str) -> str:
    """Return what is wrong with the name of a study's field, or of an argument of its sampler or pruner; "" if nothing.

    Hydra advises to add what it does not know by ``+``, which would be refused then.
    """
    match = re.search(r"'(hydra\.[^'.]+)\.([^'.]+)\.?([^']*)'", text) if text.startswith("Could not override") else None
    swept = re.match(rf"Sweeping over Hydra's configuration is not supported : '{SECTION}\.params\.([^']+)'", text)
    if swept:
        return f"{SECTION}.params.{swept[1]}: write {swept[1]} itself"
    in_file = re.search(r"(In \S+: ).*Key '([^']+)' not in 'OptunaSweeperConf'", text)
    if in_file:
        return f"{in_file[1]}{_unknown('hydra.sweeper', in_file[2], study_fields.meanings())}"
    if match is None:
        return ""
    section, name, rest = match.groups()
    if section != SECTION:
        return f"{section}: there is no such field{nearest(section, [SECTION])}" if nearest(section, [SECTION]) else ""
    if name in ("sampler", "pruner") and rest:
        return _unknown(f"{SECTION}.{name}", rest, study_fields.arguments(name), "argument")
    if name == "params" and rest:
        return f"{SECTION}.params.{rest}: write {rest}=… itself"
    if name in study_fields.meanings():
        return f"{SECTION}.{name}: is a field of studies: choose one, such as sweeps=mlp"
    return _unknown(SECTION, name, study_fields.meanings())


def _unknown(section: str, name: str, legal: Iterable[str], kind: str = "field") -> str:
    former = study_fields.former_names().get(name)
    hint = f"; write {former}" if former else nearest(name, legal)
    return f"{section}.{name}: there is no such {kind}{hint}"


def _with_file(text: str, argv: Sequence[str]) -> str:
    """Return the message with the path of the config file that it is about, where the command line chose that file."""
    missing = re.search(r"Could not find '(?:[^']*/)?([^'/]+)'", text)
    for file in _chosen_files(argv):
        own = f"In '{file.parent.name}/{file.stem}'"
        if text.startswith(own):
            return text.replace(own, f"In {file}", 1)
        if missing and re.search(rf":\s*{re.escape(missing[1])}\s*(#|$)", file.read_text("utf-8"), re.MULTILINE):
            return text.replace("In 'config'", f"In {file}", 1)
    return text


def _chosen_files(argv: Sequence[str]) -> Iterator[Path]:
    """Yield the config files that the command line chooses by ``group=choice``."""
    directories = list(config_directories(argv))
    for word in argv:
        group, _, choice = word.lstrip("+").partition("=")
        if file := config_files.find(group, choice, directories):
            yield file
