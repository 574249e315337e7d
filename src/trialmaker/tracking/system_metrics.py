"""The machine's metrics while a run goes on, sampled by MLflow, which ends when it cannot reach its store once."""

from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor


class SystemMetrics:
    """The sampling of the machine's metrics for a run.

    Args:
        run_id: MLflow's, of the run.
        interval: between samples, seconds.
        store: the tracking URI.
    """

    def __init__(self, run_id: str, interval: float, store: str) -> None:
        self._run_id, self._interval, self._store = run_id, interval, store
        self._monitor: SystemMetricsMonitor | None = None

    def begin(self, *, goes_on: bool) -> None:
        """Begin to sample; end a sampling that goes on.

        Args:
            goes_on: whether the run may have samples already.
        """
        self.finish()
        self._monitor = SystemMetricsMonitor(
            self._run_id, self._interval, resume_logging=goes_on, tracking_uri=self._store
        )
        self._monitor.start()

    def finish(self) -> None:
        """Stop sampling, and record what was sampled."""
        if self._monitor:
            self._monitor.finish()
            self._monitor = None
