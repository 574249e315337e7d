"""The run list of MLflow's UI as saved views: the best first, with the columns that tell runs apart. Without MLflow.

An experiment has a view for each objective of its runs.

The UI offers an experiment's views under "Views", and opens one whose key the address names. The forms of the tag, of
the columns and of the addresses are those of MLflow 3.17.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping

from trialmaker.config.incidental import INCIDENTAL, WEIGHT_SOURCES, is_among

VIEW_KEY, VIEW_NAME = "best_first", "best first"  # of the objective that most runs have
VIEW_TAG = f"mlflow.sharedViewState.{VIEW_KEY}"
NOTE_TAG, NOTE_START = "mlflow.note.content", "Runs, the best first: "  # an experiment's description, in Markdown
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

    def keys(self) -> dict[str, str]:
        """Return the key of each objective's view, that of the objective of most runs first."""
        names = list(dict.fromkeys(objective for (objective, _), _ in self.objectives.most_common()))
        return {name: f"{VIEW_KEY}_{name}" if name != names[0] else VIEW_KEY for name in names}

    def tags(self) -> dict[str, str]:
        """Return the experiment's tags with the views, by their names; empty where no run names an objective."""
        directions = dict(reversed([pair for pair, _ in self.objectives.most_common()]))
        return {view_tag(key): self._tag(name, directions[name]) for name, key in self.keys().items()}

    def _tag(self, objective: str, direction: str) -> str:
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
        name = VIEW_NAME if len(self.keys()) == 1 else f"{VIEW_NAME} by {objective}"
        return json.dumps({"name": name, "createdAt": 0, "state": json.dumps(state)})

    def _param_columns(self) -> list[str]:
        """Return the model's name, then the params that differ, in the config's order, the seed last."""
        names = [
            name for name in self.first_values if name in self.differing and name != MODEL and not _is_hidden(name)
        ]
        names.sort(key=lambda name: name == SEED)
        return [MODEL, *names][:MAX_PARAM_COLUMNS]


def _is_hidden(param: str) -> bool:
    return is_among(param, INCIDENTAL) and param not in WEIGHT_SOURCES


def view_tag(key: str) -> str:
    """Return the name of the experiment's tag that holds a view."""
    return f"{VIEW_TAG}{key.removeprefix(VIEW_KEY)}"


def list_address(experiment_id: str | int, view: str | None = VIEW_KEY) -> str:
    """Return the part after the host of the address of an experiment's run list, in the view of a key if it has one."""
    key = f"&viewStateShareKey={view}" if view else ""
    return f"#/experiments/{experiment_id}/runs?workflowType=machine_learning{key}"


def curves_address(experiment_id: str | int, view: str = VIEW_KEY) -> str:
    """Return the part after the host of the address of the curves of an experiment's best ten runs."""
    return f"{list_address(experiment_id, view)}&compareRunsMode=CHART"


def note(experiment_id: str | int, views: Mapping[str, str]) -> str:
    """Return an experiment's description, which leads whoever opens MLflow's UI by himself to the views.

    Args:
        experiment_id: the experiment's.
        views: the key of each objective's view, as ``RunListView.keys`` returns them.
    """
    links = [_links(experiment_id, key) for key in views.values()]
    named = [f"by {name}: {link}" for name, link in zip(views, links, strict=True)]
    return NOTE_START + "; ".join(named if len(views) > 1 else links)


def _links(experiment_id: str | int, view: str) -> str:
    return f"[list]({list_address(experiment_id, view)}) · [curves]({curves_address(experiment_id, view)})"
