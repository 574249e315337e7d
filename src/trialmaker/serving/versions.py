"""Which published model to serve: in a version's folder, a folder of versions, or a job's whole output."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trialmaker.errors import UserError

CARD = "assets.extra/card.json"  # best.json's text, for a version that is deployed alone
PARTS = (
    "saved_model.pb",
    "variables/variables.index",
    "variables/variables.data-00000-of-00001",
    "assets/class_names.json",
)


@dataclass(frozen=True)
class Version:
    """A complete version.

    Args:
        number: its folder's name; 1 for a folder that is none.
        card: what ``best.json`` says of it, or else what lies in its folder; empty where both are missing.
    """

    directory: Path
    number: int
    class_names: tuple[str, ...]
    card: Mapping[str, Any] = field(default_factory=dict)

    @property
    def metrics(self) -> Mapping[str, float]:
        found = self.card.get("metrics")
        return found if isinstance(found, dict) else {}

    def __str__(self) -> str:
        values = (f"{name}={self.metrics[name]:.4f}" for name in ("val_accuracy", "test_accuracy")
                  if isinstance(self.metrics.get(name), float))  # fmt: skip
        return " ".join([f"{self.card.get('model', 'model')} version {self.number} of {self.directory}", *values])


def find(path: Path) -> Version:
    """The version that ``best.json`` names, else the newest complete one.

    Args:
        path: one version's folder, a folder of versions, or an output directory with ``model/`` in it.

    Raises:
        UserError: there is none.
    """
    path = path.absolute()
    if (path / "saved_model.pb").exists():
        return _read(path, _best(path.parent))
    for folder in (path, path / "model"):
        best = _best(folder)
        numbers = sorted((int(child.name) for child in _children(folder) if child.name.isdecimal()), reverse=True)
        named = [best["version"]] if best.get("version") in numbers else []
        for number in [*named, *numbers]:
            if not _missing(folder / str(number)):
                return _read(folder / str(number), best)
    wanted = "a published version (with saved_model.pb in it), a folder of such versions (1/, 2/, …), or a job's output"
    raise UserError(
        f"{path}: holds no complete model; expected {wanted}; python train.py makes one, --model-dir names it"
    )


def _children(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _missing(directory: Path) -> list[str]:
    return [part for part in PARTS if not (directory / part).is_file()]


def _best(folder: Path) -> dict[str, Any]:
    """What ``best.json`` says; nothing where there is none, or a broken one: the models beside it still serve."""
    return _object(folder / "best.json")


def _object(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _read(directory: Path, best: Mapping[str, Any]) -> Version:
    if missing := _missing(directory):
        raise UserError(f"{directory}: is no complete model, {', '.join(missing)} missing; copy the whole folder")
    number = int(directory.name) if directory.name.isdecimal() else 1
    names = directory / "assets" / "class_names.json"
    try:
        class_names = json.loads(names.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{names}: is not the list of class names that training writes ({error})") from None
    if not isinstance(class_names, list) or not all(isinstance(name, str) for name in class_names) or not class_names:
        raise UserError(f"{names}: is not the list of class names that training writes")
    if best.get("version") == number and directory.name.isdecimal():
        return Version(directory, number, tuple(class_names), best)
    card = _object(directory / CARD)
    own = card.get("version")
    number = own if isinstance(own, int) and not directory.name.isdecimal() else number
    return Version(directory, number, tuple(class_names), card)
