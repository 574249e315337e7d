"""The places that a run writes to, as patterns of their paths."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Site:
    """A place that a run writes to, and that has no space left.

    Args:
        name: for people.
        pattern: of the paths (``fnmatch``; ``*`` stands for slashes too).
        spare: how many writes to them still succeed.
        loses: a pattern of the names of what a training that goes on may lose; empty for nothing.
        is_apart: whether the training runs in a process of its own, with which its tracking process ends.
        is_study: whether a study is to be run; in a process of its own, since one that lives keeps its trials.
    """

    name: str
    pattern: str
    spare: int = 0
    loses: str = ""
    is_apart: bool = False
    is_study: bool = False


REFUSED = "TIME_mlp_PID|^names of files"  # the directory of a run that was refused before it had begun
UNDELIVERED = (
    "result.json|^events of .*/test|tracking.state.json"  # that MLflow had it late, and drew the pictures late
)
NO_CHECKPOINT = "^checkpoint of|^names of files"
SITES = (
    Site("Hydra's files", "*/logs/*/.hydra/*", loses=REFUSED),
    Site("train.log", "*/logs/*/train.log*", 40, loses="train.log"),
    Site("the journal's start", "*/tracking.jsonl*"),
    Site("the journal", "*/tracking.jsonl*", 30),
    Site("the tracking state", "*/.tracking.state.json*", 2, loses=UNDELIVERED, is_apart=True),
    Site("mlflow.db", "*/output/mlflow.db*", loses=REFUSED),
    Site("mlflow.db, later", "*/output/mlflow.db*", 60, loses=UNDELIVERED, is_apart=True),
    Site("artifacts", "*/mlartifacts/*", 5, loses=UNDELIVERED, is_apart=True),
    Site("the first checkpoint", "*/checkpoints/*", loses=NO_CHECKPOINT),
    Site("a later checkpoint", "*/checkpoints/*", 30, loses=NO_CHECKPOINT),
    Site("the model's export", "*/model/.*/*"),
    Site("a later export", "*/model/.*/*", 30),
    Site("best.json", "*/model/.best.json*"),
    Site("TensorBoard's events", "*/tensorboard/*", 20, loses=f"^events of|{UNDELIVERED}", is_apart=True),
    Site("result.json", "*/.result.json*", loses="result.json|names of files"),
    Site("index.html", "*/.index.html*"),
    Site("success", "*/output/.success*", loses="^names of files|^file success"),
    Site("all at once, and failure", "*/output/*", 200),
    Site("Optuna's journal", "*/studies/*", 10, is_apart=True, is_study=True),
)
