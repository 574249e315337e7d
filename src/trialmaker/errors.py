"""The exceptions that mean "the person's mistake", as opposed to a bug, and the text of messages."""

import re

MAX_SHOWN_CHARACTERS = 200  # of a value in a message
JOINER = "\N{ZERO WIDTH JOINER}"
JOINED = re.compile(r"([^\x00-\x7f])\\u200d(?=[^\x00-\x7f])")  # its escape, between two that it joins


class UserError(Exception):
    """Input that cannot be used: a parameter, a file, a directory.

    The message has one line for each mistake: the broken law, the value and the way on. The entry prints it without a
    traceback and exits with 2. An exception of any other type is a bug, and keeps its traceback.

    Args:
        mistakes: one or more such lines.
    """

    exit_code = 2

    def __init__(self, *mistakes: str) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


class StudyError(BaseException):
    """A person's mistake that every trial of a study would fail by, so that it ends the study.

    It is no ``Exception``: after those, a study goes on with the next trial. The trial waits for the next command.

    Args:
        error: the mistake.
    """

    def __init__(self, error: UserError) -> None:
        super().__init__(str(error))
        self.error = error


def one_line(error: object, limit: int | None = None) -> str:
    """Return a message on one line, each run of white space in it as one blank.

    Args:
        error: an exception, or any other object with a text.
        limit: the greatest number of characters to return; None for all.

    Returns:
        the message; for an exception with an empty message, the name of its type.
    """
    text = " ".join(str(error).split())
    if not text and isinstance(error, BaseException):
        text = type(error).__name__
    return text[:limit]


def first_line(error: Exception, limit: int) -> str:
    """Return the first line of a message that goes on for many, or of an empty one the type's name."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:limit]


def printable(text: str) -> str:
    r"""Return a text with each unprintable character as a Python escape, such as ``\n`` or ``\x1b``.

    The joiner of an emoji of several, as of a family, stays between characters that are no ASCII.
    """
    if text.isprintable():
        return text
    shown = "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
    return JOINED.sub(lambda match: f"{match[1]}{JOINER}", shown) if JOINER in text else shown


def shorten(text: str, limit: int = MAX_SHOWN_CHARACTERS) -> str:
    """Return the first ``limit`` characters of a text, with ``…`` where it is longer."""
    return text if len(text) <= limit else text[:limit] + "…"
