"""What commands over many outputs share: the folders that are named, the store that they are merged into."""

import hashlib
import importlib.metadata
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path

from trialmaker.analysis.store import outputs
from trialmaker.analysis.store.merging import MergeResult, merge
from trialmaker.analysis.store.outputs import Output, SkippedOutput
from trialmaker.errors import UserError
from trialmaker.platform import paths


def add_arguments(parser: ArgumentParser) -> None:
    """Outputs, and where they are merged."""
    places = "outputs of jobs, or folders that contain some (default: this project's own output)"
    parser.add_argument("places", nargs="*", type=Path, metavar="DIR", help=places)
    store = "where to merge them (default: a folder for these outputs in workspace/comparisons)"
    parser.add_argument("--store", type=lambda text: Path(text).absolute(), metavar="DIR", help=store)


def merged(asked: Namespace, told: set[str] | None = None, *, forget: bool = True) -> MergeResult:
    """The outputs that were named, as one store; a line on standard error for each that can't be shown.

    Args:
        told: such lines that need not be said again.
        forget: see ``merge``.

    Raises:
        UserError: none can, or there is no such folder.
    """
    found, skipped = _find(asked)
    done = merge(found, asked.store or default_store(found), forget=forget)
    told = set() if told is None else told
    for line in map(str, [*skipped, *done.skipped]):
        if line not in told:
            print(line, file=sys.stderr, flush=True)
    told |= set(map(str, [*skipped, *done.skipped]))
    if not any(done.runs.values()):
        raise UserError(f"{_named(asked)}: holds no runs that can be shown")
    return done


def default_store(found: Sequence[Output]) -> Path:
    """The same for the same outputs; another one for another MLflow, whose tables may differ."""
    names = [importlib.metadata.version("mlflow"), *sorted(str(output.database) for output in found)]
    return paths.PROJECT / "workspace" / "comparisons" / hashlib.sha256("\n".join(names).encode()).hexdigest()[:12]


def _find(asked: Namespace) -> tuple[list[Output], list[SkippedOutput]]:
    own = paths.root() / "output"
    if not asked.places and not own.exists():
        raise UserError(f"{own}: there is no output yet: train first, or name outputs of jobs")
    found, skipped = outputs.find(asked.places or [own])
    if not found:
        raise UserError(*map(str, skipped))
    return found, skipped


def _named(asked: Namespace) -> str:
    return ", ".join(map(str, asked.places)) or str(paths.root() / "output")
