"""The table that ``make bench`` prints: this project beside what a person would take instead, row by row.

A benchmark records its rows when it has measured them, in ``workspace/benchmarks/<name>.json``; a run of several reads
them from there. Each row's figures were measured in the same run, in turn.
"""

import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date

from support.measure import PROJECT
from trialmaker.platform import processor
from trialmaker.platform.atomic_files import write_bytes

RESULTS = PROJECT / "workspace" / "benchmarks"
HEAD = ("work", "ours", "others", "of the limit")


@dataclass(frozen=True)
class Row:
    """A kind of work, in one unit.

    Args:
        work: what is done, such as "an epoch of the MLP".
        unit: such as "s"; what it counts where the figure is a rate, such as "requests/s".
        ours: a figure for each round.
        others: the same of each of the others, in the same rounds, by what a person would call it.
        limit: the best that this machine can do, or that is asked for, in the same unit; ``limit_name`` says which.
        more_is_better: whether the figure is a rate, or an accuracy.
    """

    work: str
    unit: str
    ours: Sequence[float]
    others: Mapping[str, Sequence[float]] = field(default_factory=dict)
    limit: float | None = None
    limit_name: str = ""
    more_is_better: bool = False

    def cells(self) -> tuple[str, ...]:
        """Return the row's cells: our median, range and best; how many times as good as each of the others."""
        others = (f"{name}: {_spread(self._advantage(values), ' times')}" for name, values in self.others.items())
        best = max(self.ours) if self.more_is_better else min(self.ours)
        own = f"{_spread(self.ours, f' {self.unit}')}" + (f", best {_short(best)}" if len(self.ours) > 1 else "")
        return self.work, own, "<br>".join(others), self._of_limit()

    def _advantage(self, theirs: Sequence[float]) -> list[float]:
        """Return how many times as good ours is, round by round; of the medians where there are fewer of theirs."""
        pairs = list(zip(self.ours, theirs, strict=True)) if len(self.ours) == len(theirs) else []
        pairs = pairs or [(statistics.median(self.ours), statistics.median(theirs))]
        return [own / other if self.more_is_better else other / own for own, other in pairs]

    def _of_limit(self) -> str:
        if self.limit is None:
            return ""
        own = statistics.median(self.ours)
        share = own / self.limit if self.more_is_better else self.limit / own
        return f"{share:.0%} of {self.limit_name or 'it'}"


def record(benchmark: str, rows: Sequence[Row]) -> None:
    """Keep a benchmark's rows for the table, in place of those of an earlier run."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    content = {"date": date.today().isoformat(), "hardware": processor.description(), "rows": [*map(asdict, rows)]}
    write_bytes(RESULTS / f"{benchmark}.json", json.dumps(content, indent=1).encode())


def forget(benchmark: str) -> None:
    """Remove the rows of a benchmark's last run, before it runs again: should it fail, they are of no use."""
    (RESULTS / f"{benchmark}.json").unlink(missing_ok=True)


def markdown(benchmarks: Sequence[str]) -> str:
    """Return the table of what these benchmarks have recorded last, in Markdown; "" where none has."""
    rows: list[Row] = []
    places: dict[str, None] = {}
    for name in benchmarks:
        path = RESULTS / f"{name}.json"
        if path.exists():
            content = json.loads(path.read_text(encoding="utf-8"))
            rows += [Row(**row) for row in content["rows"]]
            places[f"{content['hardware']}, {content['date']}"] = None
    if not rows:
        return ""
    return "\n".join([*_lines(rows), "", *(f"Measured on {place}." for place in places), ""])


def _lines(rows: Sequence[Row]) -> Iterator[str]:
    yield f"| {' | '.join(HEAD)} |"
    yield "|---" * len(HEAD) + "|"
    for row in rows:
        yield f"| {' | '.join(row.cells())} |"


def _spread(values: Sequence[float], unit: str) -> str:
    """Return a median, and the range where there are several."""
    text = f"{_short(statistics.median(values))}{unit}"
    return f"{text} ({_short(min(values))} to {_short(max(values))})" if len(values) > 1 else text


def _short(value: float) -> str:
    """Return a figure with three digits that say something, and thousands apart."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 1 else f"{value:.2f}"
