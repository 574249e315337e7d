"""The service's Prometheus metrics."""

import os

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess

LATENCY_BUCKETS_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
BATCH_SIZE_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """The metrics of this process, or of all workers.

    Where there are several workers, PROMETHEUS_MULTIPROC_DIR must be set before this module is imported.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
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
            "trialmaker_model_version", "The served model's version", multiprocess_mode="max", registry=registry
        )

    def text(self) -> bytes:
        """Return the metrics in Prometheus' text format."""
        registry = self.registry
        if self.is_shared:
            multiprocess.MultiProcessCollector(registry := CollectorRegistry())  # type: ignore[no-untyped-call]
        return generate_latest(registry)
