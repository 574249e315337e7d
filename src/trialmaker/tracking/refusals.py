"""What to do about a store that refuses, and servers that cannot be reached, found before MLflow would."""

import importlib.metadata
import importlib.util
import re
import socket
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from trialmaker.errors import UserError, one_line

SCHEMA = re.compile(r"out-of-date database schema \(found version (\w+),")
CONNECT_SECONDS = 5.0  # MLflow's client waits for minutes for an address from which nothing comes back
REFUSAL_CHARACTERS = 400
NOISE = re.compile(r"\s*(\[SQL: .*|\(Background on this error .*|NOTE: .*)$")  # of SQLAlchemy's and MLflow's messages
OTHER_STORE = "or choose another store: tracking.uri=…, null for the output's own, or another output=…"
ADVICE = {
    r"database is locked": f"another program holds it: end that one, {OTHER_STORE}",
    r"malformed|not a database": f"the file is damaged: move it away, and a new one is made, {OTHER_STORE}",
    r"readonly database|unable to open database file|Permission denied": (
        f"the file and its folder must be there and writable; make them so, {OTHER_STORE}"
    ),
    r"disk is full|disk I/O error|No space left|File too large": f"the disk may be full: make space, {OTHER_STORE}",
    r"error code 40[13]\b": (
        "the server wants to know who you are: set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD,"
        f" or MLFLOW_TRACKING_TOKEN, {OTHER_STORE}"
    ),
    r"error code 404\b|Expecting value": f"no MLflow server answers at this address: correct it, {OTHER_STORE}",
    r"Max retries exceeded|timed out|Connection refused|could not connect|Name or service not known": (
        f"it cannot be reached: start it, correct its address, {OTHER_STORE}"
    ),
}


# What passes, as far as can be told: a server that is away or overloaded, a store that is locked.
PASSING = re.compile(
    r"database is locked|Connection refused|timed out|timeout|Connection reset|Connection aborted|BrokenPipe"
    r"|closed connection without response|Remote end closed|error code (429|5\d\d)\b|too many 5\d\d error"
    r"|could not connect|Can't connect|Temporary failure in name resolution|Network is unreachable|No route to host"
)
OUTAGES = {
    r"error code (\d{3})\b": "it answers with the error {}",
    r"too many (\d)\d\d error": "it answers with errors {}xx",
    r"Connection refused": "nothing listens at its address",
    r"[Tt]imed out|[Tt]imeout": "no answer in time",
    r"database is locked": "another program holds it",
    r"disk is full|No space left|File too large": "no space left on its disk",
    r"reset|[Aa]borted|closed connection|Remote end closed|BrokenPipe": "it broke the connection off",
    r"name resolution|not known": "its host's name is not known now",
}
OUTAGE_CHARACTERS = 100
STORE_PACKAGES = {"mlflow", "sqlalchemy", "sqlite3", "requests", "urllib3"}  # their errors are the store's, not bugs


def is_of_store(error: Exception) -> bool:
    """Return whether an error is the store's, or the disk's, and no bug of this program."""
    is_foreign = type(error).__module__.partition(".")[0] in STORE_PACKAGES
    return is_foreign or isinstance(error, OSError | UserError)


def is_passing(error: Exception) -> bool:
    """Return whether a store that refuses at the start of a run may come back by itself."""
    return bool(PASSING.search(str(error)))


def outage(error: Exception) -> str:
    """Return in a few words why a store does not answer now; the tracking process' log has the whole error."""
    text = one_line(error)
    for pattern, words in OUTAGES.items():
        if match := re.search(pattern, text):
            return words.format(*match.groups())
    return f"{type(error).__name__}: {NOISE.sub('', text)[:OUTAGE_CHARACTERS].rstrip(' .')}"


def explain(error: Exception) -> str:
    """Return why a store refuses, on one line, and what to do about it."""
    text = one_line(error)
    reason = NOISE.sub("", text)[:REFUSAL_CHARACTERS].rstrip(" .")
    if isinstance(error, UserError):
        return f"{reason}{_advice(text, default='')}"
    return f"{type(error).__name__}: {reason}{_advice(text, default=OTHER_STORE.removeprefix('or '))}"


def _advice(text: str, default: str) -> str:
    """Return what to do about a message, with a ``;`` before it; the default for an unknown one."""
    if schema := SCHEMA.search(text):
        return f"; {_schema_advice(schema[1])}"
    advice = next((advice for pattern, advice in ADVICE.items() if re.search(pattern, text)), default)
    return f"; {advice}" if advice else ""


def _schema_advice(revision: str) -> str:
    """Return what to do about a database whose tables are those of another MLflow, whose latest migration is given."""
    migrations = importlib.util.find_spec("mlflow.store.db_migrations")
    folders = migrations.submodule_search_locations if migrations else None
    if any(file for folder in folders or () for file in Path(folder, "versions").glob(f"{revision}_*.py")):
        return f"its tables are of an older MLflow: mlflow db upgrade, with this address, renews them, {OTHER_STORE}"
    version = importlib.metadata.version("mlflow")
    return f"its tables are of a newer MLflow than this one, {version}: install the newer one, {OTHER_STORE}"


def check_reachable(uri: str) -> None:
    """Connect to a server once; other stores, and a server behind a proxy, are left to MLflow.

    Raises:
        UserError: nothing answers within ``CONNECT_SECONDS``, or the address has no such host.
    """
    address = urlsplit(uri)
    if address.scheme not in ("http", "https") or not address.hostname or address.scheme in urllib.request.getproxies():
        return
    try:
        port = address.port or {"http": 80, "https": 443}[address.scheme]
        socket.create_connection((address.hostname, port), CONNECT_SECONDS).close()
    except (OSError, ValueError) as error:
        raise UserError(f"{address.hostname}: {one_line(error)}") from error
