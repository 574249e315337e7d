"""The fields of a run as such, beside those of its data, model and optimizer."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from trialmaker.config.config_dataclass import Rate, Received, config_dataclass, field

AUTO, NEVER = "auto", "never"  # of the field ``resume``; the first of ``training.precision`` too
IGNORE = "ignore"  # of the field ``instances``
PRECISION, PRECISIONS = "training.precision", ("float32", "bfloat16")  # the field, and what it may come to
EFFECTIVE_PRECISION = "effective_precision"  # MLflow's param that says what it came to


def _resume_text(value: Any) -> Any:
    """Return what true, false and null mean, which other tools' flags have."""
    return {True: AUTO, False: NEVER, None: AUTO}[value] if isinstance(value, bool | None) else value


Resume = Annotated[str, BeforeValidator(_resume_text)]


@config_dataclass
class Training:
    """The training loop."""

    epochs: int = field("passes over the training examples", ge=1, le=1_000_000)
    batch_size: int = field(
        "examples a step, all where there are fewer; what is left of an epoch's last batch is dropped",
        ge=1,
        le=1_000_000,
    )
    label_smoothing: Rate = field("share of each label spread evenly over all classes")
    max_examples: int | None = field(
        "use only so many of the training examples, drawn by data.split_seed, or null for all", ge=1
    )
    patience: int | None = field(
        "epochs without a better objective after which the training stops (a tie: val_loss), or null", ge=1
    )
    early_validation: float | None = field(
        "share of the first epoch after which a study first asks whether a trial is hopeless, or null", gt=0, lt=1
    )
    max_seconds: float | None = field(
        "seconds from the start of the process to its end; the training ends in time for that; null for no limit", gt=0
    )
    max_seconds_total: float | None = field(
        "the same for all attempts of an interrupted run together, seconds, or null", gt=0
    )
    margin_seconds: float = field("end so many seconds before max_seconds, which may kill without a signal", ge=0)
    jit_compile: bool | None = field("compile with XLA; null for where it is known to be faster")
    precision: Literal["float32", "bfloat16", "auto"] = field(
        "what layers compute in while weights, statistics, loss, validation and the published model stay in float32;"
        " auto: bfloat16 where the processor computes in it and the model gains;"
        " trials of a study that searches model.filters may differ in it"
    )
    instance_index: int | None = field(
        "which of the job's instances this is, from 0, or null to tell it by config/resource.json and the machine",
        received=Received.NO_VALUE,
        ge=0,
    )
    instances_seconds: float = field(
        "longest wait for the job's other instances at the start, seconds", received=Received.NO_VALUE, gt=0
    )
    log_every_steps: int = field("steps between two 'step' lines; an epoch of fewer has one at its end", ge=1)


@config_dataclass
class Checkpoint:
    """The checkpoints from which an interrupted run goes on."""

    every_seconds: float = field("seconds from one checkpoint of the training to the next", gt=0)


@config_dataclass
class Tracking:
    """The records in MLflow."""

    uri: str | None = field(
        "MLflow's tracking URI, or null for SQLite in the output; the default is MLFLOW_TRACKING_URI's value",
        received=Received.NO_VALUE,
    )
    experiment: str = field(
        "MLflow experiment that the run belongs to; the default is MLFLOW_EXPERIMENT_NAME's value, or the data's name",
        min_length=1,
    )
    system_metrics_seconds: float = field("seconds between two samples of the machine's load", gt=0)
