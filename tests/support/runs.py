"""Runs as a merged store holds them, without a store."""

from trialmaker.analysis.store.runs import Run

CONFIG = {"data.name": "digits", "model.name": "mlp", "optimizer.learning_rate": "0.001", "seed": "0", "output": "/x"}
CONFIG |= {"objective": "val_accuracy", "direction": "maximize"}


def make_run(
    run_id: str,
    best: float | None,
    *,
    name: str = "",
    test: float | None = None,
    tags: dict | None = None,
    **params: str,
) -> Run:
    """Return a finished run of 61.5 seconds; ``__`` in a parameter's name stands for a dot."""
    dotted = {key.replace("__", "."): value for key, value in params.items()}
    metrics = {"test_accuracy": test} if test is not None else {}
    start, end = 0.0, 61.5
    return Run(
        run_id=run_id * 8,
        name=name or f"run {run_id}",
        experiment="digits",
        experiment_id=1,
        status="FINISHED",
        start=start,
        end=end,
        artifacts="",
        params=CONFIG | dotted,
        tags=tags or {},
        metrics=metrics,
        best=best,
    )
