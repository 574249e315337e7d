"""Splits in which every class has its share, the same on every machine and with every version of NumPy."""

import numpy as np

from trialmaker.errors import UserError


def split(labels: np.ndarray, *, fraction: float, seed: int, stream: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Takes a share of every class, at random: a pure function of its arguments.

    The whole take is ``fraction`` of all examples, rounded, dealt out to the classes by largest remainder. Every class
    gives at least one example and keeps at least one, so the take may be off where classes are tiny. With the same
    seed, a larger fraction takes the same examples and some more, but for those that rounding moves between classes.

    Args:
        labels: integers [N], any values from 0 on.
        fraction: how much to take, 0 <= fraction < 1; 0 takes nothing.
        seed: from 0 on.
        stream: from 0 on; sets apart two splits that share a seed.

    Returns:
        Indices into ``labels`` (int64): those kept, those taken; both ascending.

    Raises:
        UserError: fraction or seed out of range; a class with one example, where anything is to be taken.
    """
    if not 0 <= fraction < 1:
        raise UserError(f"0 <= fraction < 1 must hold for a share of the examples, but got {fraction}")
    if seed < 0:
        raise UserError(f"split_seed >= 0 must hold, but got {seed}")
    taken = np.zeros(len(labels), dtype=bool)
    if fraction > 0:
        classes, counts = np.unique(labels, return_counts=True)
        for label, quota in zip(classes, _quotas(classes, counts, fraction), strict=True):
            members = np.flatnonzero(labels == label)
            taken[members[random_order(len(members), [seed, stream, int(label)])[:quota]]] = True
    return np.flatnonzero(~taken), np.flatnonzero(taken)


def split_three_ways(
    labels: np.ndarray, *, validation_fraction: float, test_fraction: float, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Splits validation and test off; both fractions are shares of all N examples.

    Args:
        labels: integers [N].
        validation_fraction: from 0 on; 0 leaves validation empty.
        test_fraction: from 0 on; 0 leaves test empty. The same seed and test_fraction give the same test examples,
            whatever the validation fraction is.
        seed: from 0 on.

    Returns:
        Indices (int64, ascending) of train, validation, test: disjoint, and together all of them.

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
    """The numbers 0..count-1 (int64) in a random order that the entropy alone decides.

    NumPy promises that random bits stay the same in all versions, but not that a permutation does: so bits are sorted.
    """
    return np.argsort(np.random.PCG64(np.random.SeedSequence(entropy)).random_raw(count), kind="stable")


def _quotas(classes: np.ndarray, counts: np.ndarray, fraction: float) -> np.ndarray:
    """How many to take of each class: its share rounded down, and the remainders to those that lost most by it."""
    if (counts < 2).any():
        lonely = classes[counts < 2][0]
        raise UserError(f"class {lonely} has 1 example, expected at least 2: one to keep and one to split off")
    total = np.clip(round(fraction * counts.sum()), len(counts), counts.sum() - len(counts))
    shares = fraction * counts
    quotas = np.clip(np.floor(shares).astype(np.int64), 1, counts - 1)
    while quotas.sum() < total:
        quotas[np.argmax(np.where(quotas < counts - 1, shares - quotas, -np.inf))] += 1
    while quotas.sum() > total:
        quotas[np.argmin(np.where(quotas > 1, shares - quotas, np.inf))] -= 1
    return quotas
