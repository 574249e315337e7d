"""What a name on the command line means: a config group, a field, or one of Hydra's own settings."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from trialmaker.config.arguments import values
from trialmaker.config.fields import Field, fields
from trialmaker.config.suggestions import nearest
from trialmaker.config.validation import broken_laws

# What people of other libraries and platforms type. A name with two meanings here, such as "gamma", is not among them.
SYNONYMS = {
    "arch": "model",
    "architecture": "model",
    "network": "model",
    "dataset": "data",
    "opt": "optimizer",
    "scheduler": "schedule",
    "lr_schedule": "schedule",
    "lr_scheduler": "schedule",
    "augmentation": "augment",
    "data_dir": "data.directory",
    "data_path": "data.directory",
    "val_fraction": "data.validation_fraction",
    "val_split": "data.validation_fraction",
    "validation_split": "data.validation_fraction",
    "hidden": "model.hidden_units",
    "units": "model.hidden_units",
    "dropout": "model.dropout_rate",
    "batchnorm": "model.batch_norm",
    "batch_normalization": "model.batch_norm",
    "lr": "optimizer.learning_rate",
    "wd": "optimizer.weight_decay",
    "clipnorm": "optimizer.global_clipnorm",
    "clip_norm": "optimizer.global_clipnorm",
    "max_grad_norm": "optimizer.global_clipnorm",
    "beta1": "optimizer.beta_1",
    "beta2": "optimizer.beta_2",
    "eps": "optimizer.epsilon",
    "epoch": "training.epochs",
    "num_epochs": "training.epochs",
    "n_epochs": "training.epochs",
    "max_epochs": "training.epochs",
    "bs": "training.batch_size",
    "batch": "training.batch_size",
    "smoothing": "training.label_smoothing",
    "xla": "training.jit_compile",
    "mlflow_uri": "tracking.uri",
    "tracking_uri": "tracking.uri",
    "experiment_name": "tracking.experiment",
    "output_dir": "output",
    "output_path": "output",
    "out_dir": "output",
    "random_seed": "seed",
}


@dataclass(frozen=True)
class Name:
    """What can be given a value. One without fields and without choices is Hydra's own.

    Args:
        key: as Hydra calls it.
        fields: those of that path, one for each of its owners.
        choices: of a config group.
    """

    key: str
    fields: tuple[Field, ...] = ()
    choices: tuple[str, ...] = ()

    def is_text(self) -> bool:
        return not self.choices and all(values.is_text(field.type) for field in self.fields)

    def is_boolean(self) -> bool:
        return bool(self.fields) and all(values.kind_of(field.type) is bool for field in self.fields)

    def is_list(self) -> bool:
        return any(values.is_list(field.type) for field in self.fields)

    def expected(self) -> str:
        """What its values must be, such as ``must be a whole number``."""
        if self.choices:
            return f"must be one of {', '.join(self.choices)}"
        laws = dict.fromkeys(law for field in self.fields for law in broken_laws(field, {}))
        return " or ".join(laws) or "must be text"


class Names:
    """All names that there are.

    Args:
        groups: the choices of each config group.
        flags: Hydra's flags, with their dashes, which may be what a person meant.
    """

    def __init__(self, groups: Mapping[str, Sequence[str]], flags: Mapping[str, str]) -> None:
        self.groups = {_same(group): Name(group, choices=tuple(choices)) for group, choices in groups.items()}
        self.paths: dict[str, Name] = {}
        for field in fields():
            owners = self.paths[field.path].fields if field.path in self.paths else ()
            self.paths[field.path] = Name(field.path, (*owners, field))
        self.aliases = SYNONYMS | {name.key: name.key for name in self.groups.values()} | dict(flags)

    def find(self, typed: str) -> Name | None:
        """What a name without its dashes means: group, path, a path's last part, synonym; None for nothing, or many."""
        name = _same(typed)
        if name.startswith(("hydra.", "hydra/")):
            return Name(name)
        found = self.groups.get(name) or self.paths.get(name)
        ends = self._ending_in(name)
        if found is None and ends:
            return ends[0] if len(ends) == 1 else None
        synonym = SYNONYMS.get(name, "")
        return found or self.groups.get(synonym) or self.paths.get(synonym)

    def is_section(self, typed: str) -> bool:
        """Whether it is a part of the config with fields of its own, such as ``training``."""
        return any(path.startswith(f"{typed}.") for path in self.paths)

    def refusal(self, typed: str) -> str:
        """Why nothing was found, and what may have been meant."""
        name = _same(typed)
        several = [found.key for found in self._ending_in(name)]
        inside = [path for path in self.paths if path.startswith(f"{name}.")]
        if several or inside:
            return f"must be one field, such as {_listed(several or inside)}"
        meant = nearest(name, {*self.paths, *(group.key for group in self.groups.values())}, self.aliases)
        return f"there is no such field or group{meant or '; python train.py --help lists them'}"

    def _ending_in(self, name: str) -> list[Name]:
        return [found for path, found in self.paths.items() if path.rpartition(".")[2] == name]


def _same(name: str) -> str:
    return name.replace("-", "_")


def _listed(paths: Iterable[str]) -> str:
    return " or ".join(list(paths)[:4])
