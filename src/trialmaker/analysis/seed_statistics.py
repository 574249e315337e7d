"""Runs grouped by configuration, so that those of a group differ only in their seed, and tests between the groups."""

import itertools
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from scipy import stats

from trialmaker.analysis.query import DIGEST, Value, value_of
from trialmaker.analysis.run_table import Table, differing_params, is_place_or_description
from trialmaker.analysis.store.runs import TEST_METRIC, Run
from trialmaker.errors import UserError

RELATIVE_TOLERANCE = 1e-6  # differences up to this share of the values are none: metrics come from float32
SIGNIFICANCE_LEVEL = 0.05  # of the p value, below which a difference is reported as better than chance


@dataclass(frozen=True)
class Group:
    """Runs of one configuration.

    Args:
        letter: a short name: A, B, …, Z, AA, ….
        name: the parameters that tell it from the other groups, as overrides.
        values: the metric by seed; the mean where a seed was run more than once.
        run: one of them; None where only the values are known.
    """

    letter: str
    name: str
    values: Mapping[str, float]
    run: Run | None = None

    @property
    def mean(self) -> float:
        """Return the mean over seeds."""
        return statistics.mean(self.values.values())

    @property
    def spread(self) -> float | None:
        """Return the sample standard deviation over seeds; None for one seed."""
        return statistics.stdev(self.values.values()) if len(self.values) > 1 else None


@dataclass(frozen=True)
class Comparison:
    """A paired comparison of the best group with another one over their common seeds.

    Args:
        best: the group with the best mean.
        other: the group that it is compared with.
        seeds: the number of common seeds.
        difference: the mean difference in favour of ``best``; negative where ``other`` is better on the common seeds.
        low: the lower end of the difference's 95 % confidence interval; NaN for fewer than two seeds.
        high: the upper end.
        p: the p value of the difference, corrected for the number of pairs; 1 for fewer than two seeds.
    """

    best: Group
    other: Group
    seeds: int
    difference: float
    low: float
    high: float
    p: float

    def __str__(self) -> str:
        both = f"{self.best.letter} and {self.other.letter}"
        if self.seeds < 2:
            return f"{both} have {self.seeds or 'no'} seed in common: run both with the same seeds, at least 2"
        if not self.difference:
            return f"{both} are equal on {self.seeds} common seeds"
        size = f"by {abs(self.difference):.4f} on {self.seeds} common seeds"
        low, high = (self.low, self.high) if self.difference > 0 else (-self.high, -self.low)
        certainty = f"95 % interval {low:+.4f} to {high:+.4f}, p = {self.p:.2g}"
        verdict = "better than chance" if self.p < SIGNIFICANCE_LEVEL else "may be chance"
        better, worse = (self.best, self.other) if self.difference > 0 else (self.other, self.best)
        return f"{better.letter} is ahead of {worse.letter} {size}: {verdict} ({certainty})"


def comparable_runs(runs: Sequence[Run]) -> list[Run]:
    """Return the runs that are finished and record their seed, which studies and other programs' runs do not."""
    return [run for run in runs if run.status == "FINISHED" and "seed" in run.params]


def default_metric(runs: Sequence[Run]) -> str:
    """Return the metric to compare runs by: the test metric where all have it, else the objective's best value."""
    return TEST_METRIC if all(TEST_METRIC in run.metrics for run in runs) else "best"


def is_maximized(metric: str, runs: Sequence[Run]) -> bool:
    """Return whether higher values of a metric are better, for runs of one objective."""
    if metric != "best":
        return not ("loss" in metric or "seconds" in metric)
    return all(run.objective.direction == "maximize" for run in runs)


def group_runs(runs: Sequence[Run], metric: str, *, maximize: bool, digests: Mapping[str, str]) -> list[Group]:
    """Group runs by experiment, data and all parameters but the seed and places; return the best mean first.

    Args:
        runs: see ``comparable_runs``; all have the metric.
        metric: the full name of a metric or column.
        maximize: whether higher values are better.
        digests: the digests of the data by the run's id.

    Raises:
        UserError: the metric is not a number.
    """
    members: defaultdict[tuple[object, ...], list[Run]] = defaultdict(list)
    for run in runs:
        params = frozenset(item for item in run.params.items() if _is_of_configuration(item[0]))
        members[run.experiment, digests.get(run.run_id), params].append(run)
    differing = differing_params([group[0] for group in members.values()], digests)
    names = [name for name in differing if name != "seed"]
    groups = [
        Group("", _group_name(group[0], names, digests), _values_by_seed(group, metric, digests), group[0])
        for group in members.values()
    ]
    groups.sort(key=lambda group: -group.mean if maximize else group.mean)
    return [replace(group, letter=_letter(at)) for at, group in enumerate(groups)]


def compare_with_best(groups: Sequence[Group], *, maximize: bool) -> list[Comparison]:
    """Compare the best group with each other one.

    A paired t test over common seeds, since one seed gives one split of the work and one order of the data to both
    (Bouthillier et al. 2021, https://arxiv.org/abs/2103.03098, section 5). The p values are corrected by Holm's method
    over all pairs of groups, since the best was chosen among them (Holm 1979).

    Args:
        groups: the best first.
        maximize: whether higher values are better.
    """
    pairs = {
        (a, b): _paired_test(groups[a], groups[b], 1 if maximize else -1)
        for a, b in itertools.combinations(range(len(groups)), 2)
    }
    largest = 0.0
    corrected = {}
    for rank, (pair, comparison) in enumerate(sorted(pairs.items(), key=lambda item: item[1].p)):
        largest = max(largest, min(1.0, comparison.p * (len(pairs) - rank)))
        corrected[pair] = replace(comparison, p=largest)
    return [corrected[0, other] for other in range(1, len(groups))]


def build_table(groups: Sequence[Group], metric: str, comparisons: Sequence[Comparison] | None = None) -> Table:
    """Return a table with one row for each group, and its comparison with the best unless ``comparisons`` is None."""
    columns = ["group", "configuration", "seeds", f"mean {metric}", "spread", "lowest", "highest"]
    columns += ["behind best", "interval low", "interval high", "p"] if comparisons is not None else []
    rows: list[list[Value]] = []
    compared = [comparison for comparison in comparisons or () if comparison.seeds > 1]
    results = {one.other.letter: [one.difference, one.low, one.high, one.p] for one in compared}
    for group in groups:
        values = group.values.values()
        row: list[Value] = [group.letter, group.name, len(values), group.mean, group.spread, min(values), max(values)]
        rows.append([*row, *results.get(group.letter, [None] * 4)] if comparisons is not None else row)
    return Table(columns, rows)


def _paired_test(a: Group, b: Group, sign: int) -> Comparison:
    """Test the difference of two groups over their common seeds; the p value is not corrected.

    Args:
        a: the first group.
        b: the second group.
        sign: 1 where higher values are better, -1 where lower ones are.
    """
    seeds = [seed for seed in a.values if seed in b.values]
    differences = [sign * (a.values[seed] - b.values[seed]) for seed in seeds]
    mean = statistics.mean(differences) if seeds else float("nan")
    if len(seeds) < 2:
        return Comparison(a, b, len(seeds), mean, float("nan"), float("nan"), 1.0)
    tolerance = RELATIVE_TOLERANCE * max(abs(value) for group in (a, b) for value in group.values.values())
    if max(differences) - min(differences) <= tolerance:  # no spread for a t test: the chance that all signs agree
        p = 2 / 2 ** len(seeds) if abs(mean) > tolerance else 1.0
        return Comparison(a, b, len(seeds), mean, mean, mean, p)
    test = stats.ttest_1samp(differences, 0.0)
    interval = test.confidence_interval(0.95)
    return Comparison(a, b, len(seeds), mean, float(interval.low), float(interval.high), float(test.pvalue))


def _letter(at: int) -> str:
    """Return A to Z for 0 to 25, then AA, AB, …."""
    return (_letter(at // 26 - 1) if at >= 26 else "") + chr(ord("A") + at % 26)


def _values_by_seed(runs: Sequence[Run], metric: str, digests: Mapping[str, str]) -> dict[str, float]:
    values: defaultdict[str, list[float]] = defaultdict(list)
    for run in runs:
        value = value_of(run, metric, digests)
        if not isinstance(value, float | int):
            raise UserError(f"{metric}: is no number but {value} in run {run.run_id}")
        values[run.params.get("seed", "?")].append(float(value))
    return {seed: statistics.mean(repeats) for seed, repeats in values.items()}


def _is_of_configuration(param: str) -> bool:
    return param != "seed" and not is_place_or_description(param)


def _group_name(run: Run, names: Sequence[str], digests: Mapping[str, str]) -> str:
    parts = [f"{name}={run.params[name]}" for name in names if name in run.params]
    if DIGEST in names:
        parts.append(f"{DIGEST}={digests.get(run.run_id, '')[:8]}")
    return " ".join(parts) or run.name
