"""Completion of a command line by the Tab key: runtime parameters here, Hydra's own overrides by Hydra."""

import shlex
import typing
from collections.abc import Sequence
from pathlib import Path

from trialmaker.config.arguments import overrides, tokens, values
from trialmaker.config.arguments.foreign_words import SYNONYMS
from trialmaker.config.arguments.names import Name, Names
from trialmaker.config.arguments.translation import choices, config_directories
from trialmaker.errors import UserError


def candidates(line: str, conf: Sequence[Path]) -> tuple[list[str], str | None]:
    """Return what the last word of a line can be, and the line for Hydra to complete.

    Args:
        line: ``python train.py …`` up to the cursor; it ends in a blank where a new word begins.
        conf: the config directories.

    Returns:
        (words, the line with overrides in place of the runtime parameters before its last word). The line is None where
        the last word is the name, or the value, of a runtime parameter with dashes, which Hydra does not know.
    """
    *earlier, word = _words(line)
    names = Names(choices([*conf, *config_directories(earlier)]), {})
    dashes = word[: len(word) - len(word.lstrip("-"))]
    typed, equals, value = word.removeprefix(dashes).partition("=")
    if equals:
        name = names.find(typed)
        own = [f"{dashes}{typed}={text}" for text in _values(name, value)]
        is_hydras = not dashes and (name is None or name.key == typed)
    elif dashes:
        own, is_hydras = [f"{dashes}{name}" for name in _dashed_names(typed, names)], False
    else:
        parameter = _awaiting_value(earlier, names)
        own, is_hydras = _values(parameter, word), parameter is None or (parameter.is_boolean() and bool(word))
        own += [f"{name}=" for name in _matching(typed, _short_names(names))] if is_hydras and typed else []
    return own, " ".join(["python train.py", *_translated(earlier, names), word]) if is_hydras else None


def _words(line: str) -> list[str]:
    """Return the words after the program's name; the last one is "" where a new word begins."""
    try:
        words = shlex.split(line)
    except ValueError:  # a quotation that is not closed
        words = line.split()
    program = next((place for place, word in enumerate(words) if word.endswith("train.py")), 0)
    return [*words[program + 1 :], *([""] if line.endswith(" ") or len(words) <= program + 1 else [])]


def _awaiting_value(earlier: Sequence[str], names: Names) -> Name | None:
    """Return the runtime parameter that ends the words and has no value yet."""
    last = earlier[-1] if earlier else ""
    if not tokens.DASHED_NAME.match(last) or "=" in last or last in tokens.SWITCHES | set(tokens.FLAGS):
        return None
    return names.find(last.lstrip("-"))


def _short_names(names: Names) -> set[str]:
    """Return the last parts of paths that name one field, and the synonyms: what Hydra does not know."""
    return {name for name in {*SYNONYMS, *(path.rpartition(".")[2] for path in names.paths)} if names.find(name)}


def _dashed_names(typed: str, names: Names) -> list[str]:
    """Return the names that begin so of runtime parameters; paths where a dot, or nothing shorter, asks for them."""
    groups = {group.key for group in names.groups.values()}
    return _matching(typed, _short_names(names) | groups) or _matching(typed, set(names.paths))


def _matching(typed: str, names: set[str]) -> list[str]:
    """Return the names that begin so, as they are typed: with ``-`` where the beginning has one."""
    spellings = (name.replace("_", "-") if "-" in typed else name for name in sorted(names))
    return [name for name in spellings if name.startswith(typed)]


def _values(name: Name | None, beginning: str) -> list[str]:
    """Return the values that begin so, of a name whose values can be listed: choices, texts, true and false."""
    if name is None:
        return []
    texts = [
        str(value)
        for field in name.fields
        if not values.is_list(field.type)
        for value in typing.get_args(values.single_type(field.type))
    ]
    texts = ["true", "false"] if name.is_boolean() else [*name.choices, *dict.fromkeys(texts)]
    return [text for text in texts if text.startswith(beginning)]


def _translated(earlier: Sequence[str], names: Names) -> list[str]:
    """Return the overrides that finished words stand for; none for mistakes, and for blanks, which part a line here."""
    translated: list[str] = []
    for token in tokens.tokenize(earlier, names):
        if isinstance(token, tokens.Override):
            translated.append(token.text)
        elif isinstance(token, tokens.Parameter) and (name := names.find(token.name)):
            try:
                override = overrides.setting(token, name, multirun=False).override
            except UserError:
                continue
            translated += [override] if override else []
    return [override for override in translated if not set(override) & set(" \t\n")]
