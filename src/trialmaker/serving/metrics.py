"""The service's Prometheus metrics."""

import os
from collections.abc import Iterable
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric, generate_latest, multiprocess
from prometheus_client.registry import Collector

LATENCY_BUCKETS_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
BATCH_SIZE_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """The metrics of this process, or of all workers.

    Where there are several workers, PROMETHEUS_MULTIPROC_DIR must be set before this module is imported.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.children: dict[tuple[str, int], tuple[Counter, Histogram]] = {}
        self.is_shared = "PROMETHEUS_MULTIPROC_DIR" in os.environ
        registry = None if self.is_shared else self.registry
        self.requests = Counter(
            "trialmaker_requests", "Requests by address and HTTP status", ["path", "status"], registry=registry
        )
        self.seconds = Histogram(
            "trialmaker_request_seconds",
            "From a request's head to its answer",
            ["path"],
            buckets=LATENCY_BUCKETS_SECONDS,
            registry=registry,
        )
        self.batch = Histogram(
            "trialmaker_batch_images", "Images in one call of the model", buckets=BATCH_SIZE_BUCKETS, registry=registry
        )
        self.version = Gauge(
            "trialmaker_model_version", "The served model's version", multiprocess_mode="mostrecent", registry=registry
        )

    def record(self, path: str, status: int, seconds: float) -> None:
        """Count a request.

        Args:
            path: the route's, or ``other``.
            status: its answer's.
            seconds: it took.
        """
        children = self.children.get((path, status))
        if not children:  # looking them up by their labels takes as long as counting
            children = self.requests.labels(path, status), self.seconds.labels(path)
            self.children[path, status] = children
        children[0].inc()
        children[1].observe(seconds)

    def text(self) -> bytes:
        """Return the metrics in Prometheus' text format."""
        if self.is_shared:
            return generate_latest(_Workers(Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])))
        return generate_latest(self.registry)


class _Workers(Collector):
    """The metrics of all workers, but for a file that its worker has made in this moment.

    Prometheus' own collector (seen with 0.26.0) raises at a file of size 0, which each one is before its first entry.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def collect(self) -> Iterable[Metric]:
        """Return the metrics."""
        files = [str(path) for path in sorted(self.folder.glob("*.db")) if path.stat().st_size]
        return multiprocess.MultiProcessCollector.merge(files)  # type: ignore[no-untyped-call]
