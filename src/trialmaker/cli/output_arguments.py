"""What commands over many outputs share: the folders that are named, the store that they are merged into."""

import hashlib
import importlib.metadata
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import click

from trialmaker.analysis.store import outputs
from trialmaker.analysis.store.merging import MergeResult, merge
from trialmaker.analysis.store.outputs import Output, SkippedOutput
from trialmaker.cli.command_class import PATH
from trialmaker.errors import UserError, printable
from trialmaker.platform import paths
from trialmaker.tracking.output_journals import find_outputs
from trialmaker.tracking.recovery import recover

PLACES_HELP = "Each DIR is a job's output, or a folder that contains several (default: workspace/output)."


def output_arguments(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the argument ``places`` and the option ``store``."""
    store = "The folder to merge the outputs in (default: one of their own in workspace/comparisons)."
    function = click.option("--store", type=PATH, metavar="DIR", help=store)(function)
    return click.argument("places", nargs=-1, type=PATH, metavar="[DIR]...")(function)


@dataclass(frozen=True)
class OutputSelection:
    """The outputs that a command works on, by default this project's own.

    Args:
        places: outputs of jobs, or folders that contain some.
        store: where to merge them; None for a folder of their own.
        printed: lines that have been printed, and need not be again.
        follows_links: see ``outputs.find``.
    """

    places: Sequence[Path]
    store: Path | None
    printed: set[str] = field(default_factory=set)
    follows_links: bool = True

    def merge(self, *, forget: bool = True) -> MergeResult:
        """Merge the outputs; print a line on standard error for each that can't be read.

        Runs of dead processes, and those that MLflow did not have whole, are brought to their outputs' stores first.

        Args:
            forget: see ``merging.merge``.

        Raises:
            UserError: none can be read, or there is no such folder.
        """
        if forget:
            self._recover()
        selected, skipped = self._find()
        store = self.store.absolute() if self.store else default_store(selected)
        result = merge(selected, store, forget=forget)
        for line in map(str, [*skipped, *result.skipped]):
            self.print_once(line)
        if result.left_out:
            reason = "their addresses or links lead out of the output that they came with"
            self.print_once(f"left out: the artifacts of {result.left_out} of the runs and models: {reason}")
        if not any(result.runs.values()):
            places = ", ".join(map(str, self.places)) or str(_own_output())
            raise UserError(f"{places}: holds no runs that can be shown")
        return result

    def into(self, store: Path) -> "OutputSelection":
        """Return the same outputs, to be merged into this store."""
        return replace(self, store=store)

    def print_once(self, line: str) -> None:
        """Print a line on standard error, unless it has been printed."""
        if line not in self.printed:
            self.printed.add(line)
            print(printable(line), file=sys.stderr, flush=True)

    def _recover(self) -> None:
        for place in self.places or [_own_output()]:
            for output in find_outputs(place.absolute()):
                recover(output, (), self.print_once)

    def _find(self) -> tuple[list[Output], list[SkippedOutput]]:
        own = _own_output()
        if not self.places and not own.exists():
            raise UserError(f"{own}: there is no output yet: train first, or name outputs of jobs")
        selected, skipped = outputs.find(self.places or [own], follows_links=self.follows_links)
        if not selected:
            raise UserError(*map(str, skipped))
        return selected, skipped


def default_store(selected: Sequence[Output]) -> Path:
    """Return the folder in which these outputs are merged; another one for another MLflow, whose tables may differ."""
    names = [importlib.metadata.version("mlflow"), *sorted(str(output.database) for output in selected)]
    return paths.root() / "comparisons" / hashlib.sha256("\n".join(names).encode()).hexdigest()[:12]


def _own_output() -> Path:
    return paths.root() / "output"
