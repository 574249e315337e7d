"""The text of ``python train.py --help``."""

from functools import lru_cache
from textwrap import fill

from trialmaker.config import study_fields
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


@lru_cache  # Hydra resolves it in every job of a multirun
def help_text() -> str:
    """Return the help: the groups with their choices, then each field with its meaning, unit and owners."""
    groups = (f"    {name:<12}{', '.join(names)}" for name, names in sorted(choices([CONF]).items()) if name != "hydra")
    owners: dict[tuple[str, str], list[str]] = {}
    for field in fields():
        owners.setdefault((field.path, field.meaning), []).append(field.owner.replace("/", " "))
    lines = (_line(path, meaning, names) for (path, meaning), names in owners.items())
    study = (_wrapped(f"hydra.sweeper.{name}", meaning) for name, meaning in study_fields.meanings().items())
    texts = [*groups, "", "Fields (path=value):", *lines, "", "Fields of a study (with sweeps=NAME):", *study]
    return OPENING + "\n".join(texts) + "\n" + CLOSING


def _line(path: str, meaning: str, owners: list[str]) -> str:
    group = path.partition(".")[0]
    everyone = {field.owner.replace("/", " ") for field in fields() if field.path.startswith(f"{group}.")}
    of = f" ({', '.join(owners)})" if any(owners) and set(owners) != everyone else ""
    return _wrapped(path, meaning + of)


def _wrapped(name: str, meaning: str) -> str:
    head = f"    {name:<37} "
    return fill(meaning, 118, initial_indent=head, subsequent_indent=" " * 42, break_on_hyphens=False)
