"""Runs that differ only in their seed, as one; and whether the better of two such groups is better than chance."""

import itertools
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from scipy import stats

from trialmaker.analysis.query import DIGEST, Value, value_of
from trialmaker.analysis.run_table import PLACE_PARAMS, Table, differing
from trialmaker.analysis.store.runs import TEST_METRIC, Run
from trialmaker.errors import UserError

EQUAL = 1e-6  # of the values: metrics come from float32
LEVEL = 0.05  # below which a difference is called more than chance


@dataclass(frozen=True)
class Group:
    """Runs of one configuration.

    Args:
        letter: for short; name: what tells it from the other groups, as overrides.
        values: of the metric, by seed; the mean where a seed was run more than once.
    """

    letter: str
    name: str
    values: Mapping[str, float]

    @property
    def mean(self) -> float:
        """Over seeds."""
        return statistics.mean(self.values.values())

    @property
    def spread(self) -> float | None:
        """Standard deviation over seeds; None for one seed."""
        return statistics.stdev(self.values.values()) if len(self.values) > 1 else None


@dataclass(frozen=True)
class Comparison:
    """Of a group with the best one, seed by seed.

    Args:
        seeds: how many both have.
        difference: by how much the best is better than the other over these; negative where it is worse.
        low, high: its 95 % confidence interval; NaN for fewer than two seeds.
        p: of so great a difference by chance, corrected for the number of pairs; 1 for fewer than two seeds.
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
        size = f"by {abs(self.difference):.4f} on {self.seeds} common seeds"
        low, high = (self.low, self.high) if self.difference > 0 else (-self.high, -self.low)
        certainty = f"95 % interval {low:+.4f} to {high:+.4f}, p = {self.p:.2g}"
        verdict = "better than chance" if self.p < LEVEL else "may be chance"
        if not self.difference:
            return f"{both} are equal on {self.seeds} common seeds"
        order = (self.best, self.other) if self.difference > 0 else (self.other, self.best)
        return f"{order[0].letter} is ahead of {order[1].letter} {size}: {verdict} ({certainty})"


def comparable_runs(runs: Sequence[Run]) -> list[Run]:
    """Those that are finished and say with which seed; a study and other programs' runs don't."""
    return [run for run in runs if run.status == "FINISHED" and "seed" in run.params]


def default_metric(runs: Sequence[Run]) -> str:
    """What comparable runs are compared by, unless a person says otherwise: the test metric where all have it."""
    return TEST_METRIC if all(TEST_METRIC in run.metrics for run in runs) else "best"


def is_maximized(metric: str, runs: Sequence[Run]) -> bool:
    """Whether more of it is better.

    Raises:
        UserError: it is the best value of different objectives.
    """
    if metric != "best":
        return not ("loss" in metric or "seconds" in metric)
    objectives = {(run.objective.name, run.objective.direction) for run in runs}
    if len(objectives) > 1:
        names = ", ".join(sorted(name for name, _ in objectives))
        raise UserError(
            f"--seeds: the runs have different objectives, {names}: choose with --where objective=… or --metric"
        )
    return all(direction == "maximize" for _, direction in objectives)


def group_runs(runs: Sequence[Run], metric: str, *, maximize: bool, digests: Mapping[str, str]) -> list[Group]:
    """Comparable runs by all that their results depend on except the seed; the best mean first.

    Raises:
        UserError: none has the metric.
    """
    done = [run for run in runs if value_of(run, metric, digests) is not None]
    if not done:
        raise UserError(f"{metric}: no finished run with a seed has it")
    parted: defaultdict[tuple[object, ...], list[Run]] = defaultdict(list)
    for run in done:
        same = frozenset(item for item in run.params.items() if item[0] not in PLACE_PARAMS | {"seed"})
        parted[run.experiment, digests.get(run.run_id), same].append(run)
    tell_apart = [name for name in differing([members[0] for members in parted.values()], digests) if name != "seed"]
    found = [
        Group("", _name(members[0], tell_apart, digests), _by_seed(members, metric, digests))
        for members in parted.values()
    ]
    found.sort(key=lambda group: -group.mean if maximize else group.mean)
    return [replace(group, letter=_letter(at)) for at, group in enumerate(found)]


def compare_with_best(found: Sequence[Group], *, maximize: bool) -> list[Comparison]:
    """Each other group beside the best.

    A paired t test over common seeds, since one seed gives one split of the work and one order of the data to both
    (Bouthillier et al. 2021, https://arxiv.org/abs/2103.03098, section 5); p values by Holm's method over all pairs of
    groups, since the best was chosen among them (Holm 1979).
    """
    pairs = {
        (a, b): _paired(found[a], found[b], 1 if maximize else -1)
        for a, b in itertools.combinations(range(len(found)), 2)
    }
    worst = 0.0
    corrected = {}
    for rank, (pair, one) in enumerate(sorted(pairs.items(), key=lambda item: item[1].p)):
        worst = max(worst, min(1.0, one.p * (len(pairs) - rank)))
        corrected[pair] = replace(one, p=worst)
    return [corrected[0, other] for other in range(1, len(found))]


def _paired(a: Group, b: Group, sign: int) -> Comparison:
    seeds = [seed for seed in a.values if seed in b.values]
    differences = [sign * (a.values[seed] - b.values[seed]) for seed in seeds]
    mean = statistics.mean(differences) if seeds else float("nan")
    if len(seeds) < 2:
        return Comparison(a, b, len(seeds), mean, float("nan"), float("nan"), 1.0)
    size = max(abs(value) for group in (a, b) for value in group.values.values())
    if max(differences) - min(differences) <= EQUAL * size:  # no spread to compare with: the chance that signs agree
        p = 2 / 2 ** len(seeds) if abs(mean) > EQUAL * size else 1.0
        return Comparison(a, b, len(seeds), mean, mean, mean, p)
    test = stats.ttest_1samp(differences, 0.0)
    interval = test.confidence_interval(0.95)
    return Comparison(a, b, len(seeds), mean, float(interval.low), float(interval.high), float(test.pvalue))


def build_table(found: Sequence[Group], metric: str, comparisons: Sequence[Comparison] = ()) -> Table:
    """One row a group, with how it compares to the best where ``comparisons`` are given."""
    columns = ["group", "configuration", "seeds", f"mean {metric}", "spread", "lowest", "highest"]
    columns += ["behind best", "interval low", "interval high", "p"] if comparisons else []
    rows: list[list[Value]] = []
    beside = {one.other.letter: [one.difference, one.low, one.high, one.p] for one in comparisons if one.seeds > 1}
    for group in found:
        values = group.values.values()
        row: list[Value] = [group.letter, group.name, len(values), group.mean, group.spread, min(values), max(values)]
        rows.append([*row, *beside.get(group.letter, [None] * 4)] if comparisons else row)
    return Table(columns, rows)


def _letter(at: int) -> str:
    """A to Z, then AA, AB, …"""
    return (_letter(at // 26 - 1) if at >= 26 else "") + chr(ord("A") + at % 26)


def _by_seed(runs: Sequence[Run], metric: str, digests: Mapping[str, str]) -> dict[str, float]:
    values: defaultdict[str, list[float]] = defaultdict(list)
    for run in runs:
        value = value_of(run, metric, digests)
        if not isinstance(value, float | int):
            raise UserError(f"{metric}: is no number but {value} in run {run.run_id}")
        values[run.params.get("seed", "?")].append(float(value))
    return {seed: statistics.mean(same) for seed, same in values.items()}


def _name(run: Run, names: Sequence[str], digests: Mapping[str, str]) -> str:
    parts = [f"{name}={run.params[name]}" for name in names if name in run.params]
    return " ".join([*parts, *([f"{DIGEST}={digests.get(run.run_id, '')[:8]}"] if DIGEST in names else [])]) or run.name
