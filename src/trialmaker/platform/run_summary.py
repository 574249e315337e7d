"""Several runs side by side: a line a run, mean and spread over seeds, and the best run."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from trialmaker.errors import printable, shorten
from trialmaker.platform.run_result import RunResult

SEED = "seed"
FINISHED = "finished"
MAX_CELL_CHARACTERS = 24
MINIMIZED = "loss"  # what the names of the objectives that are better when lower end with


@dataclass(frozen=True)
class ComparedRun:
    """One of several runs.

    Args:
        settings: what it was given, by field, as text.
        result: how it ended.
        place: where it lies.
    """

    settings: Mapping[str, str]
    result: RunResult
    place: str


def summary_lines(runs: Sequence[ComparedRun]) -> Iterator[str]:
    """Yield a table of the runs, one of the groups of several seeds, and the best run.

    Args:
        runs: in the order in which they began.
    """
    fields = _differing([run.settings for run in runs])
    metrics = list(dict.fromkeys(name for run in runs for name in reached(run.result)))
    has_status = any(run.result.status != FINISHED for run in runs)
    yield f"{len(runs)} runs{_meaning(runs)}:"
    rows = [[*map(_last_part, fields), *(["status"] if has_status else []), "epoch", *metrics]]
    for run in runs:
        values = reached(run.result)
        cells = [run.settings.get(field, "") for field in fields]
        cells += [*([run.result.status] if has_status else []), str(run.result.best_epoch or "")]
        rows.append([*cells, *(f"{values[name]:.4f}" if name in values else "" for name in metrics)])
    yield from _table(rows)
    yield from spread_lines(runs, [field for field in fields if field != SEED], metrics)
    if best := best_run(runs):
        settings = "".join(f"{field}={best.settings.get(field, '')} " for field in fields)
        yield f"best: {settings}{best.result.objective}={_value(best):.4f} in {best.place}"


def spread_lines(runs: Sequence[ComparedRun], fields: Sequence[str], metrics: Sequence[str]) -> Iterator[str]:
    """Yield a table of mean and spread of each group of finished runs that agree in these fields; none without one."""
    groups: dict[tuple[str, ...], list[dict[str, float]]] = {}
    for run in runs:
        if run.result.status == FINISHED:
            key = tuple(run.settings.get(field, "") for field in fields)
            groups.setdefault(key, []).append(reached(run.result))
    if all(len(group) < 2 for group in groups.values()):
        return
    yield "mean ± sample standard deviation over the runs that differ only in their seed:"
    rows = [[*map(_last_part, fields), "runs", *metrics]]
    rows += [[*key, str(len(group)), *(_spread([one[name] for one in group]) for name in metrics)]
             for key, group in groups.items()]  # fmt: skip
    yield from _table(rows)


def reached(result: RunResult) -> dict[str, float]:
    """Return the best epoch's value of the objective, and the metrics of the test split."""
    objective = {name: value for name, value in result.best_metrics.items() if name == result.objective}
    return {**objective, **result.test_metrics}


def best_run(runs: Sequence[ComparedRun]) -> ComparedRun | None:
    """Return the run with the best value of the objective; None where none has one."""
    measured = [run for run in runs if run.result.objective in run.result.best_metrics]
    if not measured:
        return None
    is_minimized = measured[0].result.objective.endswith(MINIMIZED)
    return (min if is_minimized else max)(measured, key=_value)


def _value(run: ComparedRun) -> float:
    return run.result.best_metrics[run.result.objective]


def _meaning(runs: Sequence[ComparedRun]) -> str:
    objectives = dict.fromkeys(run.result.objective for run in runs if run.result.best_metrics)
    is_tested = any(run.result.test_metrics for run in runs)
    names = [f"the best epoch's {name}" for name in objectives]
    names += ["its weights' test metrics"] if is_tested else []
    return f", with {' and '.join(names)}" if names else ""


def _last_part(field: str) -> str:
    return field.rpartition(".")[2]


def _differing(settings: Sequence[Mapping[str, str]]) -> list[str]:
    names = dict.fromkeys(name for one in settings for name in one)
    return [name for name in names if len({one.get(name) for one in settings}) > 1]


def _spread(values: Sequence[float]) -> str:
    mean = f"{statistics.mean(values):.4f}"
    return f"{mean} ± {statistics.stdev(values):.4f}" if len(values) > 1 else mean


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    cut = [[shorten(printable(cell), MAX_CELL_CHARACTERS) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cut, strict=True)]
    for row in cut:
        yield "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
