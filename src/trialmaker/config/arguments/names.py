"""Names on the command line: of config groups, of fields, and of Hydra's own settings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from trialmaker.config.arguments import values
from trialmaker.config.fields import Field, fields
from trialmaker.config.suggestions import nearest
from trialmaker.config.validation import TAG_NAME, TAG_NAME_LAW, broken_laws

# Names that other libraries and platforms use. One that could mean two fields, such as "gamma", is not among them.
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
    "run_name": "name",
    "description": "note",
}
TAGS = "tags."  # what follows is a name that a person makes up
FORCED = "++"  # before a path, by which Hydra adds a field that the config does not have


@dataclass(frozen=True)
class Name:
    """Something that the command line can set: a config group, a field, or else one of Hydra's own settings.

    Args:
        key: the name in Hydra's overrides, such as ``model`` or ``optimizer.learning_rate``.
        fields: of a field, its declarations, one for each of its owners.
        choices: of a config group, the names of its choices.
    """

    key: str
    fields: tuple[Field, ...] = ()
    choices: tuple[str, ...] = ()

    def is_text(self) -> bool:
        """Return whether almost any word can be a value: text, a list of texts, or one of Hydra's own settings."""
        return not self.choices and all(values.is_text(field.type) for field in self.fields)

    def is_boolean(self) -> bool:
        """Return whether the values are true and false, so that the name alone means true."""
        return bool(self.fields) and all(values.base_type(field.type) is bool for field in self.fields)

    def is_list(self) -> bool:
        """Return whether a value is a list, for one of the field's owners at least."""
        return any(values.is_list(field.type) for field in self.fields)

    def is_one_or_each(self) -> bool:
        """Return whether a value is one for all layers, or a list with one for each."""
        return any(values.is_one_or_each(field.type) for field in self.fields)

    def expected(self) -> str:
        """Return the law of its values, such as ``must be a whole number``."""
        if self.choices:
            return f"must be one of {', '.join(self.choices)}"
        laws = dict.fromkeys(law for field in self.fields for law in broken_laws(field, {}))
        return " or ".join(laws) or "must be text"


class Names:
    """All names that the command line can set.

    Args:
        groups: the choices of each config group.
        flags: Hydra's flags with their dashes, by other names; suggestions for a name that does not exist.
    """

    def __init__(self, groups: Mapping[str, Sequence[str]], flags: Mapping[str, str]) -> None:
        self.groups = {_normalize(group): Name(group, choices=tuple(choices)) for group, choices in groups.items()}
        self.paths: dict[str, Name] = {}
        for field in fields():
            owners = self.paths[field.path].fields if field.path in self.paths else ()
            self.paths[field.path] = Name(field.path, (*owners, field))
        self.tags = self.paths.pop("tags")
        self.aliases = SYNONYMS | {name.key: name.key for name in self.groups.values()} | dict(flags)

    def find(self, typed: str) -> Name | None:
        """Return what a name without its dashes means, or None if it means nothing, or several fields.

        It is looked up as a config group, a field's path, a path's last part and a synonym, in this order; ``-`` and
        ``_`` are the same. Any ``hydra.…`` and ``hydra/…`` is a name.
        """
        name = _normalize(typed)
        if name.startswith(("hydra.", "hydra/")):
            return Name(name)
        if typed.startswith(TAGS):
            if not TAG_NAME.fullmatch(typed.removeprefix(TAGS)):
                return None
            return Name(f"{FORCED}{typed}", (replace(self.tags.fields[0], path=typed, type=str),))
        if exact := self._find_exactly(name):
            return exact
        if matches := self._find_by_last_part(name):
            return matches[0] if len(matches) == 1 else None
        return self._find_exactly(SYNONYMS.get(name, ""))

    def is_section(self, typed: str) -> bool:
        """Return whether a name is a part of the config with fields of its own, such as ``training``."""
        return f"{typed}." == TAGS or any(path.startswith(f"{typed}.") for path in self.paths)

    def refusal(self, typed: str) -> str:
        """Return why ``find`` returns None for a name, with suggestions."""
        name = _normalize(typed)
        if name.startswith(TAGS) or f"{name}." == TAGS:
            return TAG_NAME_LAW if name.startswith(TAGS) else f"must be one tag, such as {TAGS}owner=anna"
        matches = [match.key for match in self._find_by_last_part(name)]
        if paths := matches or [path for path in self.paths if path.startswith(f"{name}.")]:
            return f"must be one field, such as {' or '.join(paths[:4])}"
        suggestion = nearest(name, {*self.paths, *(group.key for group in self.groups.values())}, self.aliases)
        return f"there is no such field or group{suggestion or '; python train.py --help lists them'}"

    def _find_exactly(self, name: str) -> Name | None:
        return self.groups.get(name) or self.paths.get(name)

    def _find_by_last_part(self, name: str) -> list[Name]:
        return [match for path, match in self.paths.items() if path.rpartition(".")[2] == name]


def _normalize(name: str) -> str:
    return name.replace("-", "_")
