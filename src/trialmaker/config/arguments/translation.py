"""The command line of a run: runtime parameters to Hydra's overrides, and overrides to one line to copy."""

import os
import shlex
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from trialmaker.config.arguments import full_width, overrides, tokens
from trialmaker.config.arguments.names import FORCED, TAGS, Names
from trialmaker.config.arguments.values import NULLS
from trialmaker.config.sweep_files import sweep_files
from trialmaker.errors import UserError, printable, shorten
from trialmaker.platform.paths import train_command

MAX_MISTAKE_CHARACTERS = 1000


def translate(argv: Sequence[str], conf: Sequence[Path]) -> list[str]:
    """Translate a command line with runtime parameters to one that Hydra parses.

    Args:
        argv: the command line without the program's name: ``--name value``, ``--name=value``, the same with one dash,
            ``name=value``, and Hydra's flags and overrides, in any order.
        conf: the config directories, whose files are the choices of the config groups.

    Returns:
        Hydra's flags, then overrides: Hydra refuses an override after a flag that follows an override.

    Raises:
        UserError: one line for each mistake, in the order typed: an unknown or ambiguous name, a value of another type
            or out of range, two values for one name.
    """
    if tokens.SHELL_COMPLETION & set(argv):
        return list(argv)  # its words, such as query=bash, are not overrides
    names = Names(choices([*conf, *config_directories(argv)]), tokens.FLAG_ALIASES)
    translation = _Translation(names, list(tokens.tokenize(argv, names)))
    if translation.mistakes:
        raise UserError(*(printable(shorten(text, MAX_MISTAKE_CHARACTERS)) for text in translation.mistakes))
    return [*translation.flags, *translation.overrides]


def as_meant(argv: Sequence[str], conf: Sequence[Path]) -> tuple[list[str], str]:
    """Return a command line without the characters of Chinese input methods, and a line that says what was read so.

    Args:
        argv, conf: as for ``translate``.
    """
    return full_width.as_meant(argv, Names(choices([*conf, *config_directories(argv)]), tokens.FLAG_ALIASES))


def command_line(overrides: Sequence[str]) -> str:
    """Return the command line of a run with these overrides, for a person to copy into bash.

    The platform reads "accuracy", blank, number in a printed line as a metric, so the word is quoted here: no blank
    follows it.
    """
    words = (word.removeprefix(FORCED) if word.startswith(f"{FORCED}{TAGS}") else word for word in overrides)
    return " ".join([train_command(), *map(_quote_for_bash, words)])


def swept_names(words: Iterable[str]) -> list[str]:
    """Return the groups and fields in which the jobs of a multirun differ.

    Args:
        words: flags and overrides, translated.
    """
    parsed = (overrides.try_parse(word) for word in words if "=" in word and not word.startswith("-"))
    return [str(one.key_or_group) for one in parsed if one and one.is_sweep_override()]


def choices(conf: Iterable[Path]) -> dict[str, list[str]]:
    """Return the names of the choices of each config group.

    Args:
        conf: the config directories, whose files are choices; those of ``sweeps/`` are choices in any case.
    """
    files = [path for folder in conf for path in folder.glob("*/*.yaml")] + sweep_files()
    names = sorted({(path.parent.name, path.stem) for path in files})
    return {group: [name for owner, name in names if owner == group] for group in dict(names)}


class _Translation:
    """The tokens of a command line as Hydra's flags and overrides, and all mistakes in them."""

    def __init__(self, names: Names, command_line: Sequence[tokens.Token]) -> None:
        self.flags: list[str] = []
        self.overrides: list[str] = []
        self.mistakes: list[str] = []
        self._names = names
        self._multirun = any(_is_multirun(token) for token in command_line)
        self._settings: dict[str, tuple[tokens.Parameter, overrides.Setting]] = {}
        for token in command_line:
            self._add(token)
        self._check_flags()

    def _add(self, token: tokens.Token) -> None:
        match token:
            case tokens.Flag((flag, topic)) if flag in tokens.HELP_FLAGS:
                self.flags.append(flag)
                self.overrides.append(f"hydra.help.template=${{manual:{topic}}}")
            case tokens.Flag():
                self.flags += token.words
            case tokens.Override():
                self._add_override(token.text)
            case tokens.Parameter():
                self._add_parameter(token)
            case tokens.Mistake():
                self.mistakes.append(token.text)

    def _add_override(self, text: str) -> None:
        text = overrides.readable(text)
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
        first, first_setting = self._settings.setdefault(setting.key, (parameter, setting))
        if first_setting.value != setting.value:
            key = setting.key.removeprefix(FORCED)
            self.mistakes.append(f"{first} and {parameter}: two values for {key}; leave one of them out")
        elif first_setting is setting and setting.override is not None:
            self.overrides.append(setting.override)

    def _add_unknown(self, parameter: tokens.Parameter) -> None:
        """Add an override of a whole section in Hydra's syntax, or the mistake of an unknown name."""
        if not parameter.dashes and self._names.is_section(parameter.name) and parameter.value.startswith(("{", "${")):
            forced = FORCED if f"{parameter.name}." == TAGS else ""
            self._add_override(f"{forced}{parameter.name}={parameter.value}")
            return
        typed = str(parameter) if parameter.dashes else tokens.display(parameter.name)
        self.mistakes.append(f"{typed}: {self._names.refusal(parameter.name)}")

    def _check_flags(self) -> None:
        """Add a mistake for combinations of flags on which Hydra ends in a traceback."""
        names = {flag.partition("=")[0] for flag in self.flags}
        commands = [flag for flag in ("-r", "-m", "--multirun", "--cfg", "-c", "-i") if flag in names]
        if len({flag.strip("-")[0] for flag in commands}) > 1:
            self.mistakes.append(f"{' and '.join(commands)}: only one of -r, -m, --cfg and -i can be asked for")
        if "--resolve" in names and not names & {"--cfg", "-c", "--help", "-h"}:
            self.mistakes.append("--resolve: goes with --cfg or --help")


def _is_multirun(token: tokens.Token) -> bool:
    """Return whether a token makes the command line one of several runs."""
    match token:
        case tokens.Flag():
            return token.words[0] in ("-m", "--multirun")
        case tokens.Override():
            return token.text == "hydra.mode=MULTIRUN"
        case tokens.Parameter():
            is_study = token.name == "sweeps" and token.value.lower() not in NULLS
            return is_study or (token.name, token.value) == ("hydra.mode", "MULTIRUN")
    return False


def config_directories(argv: Sequence[str]) -> Iterator[Path]:
    """Yield the config directories that Hydra's flag ``--config-dir`` adds."""
    for word, following in zip(argv, [*argv[1:], ""], strict=False):
        flag, equals, value = word.partition("=")
        directory = value if equals else following
        # os.path, since Path.is_dir raises on a text that cannot be a path
        if flag in ("--config-dir", "-cd") and os.path.isdir(directory):  # noqa: PTH112
            yield Path(directory)


def _quote_for_bash(word: str) -> str:
    if not word.isprintable():
        return f"$'{''.join(map(_escape, word))}'".replace("accuracy ", "accuracy\\x20")
    quoted = shlex.quote(word)
    if quoted == word and "accuracy" in word:
        return f"'{word}'"
    return quoted.replace("accuracy ", "accuracy'' ")


def _escape(char: str) -> str:
    """Return a character inside bash's ``$'…'``."""
    if char in "\\'":
        return f"\\{char}"
    if char.isprintable():
        return char
    errors = "surrogateescape" if "\udc80" <= char <= "\udcff" else "surrogatepass"
    return "".join(f"\\x{byte:02x}" for byte in char.encode("utf-8", errors))
