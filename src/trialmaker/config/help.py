"""The text of ``python train.py --help``."""

from collections.abc import Collection
from functools import lru_cache
from textwrap import fill

from trialmaker.config import study_fields
from trialmaker.config.arguments.tokens import HELP_TOPICS
from trialmaker.config.arguments.translation import choices
from trialmaker.config.fields import fields
from trialmaker.platform.paths import CONF

OPENING = """\
Train an image classifier, track it in MLflow, and leave the best model ready to deploy.

    python train.py                                       the default: an MLP on MNIST
    python train.py data=digits                           the embedded data set: nothing to download
    python train.py model=cnn optimizer=adamw training.epochs=5 seed=1
    python train.py -m seed=1,2,3                         one run after another
    python train.py experiment=mnist_cnn                  a recorded recipe
    python train.py debug=smoke                           every part once, in seconds; nothing is published
    python train.py --cfg job                             show the config, train nothing

Choices (group=choice):
"""
# Hydra substitutes in this text: "$$" is one dollar sign.
CLOSING = """
Values: lists as 'model.hidden_units=[256,128]', null for "none", true and false. A field "of all blocks or each" has
one value or a list: model.kernel_size=5, 'model.kernel_size=[5,3]'. A field belongs to the choices named beside it.
--hydra-help lists Hydra's own flags. Tab completion: eval "$$(python train.py -sc install=bash)"
The best model lies in <output>/model/<N>/, MLflow's records in <output>/mlflow.db: make ui.
"""


MORE = f"python train.py --help all lists all fields, --help NAME some: {', '.join(HELP_TOPICS[1:])}."
# What most people change, and how to let a run end in time and go on.
FIRST_FIELDS = (
    *("data.directory", "model.hidden_units", "model.filters", "model.dropout_rate", "optimizer.learning_rate"),
    *("training.epochs", "training.batch_size", "training.patience", "training.max_seconds", "seed", "name", "output"),
    *("tracking.uri", "resume"),
)
STUDY = "study"


@lru_cache  # Hydra resolves it in every job of a multirun
def help_text(topic: str = "") -> str:
    """Return the help.

    Args:
        topic: of ``HELP_TOPICS``, for its fields alone; "" for the groups with their choices, and the fields that
            people change first. Each field has its meaning, unit and owners.
    """
    if topic and topic != "all":
        return _study_fields() if topic == STUDY else _fields_of(topic)
    groups = (f"    {name:<12}{', '.join(names)}" for name, names in sorted(choices([CONF]).items()) if name != "hydra")
    parts = ["\n".join(groups), *([_fields_of("all"), _study_fields()] if topic else [_first_fields()])]
    return f"{OPENING}{chr(10).join(parts)}\n{CLOSING}"


def _first_fields() -> str:
    return f"\nFields that people change first (path=value):\n{_lines(FIRST_FIELDS)}\n{MORE}"


def _fields_of(topic: str) -> str:
    paths = [field.path for field in fields() if topic in ("all", _topic(field.path))]
    return f"\nFields (path=value):\n{_lines(paths)}\n"


def _study_fields() -> str:
    lines = (_wrapped(f"hydra.sweeper.{name}", meaning) for name, meaning in study_fields.meanings().items())
    return "\nFields of a study (with sweeps=NAME):\n" + "\n".join(lines)


def _topic(path: str) -> str:
    group = path.partition(".")[0]
    return group if group in HELP_TOPICS else "run"


def _lines(paths: Collection[str]) -> str:
    """Return a line for each meaning that a field has, with its owners."""
    owners: dict[tuple[str, str], list[str]] = {}
    for field in fields():
        if field.path in paths:
            owners.setdefault((field.path, field.meaning), []).append(field.owner.replace("/", " "))
    return "\n".join(_line(path, meaning, names) for (path, meaning), names in owners.items())


def _line(path: str, meaning: str, owners: list[str]) -> str:
    group = path.partition(".")[0]
    everyone = {field.owner.replace("/", " ") for field in fields() if field.path.startswith(f"{group}.")}
    of = f" ({', '.join(owners)})" if any(owners) and set(owners) != everyone else ""
    return _wrapped(path, meaning + of)


def _wrapped(name: str, meaning: str) -> str:
    head = f"    {name:<37} "
    return fill(meaning, 118, initial_indent=head, subsequent_indent=" " * 42, break_on_hyphens=False)
