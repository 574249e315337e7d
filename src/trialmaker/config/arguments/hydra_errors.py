"""Hydra's errors while it composes a config, as lines that name the value, or the file, that is to be changed."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from trialmaker.config import config_files
from trialmaker.config.arguments.translation import config_directories
from trialmaker.config.fields import fields
from trialmaker.errors import UserError, one_line


def explain(error: Exception, argv: Sequence[str]) -> UserError:
    """Return a user's error for an error of Hydra's.

    Args:
        error: Hydra's.
        argv: the command line that Hydra was given.
    """
    text = one_line(error)
    match = re.match(r"Could not override '([^']+)'", text)
    path = match[1] if match else ""
    owners = [field.owner for field in fields() if field.path == path and field.owner]
    if not owners:
        return UserError(_with_file(text, argv))
    group, _, name = path.partition(".")
    settings = [word for word in argv if word.startswith(f"{group}=")] or [f"the default {group}"]
    owner_names = ", ".join(owner.replace("/", ", ") for owner in dict.fromkeys(owners))
    return UserError(f"{path}: {settings[-1]} has no {name}; {owner_names} have it")


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
