"""What Prometheus is told."""

import os

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess

QUICK = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """Of all workers, where there are several: then PROMETHEUS_MULTIPROC_DIR is set before this module is imported."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.is_shared = "PROMETHEUS_MULTIPROC_DIR" in os.environ
        own = None if self.is_shared else self.registry
        self.requests = Counter(
            "trialmaker_requests", "Requests by address and HTTP status", ["path", "status"], registry=own
        )
        self.seconds = Histogram(
            "trialmaker_request_seconds", "From a request's head to its answer", ["path"], buckets=QUICK, registry=own
        )
        self.batch = Histogram(
            "trialmaker_batch_images", "Images in one call of the model", buckets=SIZES, registry=own
        )
        self.version = Gauge(
            "trialmaker_model_version", "The served model's version", multiprocess_mode="max", registry=own
        )

    def text(self) -> bytes:
        """In Prometheus' format."""
        registry = self.registry
        if self.is_shared:
            multiprocess.MultiProcessCollector(registry := CollectorRegistry())  # type: ignore[no-untyped-call]
        return generate_latest(registry)
