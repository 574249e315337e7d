"""Comparisons of groups of runs over their common seeds."""

import numpy as np
import pytest

from trialmaker.analysis import seed_statistics
from trialmaker.analysis.store.runs import Run


def group(letter: str, values: dict[str, float]) -> seed_statistics.Group:
    return seed_statistics.Group(letter, letter, values)


@pytest.mark.parametrize(
    ("a", "b", "maximize", "text"),
    [
        ([0.9, 0.9], [0.8, 0.7], True, "A is ahead of B by 0.1500 on 2 common seeds: may be chance"),
        ([0.1, 0.2, 0.15], [0.3, 0.41, 0.35], False, "A is ahead of B by 0.2033 on 3 common seeds: better than chance"),
        ([0.9485, 0.9307], [0.9448, 0.927], True, "A is ahead of B by 0.0037 on 2 common seeds: may be chance"),
        ([0.9, 0.8], [0.9, 0.8], True, "A and B are equal on 2 common seeds"),
        ([0.9], [0.8], True, "A and B have 1 seed in common: run both with the same seeds, at least 2"),
        ([0.9], [], True, "A and B have no seed in common: run both with the same seeds, at least 2"),
        ([0.9, 0.91, 0.905, 0.99], [0.93, 0.9402, 0.9351], True, "B is ahead of A by 0.0301 on 3 common seeds: better"),
    ],
)
def test_the_text_of_a_comparison(a: list[float], b: list[float], maximize: bool, text: str) -> None:
    pair = [
        group(letter, {str(at): value for at, value in enumerate(values)}) for letter, values in (("A", a), ("B", b))
    ]
    (comparison,) = seed_statistics.compare_with_best(pair, maximize=maximize)
    assert str(comparison).startswith(text)


def test_the_rate_of_false_verdicts_is_that_of_the_significance_level() -> None:
    """Four configurations do not differ: Holm's method keeps the share of studies with any false verdict at 5 %."""
    random = np.random.default_rng(0)
    false_verdicts = 0
    for _ in range(400):
        groups = [
            group(name, {str(seed): value for seed, value in enumerate(random.normal(0.9, 0.01, 5))}) for name in "ABCD"
        ]
        groups.sort(key=lambda one: -one.mean)
        comparisons = seed_statistics.compare_with_best(groups, maximize=True)
        false_verdicts += any(one.p < seed_statistics.SIGNIFICANCE_LEVEL for one in comparisons)
    assert false_verdicts / 400 < 0.08


def test_directions_of_metrics() -> None:
    def run(direction: str) -> Run:
        return Run(
            "i", "n", "e", 1, "FINISHED", 0, 1, "", {"objective": "val_loss", "direction": direction}, {}, {}, 0.5
        )

    assert not seed_statistics.is_maximized("best", [run("minimize")])
    assert seed_statistics.is_maximized("test_accuracy", [run("minimize")])
    assert not seed_statistics.is_maximized("test_loss", []) and not seed_statistics.is_maximized("seconds", [])
