"""The error that the service answers with."""

MESSAGE_CHARACTERS = 1000  # of a message, which may repeat what was sent


class HTTPError(Exception):
    """A request that cannot be served: the caller's mistake (4xx), or too much at once (503, 504).

    Args:
        status: the HTTP status code.
        message: the broken law, the value, and what to do; cut to ``MESSAGE_CHARACTERS``.
        headers: the answer's headers, with ``_`` for ``-`` in their names.
    """

    def __init__(self, status: int, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message[:MESSAGE_CHARACTERS]
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
