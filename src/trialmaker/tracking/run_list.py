"""The run list of MLflow's UI as a saved view: the best first, with the columns that tell runs apart. Without MLflow.

The UI offers an experiment's views under "Views", and opens one whose key the address names. The forms of the tag, of
the columns and of the addresses are those of MLflow 3.17.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping

VIEW_KEY, VIEW_NAME = "best_first", "best first"
VIEW_TAG = f"mlflow.sharedViewState.{VIEW_KEY}"
NOTE_TAG, NOTE_START = "mlflow.note.content", "Runs, the best first: "  # an experiment's description, in Markdown
# Parameters, and groups of them, that say where a run's files lay, what it is called, how long it may take, how much it
# prints: they tell runs apart, but not by what was tried.
HIDDEN_PARAMS = (
    *("output", "tracking", "name", "note", "tags", "data.directory", "data.download", "data.mirrors"),
    *("training.max_seconds", "training.margin_seconds", "training.log_every_steps"),
)
MODEL, SEED = "model.name", "seed"
MAX_PARAM_COLUMNS = 12
TEST_METRICS = ("test_accuracy", "test_loss")
CHARTED_METRICS = "^(val_)?(accuracy|loss)$"  # the curves shown at first
NAME_WIDTH, CREATED_WIDTH, DURATION_WIDTH = 240, 132, 78  # pixels


class RunListView:
    """The view of an experiment's runs, as their params make it.

    Args:
        runs: the params of each run; those of a study, which trains nothing itself, are empty.
    """

    def __init__(self, runs: Iterable[Mapping[str, str]] = ()) -> None:
        self.first_values: dict[str, str] = {}
        self.differing: set[str] = set()
        self.objectives: Counter[tuple[str, str]] = Counter()
        for params in runs:
            self.add(params)

    def add(self, params: Mapping[str, str]) -> None:
        """Add a run; a param that it lacks, such as one of another model's, is no difference."""
        if "objective" in params:
            self.objectives[params["objective"], params.get("direction", "maximize")] += 1
        self.differing |= {name for name in params if self.first_values.setdefault(name, params[name]) != params[name]}

    def tag(self) -> str | None:
        """Return the value of the experiment's tag ``VIEW_TAG``; None where no run names an objective."""
        if not self.objectives:
            return None
        ((objective, direction), _), *_ = self.objectives.most_common(1)
        best, params = f"metrics.`best_{objective}`", [f"params.`{name}`" for name in self._param_columns()]
        test = [f"metrics.`{name}`" for name in TEST_METRICS]
        widths = {column: 24 + round(6.6 * (len(column) - len("params.``"))) for column in (best, *test, *params)}
        state = {
            "orderByKey": best,
            "orderByAsc": direction == "minimize",
            "selectedColumns": ["attributes.`Duration`", best, *test, *params],
            "columnOrder": ["attributes.`Run Name`", "runDateAndNestInfo", best, test[0], "duration", *params, test[1]],
            "columnWidths": {
                "attributes.`Run Name`": NAME_WIDTH,
                "runDateAndNestInfo": CREATED_WIDTH,
                "duration": DURATION_WIDTH,
                **{column: max(72, width) for column, width in widths.items()},
            },
            "chartsSearchFilter": CHARTED_METRICS,
        }
        return json.dumps({"name": VIEW_NAME, "createdAt": 0, "state": json.dumps(state)})

    def _param_columns(self) -> list[str]:
        """Return the model's name, then the params that differ, in the config's order, the seed last."""
        names = [
            name for name in self.first_values if name in self.differing and name != MODEL and not _is_hidden(name)
        ]
        names.sort(key=lambda name: name == SEED)
        return [MODEL, *names][:MAX_PARAM_COLUMNS]


def _is_hidden(param: str) -> bool:
    return any(f"{param}.".startswith(f"{hidden}.") for hidden in HIDDEN_PARAMS)


def list_address(experiment_id: str | int, *, has_view: bool = True) -> str:
    """Return the part after the host of the address of an experiment's run list, in its view if it has one."""
    view = f"&viewStateShareKey={VIEW_KEY}" if has_view else ""
    return f"#/experiments/{experiment_id}/runs?workflowType=machine_learning{view}"


def curves_address(experiment_id: str | int) -> str:
    """Return the part after the host of the address of the curves of an experiment's best ten runs."""
    return f"{list_address(experiment_id)}&compareRunsMode=CHART"


def note(experiment_id: str | int) -> str:
    """Return an experiment's description, which leads whoever opens MLflow's UI by himself to the view."""
    links = f"[list]({list_address(experiment_id)}) · [curves]({curves_address(experiment_id)})"
    return f"{NOTE_START}{links}"
