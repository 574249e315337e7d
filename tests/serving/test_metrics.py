"""The metrics of several workers."""

from pathlib import Path

import pytest

from trialmaker.serving.metrics import Metrics


def test_a_worker_that_starts_spoils_nobodys_metrics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of its files is empty for a moment."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    metrics = Metrics.__new__(Metrics)
    metrics.is_shared = True
    for name in ("counter_7.db", "gauge_mostrecent_7.db", "histogram_7.db"):
        (tmp_path / name).touch()
    assert metrics.text() == b""
