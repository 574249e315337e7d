"""The runs of some outputs as a pandas DataFrame."""

from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trialmaker.analysis import query, run_table
from trialmaker.analysis.store import runs as stored
from trialmaker.analysis.store.runs import TEST_METRIC, Run
from trialmaker.api.widget_warning import ignored_widget_warning
from trialmaker.cli.output_arguments import OutputSelection

if TYPE_CHECKING:
    import pandas as pd

PARENT = "mlflow.parentRunId"
COLUMN_TYPES = {  # of the index, and of the columns that each frame has
    "id": "str",
    "name": "str",
    "best": "float64",
    TEST_METRIC: "float64",
    "seconds": "float64",
    "start": "datetime64[us, UTC]",
    "status": "str",
    "objective": "str",
    "experiment": "str",
    "output": "str",
    "study": "str",
}


def runs(*outputs: str | PathLike[str], trials: bool = True, where: tuple[str, ...] | str = ()) -> "pd.DataFrame":
    """Return a row for each run, the best of each experiment first.

    Args:
        outputs: outputs of jobs, or folders that hold some; none for this project's own.
        trials: whether the trials of studies have rows too. A study itself, which trains nothing, has none.
        where: conditions as of ``compare --where``, such as ``"test_accuracy>=0.98"``.

    Returns:
        a frame whose index is MLflow's id of the run. Columns: ``name``, ``best`` (the best value of ``objective``),
        ``test_accuracy``, ``seconds``, the parameters that differ between the runs, such as
        ``optimizer.learning_rate``, ``start`` (UTC), ``status``, ``objective``, ``experiment``, ``output``, ``study``
        (the id of a trial's study), then all other metrics and parameters. Numbers are numbers; what a run lacks is
        missing. Without rows, it has the columns that are no parameter's and no other metric's.

    Raises:
        UserError: there is no such folder, it holds no runs, or a condition is malformed.
    """
    import pandas as pd

    with ignored_widget_warning():
        merged = OutputSelection([Path(output) for output in outputs], None).merge()
    digests = stored.data_digests(merged.store)
    listed = [run for run in stored.load(merged.store) if not run.is_study and (trials or not run.is_trial)]
    selected = query.select(listed, [where] if isinstance(where, str) else where, digests)
    selected.sort(key=lambda run: (run.peers, run.rank))
    differing = run_table.differing_params(selected, digests)
    if not selected:
        return pd.DataFrame({name: pd.Series(dtype=dtype) for name, dtype in COLUMN_TYPES.items()}).set_index("id")
    return pd.DataFrame([_row(run, differing, digests) for run in selected]).set_index("id")


def _row(run: Run, differing: list[str], digests: dict[str, str]) -> dict[str, Any]:
    first = {
        "id": run.run_id,
        "name": run.name,
        "best": run.best,
        TEST_METRIC: run.metrics.get(TEST_METRIC),
        "seconds": run.seconds,
        **{name: query.value_of(run, name, digests) for name in differing},
        "start": datetime.fromtimestamp(run.start, UTC),
        "status": run.status,
        "objective": run.objective.name,
        "experiment": run.experiment,
        "output": run.output,
        "study": run.tags.get(PARENT),
    }
    others = {**run.metrics, **{name: query.parse_number(text) for name, text in run.params.items()}}
    return first | {name: value for name, value in others.items() if name not in first}
