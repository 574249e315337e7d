"""Where a study is stored, for readers that need no Optuna."""

import re
from pathlib import Path
from typing import Any

HIDDEN = "***"
CREDENTIALS = re.compile(r"://[^\s'\",]*@")
QUERY_PASSWORD = re.compile(r"([?&]password=)[^&\s'\",\]]*")


def name_and_place(hydra: Any) -> tuple[str, str]:
    """Return a study's name and its storage, a URL or an absolute path, from the config's ``hydra`` node."""
    name = str(hydra.sweeper.study_name or hydra.job.name)
    place = str(hydra.sweeper.storage or Path(hydra.runtime.cwd, "studies", f"{name}.log"))
    return name, place if "://" in place else str(Path(place).absolute())


def displayed(address: str) -> str:
    """Return an address with its password as ``***``, in the query too; a path or other text as it is.

    Args:
        address: such as ``postgresql://user:password@host/database``.
    """
    scheme, separator, rest = address.partition("://")
    if not separator:
        return address
    # At the last "@", since people leave "@", "/" and "?" in passwords unescaped. SQLAlchemy's make_url ends such a
    # password at its first "@", and refuses a malformed port; urllib's urlsplit ends it at its first "/" or "?".
    credentials, at, host = rest.rpartition("@")
    if ":" in credentials:
        credentials = f"{credentials.partition(':')[0]}:{HIDDEN}"
    return QUERY_PASSWORD.sub(rf"\1{HIDDEN}", f"{scheme}://{credentials}{at}{host}")


def without_credentials(command: str) -> str:
    """Return a command line without the names, which may be tokens, and passwords in the addresses that it holds."""
    return QUERY_PASSWORD.sub(rf"\1{HIDDEN}", CREDENTIALS.sub(f"://{HIDDEN}@", command))


def without_password(message: str, address: str) -> str:
    """Return a message, such as a driver's, without the password of an address that it may repeat."""
    message = message.replace(address, displayed(address))
    password = address.rpartition("@")[0].rpartition(":")[2]
    return message.replace(password, HIDDEN) if password else message
