"""Random subsets of a split."""

import numpy as np

from trialmaker.data.splits import Split


def subsample(split: Split, limit: int | None, seed: int) -> Split:
    """Return a random subset of a split, without replacement and in the split's order.

    The subset is the first ``limit`` entries of a permutation by NumPy's Philox generator, whose key is made from
    ``[seed, limit]``: the same arguments give the same examples, and subsets of different sizes are independent.

    Args:
        split: N examples.
        limit: most examples to keep, at least 0; None, or a limit of at least N, returns the split itself.
        seed: at least 0.
    """
    if limit is None or limit >= len(split):
        return split
    order = np.random.Generator(np.random.Philox([seed, limit])).permutation(len(split))
    indices = np.sort(order[:limit])
    return Split(split.images[indices], split.labels[indices])
