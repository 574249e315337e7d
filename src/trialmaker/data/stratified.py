"""Stratified random splits, the same on every machine and with every version of NumPy."""

import numpy as np

from trialmaker.errors import UserError


def split(labels: np.ndarray, *, fraction: float, seed: int, stream: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Split a share of every class off, at random: a pure function of its arguments.

    ``fraction`` of all examples, rounded, is apportioned to the classes by the largest-remainder method. Every class
    gives at least one example and keeps at least one, so the total may differ where classes are tiny. With the same
    seed, a larger fraction selects the same examples and more, except for those that rounding moves between classes.

    Args:
        labels: integers [N], each at least 0.
        fraction: share to split off, 0 <= fraction < 1; 0 selects nothing.
        seed: at least 0.
        stream: at least 0; splits with the same seed and different streams are independent.

    Returns:
        Indices into ``labels`` (int64, ascending): of the rest, and of the examples split off.

    Raises:
        UserError: fraction or seed out of range; a class with one example, where fraction is not 0.
    """
    if not 0 <= fraction < 1:
        raise UserError(f"0 <= fraction < 1 must hold for a share of the examples, but got {fraction}")
    if seed < 0:
        raise UserError(f"split_seed >= 0 must hold, but got {seed}")
    selection = np.zeros(len(labels), dtype=bool)
    if fraction > 0:
        classes, counts = np.unique(labels, return_counts=True)
        for label, quota in zip(classes, _quotas(classes, counts, fraction), strict=True):
            members = np.flatnonzero(labels == label)
            selection[members[random_order(len(members), [seed, stream, int(label)])[:quota]]] = True
    return np.flatnonzero(~selection), np.flatnonzero(selection)


def split_three_ways(
    labels: np.ndarray, *, validation_fraction: float, test_fraction: float, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Split into train, validation and test; both fractions are shares of all N examples.

    Args:
        labels: integers [N], each at least 0.
        validation_fraction: at least 0; 0 leaves validation empty.
        test_fraction: at least 0; 0 leaves test empty. The same seed and test_fraction give the same test examples,
            whatever the validation fraction is.
        seed: at least 0.

    Returns:
        Indices (int64, ascending) of train, validation and test, which partition 0..N-1.

    Raises:
        UserError: as `split`; or the two fractions leave nothing to train on.
    """
    if not validation_fraction + test_fraction < 1:
        raise UserError(
            "validation_fraction + test_fraction < 1 must hold, so that something is left to train on, "
            f"but got {validation_fraction} + {test_fraction}"
        )
    rest, test = split(labels, fraction=test_fraction, seed=seed, stream=1)
    share = validation_fraction / (1 - test_fraction)
    train, validation = split(labels[rest], fraction=share, seed=seed)
    return rest[train], rest[validation], test


def random_order(count: int, entropy: list[int]) -> np.ndarray:
    """Return a random permutation of 0..count-1 (int64) that depends on the entropy alone.

    NumPy promises that a bit generator's raw output stays the same in all versions, but not that `permutation` does:
    so the permutation is the order of ``count`` raw values of PCG64.
    """
    return np.argsort(np.random.PCG64(np.random.SeedSequence(entropy)).random_raw(count), kind="stable")


def _quotas(classes: np.ndarray, counts: np.ndarray, fraction: float) -> np.ndarray:
    """Apportion the examples to split off to the classes: int64 [K] in 1..counts-1.

    Each class gets its share rounded down; the remainder goes to the classes with the largest fractional parts.
    """
    if (counts < 2).any():
        single = classes[counts < 2][0]
        raise UserError(f"class {single} has 1 example, expected at least 2: one to keep and one to split off")
    total = np.clip(round(fraction * counts.sum()), len(counts), counts.sum() - len(counts))
    shares = fraction * counts
    quotas = np.clip(np.floor(shares).astype(np.int64), 1, counts - 1)
    while quotas.sum() < total:
        quotas[np.argmax(np.where(quotas < counts - 1, shares - quotas, -np.inf))] += 1
    while quotas.sum() > total:
        quotas[np.argmin(np.where(quotas > 1, shares - quotas, np.inf))] -= 1
    return quotas
