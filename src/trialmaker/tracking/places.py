"""Names of the files of a run's tracking record, and where one lies. Light: it imports no MLflow."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self

JOURNAL_FILE = "tracking.jsonl"  # in the run's directory: all that MLflow is told of it
STATE_FILE = "tracking.state.json"  # beside it: how far MLflow has it
DELIVERY_LOCK_FILE = "tracking.lock"  # beside it: locked by the process that delivers it
ENVIRONMENT_FILE = "tracking.environment.json"  # beside it: the code's commit and the packages of the training
LOG_FILE = "tracking.log"  # beside it: what the tracking process prints
RELATIVE_SQLITE = re.compile(r"(sqlite(?:\+\w+)?:///)([^/:].*)")  # :memory: is no file


@dataclass(frozen=True)
class RunPlace:
    """A run whose journal is to be delivered, and what the journal does not say, since strangers may read or write it.

    Args:
        directory: the run's, which holds the journal.
        output: the output directory; files that a record names lie in it.
        uri: MLflow tracking URI, perhaps with a password; None for SQLite in ``output``.
        project: the code's directory, perhaps a git checkout; None where it is not that of the run.
        storage: Optuna's storage, perhaps with a password, of a study's result; "" otherwise.
    """

    directory: Path
    output: Path
    uri: str | None = None
    project: Path | None = None
    storage: str = ""

    @property
    def journal(self) -> Path:
        """Return the journal's path."""
        return self.directory / JOURNAL_FILE

    @property
    def store(self) -> str:
        """Return the tracking URI."""
        return self.uri or f"sqlite:///{self.output / 'mlflow.db'}"

    def to_line(self) -> bytes:
        """Return the place as one line of JSON."""
        paths = {"directory": str(self.directory), "output": str(self.output)}
        project = str(self.project) if self.project else None
        return json.dumps({**paths, "uri": self.uri, "project": project, "storage": self.storage}).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> Self:
        """Return the place that ``to_line`` wrote."""
        values = json.loads(line)
        project = Path(values["project"]) if values["project"] else None
        return cls(Path(values["directory"]), Path(values["output"]), values["uri"], project, values["storage"])


def absolute_store(uri: str) -> str:
    """Return a tracking URI that means the same in another current directory: a relative SQLite file's is not so."""
    match = RELATIVE_SQLITE.fullmatch(uri)
    return f"{match[1]}{Path(match[2]).absolute()}" if match else uri
