"""The one exception that means "the person's mistake", as opposed to a bug."""


class UserError(Exception):
    """Input that cannot be used: a parameter, a file, a directory.

    The message is one line a mistake; each names the broken law, the value and the way on. The entry prints it
    without a traceback and exits with 2. Anything that is not a ``UserError`` is a bug, and keeps its traceback.

    Args:
        mistakes: one or more such lines, at least one.
    """

    exit_code = 2

    def __init__(self, *mistakes: str) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes
