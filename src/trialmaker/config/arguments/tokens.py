"""The tokens of a command line: Hydra's flags, Hydra's overrides, and runtime parameters."""

import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from trialmaker.config.arguments import values
from trialmaker.config.arguments.names import Name, Names
from trialmaker.errors import shorten

CFG_VALUES = ("job", "hydra", "all")
INFO_VALUES = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")
HELP_FLAGS = ("--help", "-h")
# What may follow them: groups of fields; "run" are those outside of a group.
HELP_TOPICS = ("all", "data", "model", "optimizer", "schedule", "augment", "training", "run", "study")
SHELL_COMPLETION = {"-sc", "--shell-completion"}
SWITCHES = {"-m", "--multirun", "-h", "--help", "--hydra-help", "--resolve", "-r"}
# Flags with an argument, and its legal values: () for any. Hydra's long --run, --info, --version and --package, and its
# abbreviations, are left out: they would take the place of runtime parameters.
FLAGS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("--cfg", "-c"), CFG_VALUES),
    **dict.fromkeys(("--config-dir", "-cd", "--config-name", "-cn", "--config-path", "-cp"), ()),
    **dict.fromkeys(("--experimental-rerun", "-p"), ()),
    "-i": INFO_VALUES,
}
# Flags by other names, to suggest for a parameter that does not exist.
FLAG_ALIASES = {flag.strip("-"): flag for flag in (*FLAGS, *SWITCHES) if flag.startswith("--")}
FLAG_ALIASES |= {alias.replace("-", "_"): flag for alias, flag in FLAG_ALIASES.items()}
FLAG_ALIASES |= {"info": "-i", "package": "-p", "run": "-r"}
DASHED_NAME = re.compile(r"--?[A-Za-z_]")


@dataclass(frozen=True)
class Flag:
    """One of Hydra's flags, with its argument if it takes one."""

    words: tuple[str, ...]


@dataclass(frozen=True)
class Override:
    """An override in Hydra's own syntax, such as ``+x=1``, ``~x``, ``hydra.verbose=true``."""

    text: str


@dataclass(frozen=True)
class Parameter:
    """A runtime parameter: a name and its value.

    Args:
        dashes: ``--``, ``-``, or "" for Hydra's ``name=value``.
        name: without its dashes, as typed.
        link: between name and value: ``=``, a blank, or "" where there is no value.
        value: as typed.
    """

    dashes: str
    name: str
    link: str
    value: str

    def __str__(self) -> str:
        """Return the parameter as typed, in a form that fits into a message."""
        value = "" if not self.value and self.link != " " else display(self.value)
        return f"{self.dashes}{display(self.name)}{self.link}{value}"


@dataclass(frozen=True)
class Mistake:
    """A word that is none of these.

    Args:
        text: the message about it.
    """

    text: str


Token = Flag | Override | Parameter | Mistake


def tokenize(argv: Sequence[str], names: Names) -> Iterator[Token]:
    """Yield the tokens of a command line in their order; an empty word that is no value is left out."""
    words = deque(argv)
    while words:
        word = words.popleft()
        if word:
            yield _token(word, words, names)


def display(text: str) -> str:
    """Return a text as a message shows it: shortened, and in quotes where it is empty or has blanks or controls."""
    text = shorten(text)
    return text if text and text.isprintable() and " " not in text else repr(text)


def _token(word: str, words: deque[str], names: Names) -> Token:
    name, equals, value = word.partition("=")
    if name in FLAGS or name in SWITCHES:
        return _flag(name, equals, value, words)
    if word[0] in "+~" or (equals and (name.startswith(("hydra.", "hydra/")) or "@" in name)):
        return Override(word)
    if DASHED_NAME.match(word):
        return _parameter(name, equals, value, words, names)
    if equals:
        return Parameter("", name, "=", value)
    hint = "write --name value, --name=value or name=value; a list is one word, such as 128,64"
    return Mistake(f"{display(word)}: is neither a parameter nor the value of one; {hint}")


def _flag(name: str, equals: str, value: str, words: deque[str]) -> Token:
    if name in HELP_FLAGS and (equals or (words and _is_bare(words[0]))):
        topic = value if equals else words.popleft()
        law = f"must be one of {', '.join(HELP_TOPICS)}"
        return Flag((name, topic)) if topic in HELP_TOPICS else Mistake(f"{name} {display(topic)}: {law}")
    if name in SWITCHES:
        return Mistake(f"{name}={display(value)}: takes no value") if equals else Flag((name,))
    legal = FLAGS[name]
    if name == "-i" and not equals and (not words or words[0] not in legal):
        return Flag((name, "all"))  # Hydra's default; without it, the next override would become the argument
    expected = f"one of {', '.join(legal)}" if legal else "a name or a path"
    if not equals and (not words or words[0].startswith("-")):
        return Mistake(f"{name}: needs a value: {expected}")
    value = value if equals else words.popleft()
    if legal and value not in legal:
        return Mistake(f"{name}{equals or ' '}{display(value)}: must be {expected}")
    return Flag((f"{name}={value}",) if equals else (name, value))


def _is_bare(word: str) -> bool:
    """Return whether a word is neither a flag nor an override."""
    return word[:1] not in ("", "-", "+", "~") and "=" not in word


def _parameter(typed: str, equals: str, value: str, words: deque[str], names: Names) -> Parameter:
    dashes = "--" if typed.startswith("--") else "-"
    name = typed.removeprefix(dashes)
    if equals:
        return Parameter(dashes, name, "=", value)
    if words and _is_value(words[0], names.find(name), names):
        return Parameter(dashes, name, " ", words.popleft())
    return Parameter(dashes, name, "", "")


def _is_value(word: str, name: Name | None, names: Names) -> bool:
    """Return whether a word is the value of the name before it, and not the next parameter."""
    head, equals, _ = word.partition("=")
    is_known = head in FLAGS or head in SWITCHES or names.find(re.sub("^--?", "", head)) is not None
    if name is None:
        return not DASHED_NAME.match(word) and not (equals and is_known)
    if name.is_text():
        return not (word.startswith("-") and is_known)
    if values.NUMBER.fullmatch(word):
        return True
    return not (DASHED_NAME.match(word) or equals or word.startswith(("+", "~")))
