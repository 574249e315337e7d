"""Stratified splits: properties that hold for any labels, and results that must never change."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trialmaker.data import mnist
from trialmaker.data.stratified import split, split_three_ways
from trialmaker.errors import UserError

# Labels in any order, at least two of each class.
LABELS = st.dictionaries(st.integers(0, 12), st.integers(2, 30), min_size=1, max_size=8).flatmap(
    lambda counts: st.permutations([label for label, count in counts.items() for _ in range(count)]).map(np.array)
)
FRACTIONS = st.floats(0, 1, exclude_max=True)
SEEDS = st.integers(0, 2**63)


@settings(deadline=None)
@given(labels=LABELS, fraction=FRACTIONS.filter(bool), seed=SEEDS)
def test_properties(labels: np.ndarray, fraction: float, seed: int) -> None:
    rest, selection = split(labels, fraction=fraction, seed=seed)
    assert sorted([*rest, *selection]) == list(range(len(labels)))
    assert (np.diff(rest) > 0).all()
    assert (np.diff(selection) > 0).all()
    classes, counts = np.unique(labels, return_counts=True)
    sizes = np.array([(labels[selection] == label).sum() for label in classes])
    assert (sizes >= 1).all()
    assert (sizes <= counts - 1).all()
    assert len(selection) == np.clip(round(fraction * len(labels)), len(classes), len(labels) - len(classes))


@settings(deadline=None)
@given(labels=LABELS, fraction=FRACTIONS, seed=SEEDS)
def test_a_pure_function(labels: np.ndarray, fraction: float, seed: int) -> None:
    before = labels.copy()
    np.random.seed(1)
    first = split(labels, fraction=fraction, seed=seed)
    np.random.seed(2)
    second = split(labels.astype(np.uint8), fraction=fraction, seed=seed)
    np.testing.assert_array_equal(labels, before)
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


@settings(deadline=None)
@given(labels=LABELS, seed=SEEDS)
def test_zero_takes_nothing(labels: np.ndarray, seed: int) -> None:
    rest, selection = split(labels, fraction=0, seed=seed)
    assert rest.tolist() == list(range(len(labels)))
    assert selection.tolist() == []


@settings(deadline=None)
@given(counts=st.lists(st.integers(20, 60), min_size=1, max_size=6), fraction=st.floats(0.1, 0.9), seed=SEEDS)
def test_shares_are_within_one(counts: list[int], fraction: float, seed: int) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    _, selection = split(labels, fraction=fraction, seed=seed)
    sizes = np.bincount(labels[selection], minlength=len(counts))
    assert (abs(sizes - fraction * np.array(counts)) < 1 + 1e-9).all()


def test_remainders_go_to_those_that_lost_most() -> None:
    labels = np.repeat([0, 1, 2], [13, 16, 11])  # shares of 3.25, 4.0, 2.75 make 10
    _, selection = split(labels, fraction=0.25, seed=0)
    assert np.bincount(labels[selection]).tolist() == [3, 4, 3]


def test_results_never_change() -> None:
    """These hold on every machine and with every NumPy, or a study's runs can no longer be compared."""
    labels = np.arange(40) % 4
    assert split(labels, fraction=0.25, seed=7)[1].tolist() == [2, 5, 12, 14, 15, 16, 21, 24, 35, 37]
    assert split(labels, fraction=0.25, seed=8)[1].tolist() == [0, 7, 8, 10, 11, 13, 17, 32, 33, 34]
    assert split(labels, fraction=0.25, seed=7, stream=1)[1].tolist() == [4, 8, 9, 10, 12, 22, 31, 33, 37, 39]


def test_mnist_never_changes(real_mnist: Path) -> None:
    dataset = mnist.load(directory=real_mnist, download=False, mirrors=[], validation_fraction=1 / 12, split_seed=0)
    assert dataset.validation.labels[:20].tolist() == [6, 0, 0, 0, 3, 0, 4, 8, 0, 8, 1, 3, 7, 7, 1, 3, 2, 6, 2, 9]
    assert int(dataset.validation.images.sum(dtype=np.int64)) == 130046682


def test_a_larger_fraction_takes_the_same_and_more() -> None:
    labels = np.repeat(np.arange(3), 40)
    selections = [set(split(labels, fraction=fraction, seed=3)[1]) for fraction in (0.1, 0.2, 0.5)]
    assert selections[0] < selections[1] < selections[2]


@settings(deadline=None)
@given(counts=st.lists(st.integers(10, 30), min_size=1, max_size=5), seed=SEEDS)
def test_three_ways(counts: list[int], seed: int) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    parts = split_three_ways(labels, validation_fraction=0.2, test_fraction=0.3, seed=seed)
    assert sorted(index for part in parts for index in part) == list(range(len(labels)))
    assert len(parts[2]) == round(0.3 * len(labels))
    assert abs(len(parts[1]) - 0.2 * len(labels)) <= 1


def test_validation_does_not_move_the_test_split() -> None:
    labels = np.repeat(np.arange(3), 40)
    some = split_three_ways(labels, validation_fraction=0.1, test_fraction=0.2, seed=3)
    other = split_three_ways(labels, validation_fraction=0.3, test_fraction=0.2, seed=3)
    assert some[2].tolist() == other[2].tolist()


@pytest.mark.parametrize("fraction", [-0.1, 1.0, 2.0, float("nan")])
def test_fraction_out_of_range(fraction: float) -> None:
    with pytest.raises(UserError) as error:
        split(np.array([0, 0, 1, 1]), fraction=fraction, seed=0)
    assert str(error.value) == f"0 <= fraction < 1 must hold for a share of the examples, but got {fraction}"


def test_seed_out_of_range() -> None:
    with pytest.raises(UserError) as error:
        split(np.array([0, 0, 1, 1]), fraction=0.5, seed=-1)
    assert str(error.value) == "split_seed >= 0 must hold, but got -1"


def test_a_class_with_one_example() -> None:
    with pytest.raises(UserError) as error:
        split(np.array([0, 0, 5, 1, 1]), fraction=0.5, seed=0)
    assert str(error.value) == "class 5 has 1 example, expected at least 2: one to keep and one to split off"


def test_nothing_left_to_train_on() -> None:
    with pytest.raises(UserError) as error:
        split_three_ways(np.array([0, 0, 1, 1]), validation_fraction=0.5, test_fraction=0.5, seed=0)
    assert str(error.value) == (
        "validation_fraction + test_fraction < 1 must hold, so that something is left to train on, but got 0.5 + 0.5"
    )
