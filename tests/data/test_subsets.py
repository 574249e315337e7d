"""Subsets of a split: their size and order, and results that must never change."""

import numpy as np
import pytest

from trialmaker.data.splits import Split
from trialmaker.data.subsets import subsample

SPLIT = Split(np.arange(20, dtype=np.uint8).reshape(20, 1, 1, 1), np.arange(20, dtype=np.int32))


@pytest.mark.parametrize("limit", [None, 20, 21])
def test_without_effect(limit: int | None) -> None:
    assert subsample(SPLIT, limit, 0) is SPLIT


def test_results_never_change() -> None:
    subset = subsample(SPLIT, 5, 0)
    assert subset.labels.tolist() == [2, 8, 11, 12, 17]
    assert subset.images.ravel().tolist() == subset.labels.tolist()
    assert subset.labels.dtype == np.int32
    assert subsample(SPLIT, 5, 1).labels.tolist() == [2, 7, 9, 16, 17]
