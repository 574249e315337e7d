"""Where a study is stored, for readers that need no Optuna."""

from pathlib import Path
from typing import Any

HIDDEN = "***"


def name_and_place(hydra: Any) -> tuple[str, str]:
    """Return a study's name and its storage, a URL or an absolute path, from the config's ``hydra`` node."""
    name = str(hydra.sweeper.study_name or hydra.job.name)
    place = str(hydra.sweeper.storage or Path(hydra.runtime.cwd, "studies", f"{name}.log"))
    return name, place if "://" in place else str(Path(place).absolute())


def displayed(address: str, *, shows_user: bool = True) -> str:
    """Return an address with its password as ``***``, in the query too; a path or other text as it is.

    Args:
        address: such as ``postgresql://user:password@host/database``.
        shows_user: False to hide the user's name too, which of some services is a token.
    """
    scheme, separator, rest = address.partition("://")
    if not separator:
        return address
    # At the last "@", since people leave "@", "/" and "?" in passwords unescaped. SQLAlchemy's make_url ends such a
    # password at its first "@", and refuses a malformed port; urllib's urlsplit ends it at its first "/" or "?".
    credentials, at, host = rest.rpartition("@")
    if at and not shows_user:
        credentials = HIDDEN
    elif ":" in credentials:
        credentials = f"{credentials.partition(':')[0]}:{HIDDEN}"
    start, mark, query = f"{scheme}://{credentials}{at}{host}".partition("?")
    return start + mark + "&".join(map(_displayed_parameter, query.split("&")))


def _displayed_parameter(parameter: str) -> str:
    name, equals, _ = parameter.partition("=")
    return f"{name}={HIDDEN}" if equals and name == "password" else parameter


def without_password(message: str, address: str) -> str:
    """Return a message, such as a driver's, without the password of an address that it may repeat."""
    message = message.replace(address, displayed(address))
    password = address.rpartition("@")[0].rpartition(":")[2]
    return message.replace(password, HIDDEN) if password else message
