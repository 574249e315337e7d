"""Runs in sections that can be compared, one for each data set and objective, and what differs in a section."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trialmaker.analysis.query import parse_number
from trialmaker.analysis.run_table import (
    RUN_PROPERTIES,
    Table,
    cell_text,
    counted,
    differing_properties,
    differing_tags,
    is_place_or_description,
    select_columns,
)
from trialmaker.analysis.store.runs import TEST_METRIC, Run
from trialmaker.analysis.studies import without_repeats
from trialmaker.training.objective import Objective

MAX_VALUES = 3  # of the others, that a difference names
DATA_NAME, MODEL_NAME = "data.name", "model.name"
LAST_PARAMS = ("data.", "tracking.", "seed")  # that a reader looks at last
YAML_WORDS = {"None": "null", "True": "true", "False": "false"}


@dataclass(frozen=True)
class Difference:
    """A parameter in which a run differs from most others.

    Args:
        name: the parameter's.
        value: the run's.
        kind: ``mostly`` for the value of more than half of the others, ``other`` for that of the only other run,
            ``others`` for several values.
        usual: the value, or the values, of the others.
    """

    name: str
    value: str
    kind: str
    usual: str


@dataclass(frozen=True)
class Section:
    """Runs of one data set and one objective.

    Args:
        data: the data set's name, with its digest where two have one name.
        objective: the metric that decides which run is best.
        runs: in the table's order.
        columns: the parameters and tags that differ, in the order of their interest.
        is_alone: whether the data set has no section of another objective.
    """

    data: str
    objective: Objective
    runs: Sequence[Run]
    columns: Sequence[str]
    is_alone: bool = True

    @property
    def heading(self) -> str:
        """Return the data set's name, with the objective where it has several."""
        return cell_text(self.data if self.is_alone else f"{self.data} · {self.objective.name}")

    @property
    def count(self) -> str:
        """Return how many runs there are, such as ``1 run``."""
        return counted(len(self.runs), "run")

    @property
    def best(self) -> Run | None:
        """Return the best run, of equal ones the first; None where none has a best value."""
        ranked = [run for run in self.runs if run.best is not None]
        return min(ranked, key=lambda run: run.rank) if ranked else None

    @property
    def has_test(self) -> bool:
        """Return whether a run has the test metric."""
        return any(TEST_METRIC in run.metrics for run in self.runs)

    def table(self, digests: Mapping[str, str], columns: Sequence[str] = ()) -> Table:
        """Return the section's table, with all columns that differ or with named ones."""
        return select_columns(self.runs, digests, columns or self.default_columns())

    def default_columns(self) -> list[str]:
        """Return the names of the columns of the section's table."""
        test = [TEST_METRIC] if self.has_test else []
        *places, status = [[name] if name in differing_properties(self.runs) else [] for name in RUN_PROPERTIES]
        first = self.columns.index(MODEL_NAME) + 1 if MODEL_NAME in self.columns else 1
        columns = [*self.columns[:first], *(name for place in places for name in place), *self.columns[first:]]
        return list(dict.fromkeys(["id", "run", "best", *test, "seconds", *status, *columns]))


def split(runs: Sequence[Run], digests: Mapping[str, str], *, extra: str | None = None) -> list[Section]:
    """Return the sections of runs, in the order of the runs.

    Args:
        runs: the runs to show; see ``studies.as_best_trials``. A study whose best trial is among them is left out.
        digests: the digests of the data by the run's id.
        extra: the full name of a metric, parameter or tag that gets a column in any case.
    """
    sections = []
    for name, members in by_data(without_repeats(runs), digests).items():
        objectives = by_objective(members)
        for objective, rows in objectives.items():
            columns = [*differing_tags(rows), *differing_within_models(rows)]
            columns = [extra, *columns] if extra else columns
            sections.append(Section(name, objective, rows, columns, is_alone=len(objectives) == 1))
    return sections


def by_objective(runs: Sequence[Run]) -> dict[Objective, list[Run]]:
    """Return runs by their objective."""
    members: dict[Objective, list[Run]] = {}
    for run in runs:
        members.setdefault(run.objective, []).append(run)
    return members


def by_data(runs: Sequence[Run], digests: Mapping[str, str]) -> dict[str, list[Run]]:
    """Return runs by the name of their data set, which is followed by the digest where two have one name."""
    known = {_data_name(run): digests[run.run_id] for run in reversed(runs) if run.run_id in digests}
    members: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        name = _data_name(run)
        digest = digests.get(run.run_id) or known.get(name, "")  # a run that failed early has none
        members.setdefault((name, digest), []).append(run)
    repeated = Counter(name for name, _ in members)
    return {f"{name} ({digest[:8]})" if repeated[name] > 1 else name: rows for (name, digest), rows in members.items()}


def differing_within_models(runs: Sequence[Run]) -> list[str]:
    """Return the parameters that differ between runs that have them, in the order in which they tell the runs apart.

    A parameter that only some choices have, such as a model's own, says nothing unless runs of this choice differ, or
    nothing else tells two runs apart. The model comes first, the seed last.
    """
    values: dict[str, Counter[str]] = {}
    for run in runs:
        for name, value in run.params.items():
            if not is_place_or_description(name) and name not in ("objective", "direction", DATA_NAME):
                values.setdefault(name, Counter())[value] += 1
    trained = sum(bool(run.params) for run in runs)
    differing = (name for name in values if len(values[name]) > 1)
    names = sorted(differing, key=lambda name: (_lateness(name), not name.endswith(".name")))  # choices first
    partial = [name for name in values if len(values[name]) == 1 and values[name].total() < trained]
    return _by_distinction(names, partial, runs)


def _by_distinction(names: Sequence[str], partial: Sequence[str], runs: Sequence[Run]) -> list[str]:
    """Sort parameters so that each tells most runs apart that those before it do not; of ``partial`` only such ones."""
    ordered = [name for name in names if name == MODEL_NAME]
    keys = [tuple(run.params.get(name) for name in ordered) for run in runs]
    for candidates in ([name for name in names if not _lateness(name)], partial):
        while True:
            columns = {name: [run.params.get(name) for run in runs] for name in candidates if name not in ordered}
            counts = {name: len(set(zip(keys, column, strict=True))) for name, column in columns.items()}
            best = max(counts, key=counts.__getitem__, default="")
            if not best or counts[best] == len(set(keys)):
                break
            ordered.append(best)
            keys = [(*key, value) for key, value in zip(keys, columns[best], strict=True)]
    return ordered + [name for name in names if name not in ordered]


def _lateness(param: str) -> int:
    return next((at for at, prefix in enumerate(LAST_PARAMS, 1) if param.startswith(prefix)), 0)


def unlike_most(run: Run, section: Section) -> list[Difference]:
    """Return the parameters in which a run differs from most other runs of its section; the seed is no reason."""
    differences = []
    for name in section.columns:
        others = [other.params[name] for other in section.runs if other is not run and name in other.params]
        if name in run.params and name != "seed" and (usual := _usual(run.params[name], others)):
            differences.append(Difference(short_name(name), param_text(run.params[name]), *usual))
    return differences


def _usual(value: str, others: Sequence[str]) -> tuple[str, str] | None:
    """Return the kind of difference and the others' values; None where most have this one."""
    counts = Counter(others)
    if 2 * counts[value] > len(others):
        return None
    usual, count = next(iter(counts.most_common(1)), ("", 0))
    if 2 * count > len(others):
        return "mostly" if len(others) > 1 else "other", param_text(usual)
    rest = sorted(counts.keys() - {value}, key=_by_number)
    return ("others", ", ".join(map(param_text, rest))) if 0 < len(rest) <= MAX_VALUES else None


def _by_number(text: str) -> tuple[float, str]:
    number = parse_number(text)
    return (float(number), "") if isinstance(number, float | int) else (float("inf"), text)


def short_name(param: str) -> str:
    """Return a parameter's name as one types it: ``model`` for ``model.name``."""
    return param.removesuffix(".name")


def param_text(value: object) -> str:
    """Return a parameter's value as one types it, a number with 4 significant digits."""
    number = parse_number(str(value))
    if isinstance(number, float):
        return f"{number:.4g}"
    return cell_text(YAML_WORDS.get(str(value), str(value).replace(", ", ",")))


def _data_name(run: Run) -> str:
    return run.params.get(DATA_NAME, run.experiment)
