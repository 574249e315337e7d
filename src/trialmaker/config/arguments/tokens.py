"""The words of a command line, parted into Hydra's flags, Hydra's overrides, and runtime parameters."""

import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from trialmaker.config.arguments import values
from trialmaker.config.arguments.names import Name, Names

CONFIGS = ("job", "hydra", "all")
INFORMATION = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")
SHELL_COMPLETION = {"-sc", "--shell-completion"}
SWITCHES = {"-m", "--multirun", "-h", "--help", "--hydra-help", "--resolve", "-r"}
# Flags with an argument, and what it can be: () for anything. Hydra's long --run, --info, --version and --package, and
# its abbreviations, are left out: they would swallow parameters of a person's.
FLAGS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("--cfg", "-c"), CONFIGS),
    **dict.fromkeys(("--config-dir", "-cd", "--config-name", "-cn", "--config-path", "-cp"), ()),
    **dict.fromkeys(("--experimental-rerun", "-p"), ()),
    "-i": INFORMATION,
}
# What a name that is not one may have been meant as.
FLAGS_MEANT = {flag.strip("-"): flag for flag in (*FLAGS, *SWITCHES) if flag.startswith("--")}
FLAGS_MEANT |= {flag.replace("-", "_"): meant for flag, meant in FLAGS_MEANT.items()}
FLAGS_MEANT |= {"info": "-i", "package": "-p", "run": "-r"}
NAMED = re.compile(r"--?[A-Za-z_]")
LONGEST_SHOWN = 200


@dataclass(frozen=True)
class Flag:
    """One of Hydra's, with its argument if it takes one."""

    words: tuple[str, ...]


@dataclass(frozen=True)
class Override:
    """Hydra's own syntax, such as ``+x=1``, ``~x``, ``hydra.verbose=true``."""

    text: str


@dataclass(frozen=True)
class Parameter:
    """A name and its value.

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
        """As typed, in a form that fits a message."""
        return f"{self.dashes}{shown(self.name)}{self.link}{shown(self.value, empty='' if self.link != ' ' else None)}"


@dataclass(frozen=True)
class Mistake:
    """A word that is none of these."""

    text: str


Token = Flag | Override | Parameter | Mistake


def tokenize(argv: Sequence[str], names: Names) -> Iterator[Token]:
    """What was typed, in its order. Words that are empty and nobody's value are left out."""
    words = deque(argv)
    while words:
        word = words.popleft()
        if word:
            yield _item(word, words, names)


def shown(text: str, *, empty: str | None = None) -> str:
    """A text as a message shows it: in one line, in quotes where it has blanks, and not at any length."""
    text = clipped(text)
    if not text and empty is not None:
        return empty
    return text if text and text.isprintable() and " " not in text else repr(text)


def clipped(text: str) -> str:
    """Its beginning, where it is long."""
    return text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + "…"


def _item(word: str, words: deque[str], names: Names) -> Token:
    name, equals, value = word.partition("=")
    if name in FLAGS or name in SWITCHES:
        return _flag(name, equals, value, words)
    if word[0] in "+~" or (equals and (name.startswith(("hydra.", "hydra/")) or "@" in name)):
        return Override(word)
    if NAMED.match(word):
        return _parameter(name, equals, value, words, names)
    if equals:
        return Parameter("", name, "=", value)
    hint = "write --name value, --name=value or name=value; a list is one word, such as 128,64"
    return Mistake(f"{shown(word)}: is neither a parameter nor the value of one; {hint}")


def _flag(name: str, equals: str, value: str, words: deque[str]) -> Token:
    if name in SWITCHES:
        return Mistake(f"{name}={shown(value)}: takes no value") if equals else Flag((name,))
    legal = FLAGS[name]
    if name == "-i" and not equals and (not words or words[0] not in legal):
        return Flag((name, "all"))  # as Hydra would; alone, it would swallow the override that comes next
    expected = f"one of {', '.join(legal)}" if legal else "a name or a path"
    if not equals and (not words or words[0].startswith("-")):
        return Mistake(f"{name}: needs a value: {expected}")
    value = value if equals else words.popleft()
    if legal and value not in legal:
        return Mistake(f"{name}{equals or ' '}{shown(value)}: must be {expected}")
    return Flag((f"{name}={value}",) if equals else (name, value))


def _parameter(typed: str, equals: str, value: str, words: deque[str], names: Names) -> Parameter:
    dashes = "--" if typed.startswith("--") else "-"
    name = typed.removeprefix(dashes)
    if equals:
        return Parameter(dashes, name, "=", value)
    if words and _is_value(words[0], names.find(name), names):
        return Parameter(dashes, name, " ", words.popleft())
    return Parameter(dashes, name, "", "")


def _is_value(word: str, name: Name | None, names: Names) -> bool:
    """Whether a word is the value of the name before it, and not the next parameter."""
    head, equals, _ = word.partition("=")
    known = head in FLAGS or head in SWITCHES or names.find(re.sub("^--?", "", head)) is not None
    if name is None:
        return not NAMED.match(word) and not (equals and known)
    if name.is_text():
        return not (word.startswith("-") and known)
    if values.NUMBER.fullmatch(word):
        return True
    return not (NAMED.match(word) or equals or word.startswith(("+", "~")))
