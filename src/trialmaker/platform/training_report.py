"""What a training tells the process that started it, if that asks: a file of JSON, a line for each thing."""

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

REPORT_FILE = "TRIALMAKER_TRAINING_REPORT"  # the environment variable that has the file's path


@dataclass
class TrainingReport:
    """What a training has told.

    Attributes:
        results: each ``result.json``, in the order in which runs began to end.
        output: the output directory; None where nothing began.
        study: the name of the study; None where there is none.
        storage: where that is stored, a URL or an absolute path.
    """

    results: list[Path] = field(default_factory=list)
    output: Path | None = None
    study: str | None = None
    storage: str | None = None


def tell(**facts: str | Path) -> None:
    """Tell the process that started this one some facts: ``result``, ``output``, or ``study`` and ``storage``."""
    if path := os.environ.get(REPORT_FILE):
        line = json.dumps({name: str(value) for name, value in facts.items()})
        with suppress(OSError), Path(path).open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")


def read(lines: Iterable[str]) -> TrainingReport:
    """Return what the lines of a file tell; of what they tell several times, the last."""
    report = TrainingReport()
    results: dict[Path, None] = {}
    for facts in map(json.loads, lines):
        report.study, report.storage = facts.get("study", report.study), facts.get("storage", report.storage)
        if "output" in facts:
            report.output = Path(facts["output"])
        if "result" in facts:
            results[Path(facts["result"])] = None
    report.results = list(results)
    return report
