"""The command line of a run: what is typed, as what Hydra is given, and back as one line to copy."""

import os
import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from trialmaker.config.arguments import overrides, tokens
from trialmaker.config.arguments.names import Names
from trialmaker.config.arguments.values import NULLS
from trialmaker.config.fields import fields
from trialmaker.errors import UserError

LONGEST_MISTAKE = 1000


def translate(argv: Sequence[str], conf: Sequence[Path]) -> list[str]:
    """Runtime parameters as Hydra's overrides.

    Args:
        argv: the command line without the program's name: ``--name value``, ``--name=value``, the same with one dash,
            ``name=value``, and Hydra's flags and overrides, in any mixture.
        conf: the config directories, whose files are the choices of the config groups.

    Returns:
        Hydra's flags, then overrides: Hydra takes none after a flag that follows one.

    Raises:
        UserError: one line for each mistake, in the order typed: a name that there is not or that has several
            meanings, a value of another type or out of range, contradictions.
    """
    if tokens.SHELL_COMPLETION & set(argv):
        return list(argv)  # its words, such as query=bash, are not overrides
    names = Names(choices([*conf, *_directories_in(argv)]), tokens.FLAGS_MEANT)
    translation = _Translation(names, list(tokens.tokenize(argv, names)))
    if translation.mistakes:
        raise UserError(*map(_one_line, translation.mistakes))
    return [*translation.flags, *translation.overrides]


def command_line(overrides: Sequence[str]) -> str:
    """What to type for the same run, for a person to copy into bash.

    A platform looks for "accuracy", blank, number in what a run prints. There it must not find this line: the word is
    quoted, so that no blank follows it.
    """
    return " ".join(["python train.py", *map(_for_the_shell, overrides)])


def choices(conf: Iterable[Path]) -> dict[str, list[str]]:
    """The config groups and the names of their choices, by what lies in the config directories."""
    found = {(path.parent.name, path.stem) for folder in conf for path in folder.glob("*/*.yaml")}
    groups = dict.fromkeys(group for group, _ in sorted(found))
    return {group: [name for of, name in sorted(found) if of == group] for group in groups}


def explain(error: Exception, argv: Sequence[str]) -> UserError:
    """One line for an error in which Hydra refused to compose the config.

    Args:
        error: Hydra's.
        argv: what Hydra was given.
    """
    text = " ".join(str(error).split())
    refused = re.match(r"Could not override '([^']+)'", text)
    owners = [field.owner for field in fields() if refused and field.path == refused[1] and field.owner]
    if refused and owners:
        group, _, name = refused[1].partition(".")
        chosen = [word for word in argv if word.startswith(f"{group}=")] or [f"the default {group}"]
        kinds = ", ".join(owner.replace("/", ", ") for owner in dict.fromkeys(owners))
        return UserError(f"{refused[1]}: {chosen[-1]} has no {name}; {kinds} have it")
    return UserError(text)


class _Translation:
    """The items of a command line as Hydra's flags and overrides, and all mistakes in them."""

    def __init__(self, names: Names, items: Sequence[tokens.Token]) -> None:
        self.flags: list[str] = []
        self.overrides: list[str] = []
        self.mistakes: list[str] = []
        self._names = names
        self._multirun = any(_asks_for_several_runs(item) for item in items)
        self._settings: dict[str, tuple[tokens.Parameter, overrides.Setting]] = {}
        for item in items:
            self._add(item)
        self._check_flags()

    def _add(self, item: tokens.Token) -> None:
        match item:
            case tokens.Flag():
                self.flags += item.words
            case tokens.Override():
                self._add_override(item.text)
            case tokens.Parameter():
                self._add_parameter(item)
            case tokens.Mistake():
                self.mistakes.append(item.text)

    def _add_override(self, text: str) -> None:
        try:
            overrides.check(text, self._names)
            self.overrides.append(text)
        except UserError as error:
            self.mistakes += error.mistakes

    def _add_parameter(self, parameter: tokens.Parameter) -> None:
        name = self._names.find(parameter.name)
        if name is None:
            self._add_unknown(parameter)
            return
        try:
            setting = overrides.setting(parameter, name, multirun=self._multirun)
        except UserError as error:
            self.mistakes += [f"{parameter}: {law}" for law in error.mistakes]
            return
        first, known = self._settings.setdefault(setting.key, (parameter, setting))
        if known.value != setting.value:
            self.mistakes.append(f"{first} and {parameter}: two values for {setting.key}; leave one of them out")
        elif known is setting and setting.override is not None:
            self.overrides.append(setting.override)

    def _add_unknown(self, parameter: tokens.Parameter) -> None:
        """A whole part of the config, in Hydra's syntax, or a name that there is not."""
        if not parameter.dashes and self._names.is_section(parameter.name) and parameter.value.startswith(("{", "${")):
            self._add_override(f"{parameter.name}={parameter.value}")
            return
        typed = str(parameter) if parameter.dashes else tokens.shown(parameter.name)
        self.mistakes.append(f"{typed}: {self._names.refusal(parameter.name)}")

    def _check_flags(self) -> None:
        """What Hydra would end in a traceback for."""
        given = {flag.partition("=")[0] for flag in self.flags}
        commands = [flag for flag in ("-r", "-m", "--multirun", "--cfg", "-c", "-i") if flag in given]
        if len({flag.strip("-")[0] for flag in commands}) > 1:
            self.mistakes.append(f"{' and '.join(commands)}: only one of -r, -m, --cfg and -i can be asked for")
        if "--resolve" in given and not given & {"--cfg", "-c", "--help", "-h"}:
            self.mistakes.append("--resolve: goes with --cfg or --help")


def _asks_for_several_runs(item: tokens.Token) -> bool:
    match item:
        case tokens.Flag():
            return item.words[0] in ("-m", "--multirun")
        case tokens.Override():
            return item.text == "hydra.mode=MULTIRUN"
        case tokens.Parameter():
            sweeps = item.name == "sweeps" and item.value.lower() not in NULLS
            return sweeps or (item.name, item.value) == ("hydra.mode", "MULTIRUN")
    return False


def _directories_in(argv: Sequence[str]) -> Iterator[Path]:
    """The config directories that Hydra's flag adds."""
    for word, following in zip(argv, [*argv[1:], ""], strict=False):
        flag, equals, value = word.partition("=")
        if flag in ("--config-dir", "-cd") and os.path.isdir(value if equals else following):  # noqa: PTH112
            yield Path(value if equals else following)  # os.path, because Path.is_dir raises on what is no path


def _one_line(mistake: str) -> str:
    line = mistake if len(mistake) <= LONGEST_MISTAKE else mistake[:LONGEST_MISTAKE] + "…"
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in line)


def _for_the_shell(word: str) -> str:
    if not word.isprintable():
        return f"$'{''.join(map(_for_bash, word))}'".replace("accuracy ", "accuracy\\x20")
    quoted = shlex.quote(word)
    if quoted == word and "accuracy" in word:
        return f"'{word}'"
    return quoted.replace("accuracy ", "accuracy'' ")


def _for_bash(char: str) -> str:
    if char in "\\'":
        return f"\\{char}"
    if char.isprintable():
        return char
    return "".join(f"\\x{byte:02x}" for byte in char.encode("utf-8", _errors(char)))


def _errors(char: str) -> str:
    return "surrogateescape" if "\udc80" <= char <= "\udcff" else "surrogatepass"
