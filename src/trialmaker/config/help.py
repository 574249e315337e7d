"""The text of ``python train.py --help``."""

from collections.abc import Collection, Iterable
from functools import lru_cache

from trialmaker.config import study_fields
from trialmaker.config.arguments.tokens import HELP_TOPICS
from trialmaker.config.arguments.translation import choices
from trialmaker.config.fields import fields
from trialmaker.platform import paths
from trialmaker.platform.help_page import filled, listed

OPENING = """
Train an image classifier, record it in MLflow, and leave the best model ready to deploy: in workspace/output/, on the \
platform in /opt/ai/output/.

Each word sets a choice or a field: GROUP=CHOICE, FIELD=VALUE, or as the platform gives runtime parameters, \
--NAME VALUE and --NAME=VALUE.
"""
CLOSING = """
A list is one word, such as 'model.hidden_units=[256,128]'; "none" is null; a switch is true or false. A field "of \
all blocks or each" has one value or a list: model.kernel_size=5, 'model.kernel_size=[5,3]'. A field belongs to the \
choices that are named behind it.

Flags: --cfg job shows the config and trains nothing; -m runs every value of a list, such as seed=1,2,3, one after \
another; --hydra-help lists the others, which are Hydra's.
"""
# Hydra substitutes in this text: "$$" is one dollar sign.
COMPLETION = 'The Tab key completes choices and fields in bash after\n  eval "$$({command} -sc install=bash)"'
EXAMPLES = (
    "",
    "data=digits",
    "model=cnn optimizer=adamw training.epochs=5 seed=1",
    "--model cnn --lr 0.01 --epochs 5",
    "-m seed=1,2,3",
    "experiment=mnist_cnn",
    "sweeps=mlp hydra.sweeper.n_trials=20",
    "debug=smoke",
    "--cfg job model=cnn",
)
TOPIC_EXAMPLES = {
    "data": "data=mnist data.directory=/data/mnist",
    "model": "model=cnn 'model.filters=[16,32]' model.dropout_rate=0.3",
    "optimizer": "optimizer=adamw optimizer.learning_rate=0.003",
    "schedule": "schedule=cosine schedule.warmup_epochs=1",
    "augment": "augment=shift",
    "training": "training.epochs=20 training.patience=3",
    "run": "seed=1 name=first tags.owner=anna",
    "study": "sweeps=mlp hydra.sweeper.n_trials=20 hydra.sweeper.n_jobs=2",
}
# What most people change, and how to let a run end in time.
FIRST_FIELDS = (
    *("data.directory", "model.hidden_units", "model.filters", "model.dropout_rate", "optimizer.learning_rate"),
    *("training.epochs", "training.batch_size", "training.patience", "training.max_seconds", "seed", "name", "output"),
    "tracking.uri",
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
        part = _study_fields() if topic == STUDY else _fields_of(topic)
        return f"{part}\n\n{_examples([TOPIC_EXAMPLES[topic]])}\n"
    groups = ((name, ", ".join(names)) for name, names in sorted(choices([paths.CONF]).items()) if name != "hydra")
    parts = [
        f"usage: {paths.train_command()} [GROUP=CHOICE | FIELD=VALUE | --NAME VALUE]...",
        filled(OPENING),
        f"Choices (GROUP=CHOICE):\n{listed(groups)}",
        *([_fields_of("all"), _study_fields()] if topic else [_first_fields()]),
        f"{filled(CLOSING)}\n{COMPLETION.format(command=paths.train_command())}",
        _examples(EXAMPLES),
    ]
    return "\n\n".join(parts) + "\n"


def _first_fields() -> str:
    more = f"{paths.train_command()} --help all lists all fields; --help NAME those of {', '.join(HELP_TOPICS[1:])}."
    return f"Fields that people change first (FIELD=VALUE):\n{listed(_meanings(FIRST_FIELDS))}\n{filled(more)}"


def _fields_of(topic: str) -> str:
    paths = [field.path for field in fields() if topic in ("all", _topic(field.path))]
    return f"Fields (FIELD=VALUE):\n{listed(_meanings(paths))}"


def _study_fields() -> str:
    entries = [(f"hydra.sweeper.{name}", meaning) for name, meaning in study_fields.meanings().items()]
    return f"Fields of a study (with sweeps=NAME):\n{listed(entries)}"


def _examples(examples: Iterable[str]) -> str:
    return "\n".join(["Examples:", *(f"  {paths.train_command()} {words}".rstrip() for words in examples)])


def _topic(path: str) -> str:
    group = path.partition(".")[0]
    return group if group in HELP_TOPICS else "run"


def _meanings(paths: Collection[str]) -> Iterable[tuple[str, str]]:
    """Yield each field with each meaning that it has, and its owners."""
    owners: dict[tuple[str, str], list[str]] = {}
    for field in fields():
        if field.path in paths:
            owners.setdefault((field.path, field.meaning), []).append(field.owner.replace("/", " "))
    return ((path, meaning + _owners_text(path, names)) for (path, meaning), names in owners.items())


def _owners_text(path: str, owners: list[str]) -> str:
    group = path.partition(".")[0]
    everyone = {field.owner.replace("/", " ") for field in fields() if field.path.startswith(f"{group}.")}
    return f" ({', '.join(owners)})" if any(owners) and set(owners) != everyone else ""
