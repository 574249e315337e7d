"""What the service answers to a request that it does not serve."""

MESSAGE_CHARACTERS = 1000  # characters of a message, which may repeat what was sent


class HTTPError(Exception):
    """A request that cannot be served: the caller's mistake (4xx), or too much at once (503, 504).

    Args:
        status: HTTP's.
        message: the law, the value, the way on.
        headers: of the answer.
    """

    def __init__(self, status: int, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message[:MESSAGE_CHARACTERS]
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
