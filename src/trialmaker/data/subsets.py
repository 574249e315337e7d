"""A part of a split."""

import numpy as np

from trialmaker.data.splits import Split


def subsample(split: Split, most: int | None, seed: int) -> Split:
    """At most so many examples, drawn by the seed, in their order."""
    if most is None or most >= len(split):
        return split
    drawn = np.sort(np.random.Generator(np.random.Philox([seed, most])).permutation(len(split))[:most])
    return Split(split.images[drawn], split.labels[drawn])
