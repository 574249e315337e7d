"""The versions in a folder of published models, as training, the service and ``prune`` read them.

A version is a folder ``<N>/``: a SavedModel whose signature takes ``images`` (float32 [N, H, W, C], 0 to 1) to
``probabilities`` (float32 [N, K]) and ``classes`` (int64 [N]), with its class names. It is written under a hidden name
and renamed, so that a number never names half a model. ``best.json`` beside the versions says which one is served.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trialmaker.errors import UserError, printable
from trialmaker.platform import paths
from trialmaker.platform.regular_files import read_text

BEST_FILE = "best.json"
CARD_FILE = "assets.extra/card.json"  # the version's record, also for one that is deployed alone
LITERT_FILE = "assets.extra/model.tflite"  # the same model for LiteRT, where TensorFlow Serving looks for nothing
CLASS_NAMES_FILE = "assets/class_names.json"
MAX_NAME_CHARACTERS = 255  # of a class, as of a folder
REQUIRED_FILES = (
    "saved_model.pb",
    "variables/variables.index",
    "variables/variables.data-00000-of-00001",
    CLASS_NAMES_FILE,
)


@dataclass(frozen=True)
class Version:
    """A complete version.

    Args:
        directory: its folder.
        number: the folder's name; for another name the card's version, else 1.
        class_names: by label.
        card: its record in ``best.json``, else the one in its folder; empty where both are missing.
    """

    directory: Path
    number: int
    class_names: tuple[str, ...]
    card: Mapping[str, Any] = field(default_factory=dict)

    @property
    def metrics(self) -> Mapping[str, float]:
        """Return the metrics of the card; none where it has none."""
        metrics = self.card.get("metrics")
        return metrics if isinstance(metrics, dict) else {}

    def __str__(self) -> str:
        values = (f"{name}={self.metrics[name]:.4f}" for name in ("val_accuracy", "test_accuracy")
                  if isinstance(self.metrics.get(name), float))  # fmt: skip
        name = self.card.get("model", "model")
        return printable(" ".join([f"{name} version {self.number} of {self.directory}", *values]))


def version_numbers(folder: Path) -> list[int]:
    """Return the numbers of the versions in a folder, ascending; none where the folder cannot be read.

    A folder such as ``007`` counts as 7, so that the next version's number is higher; it is never chosen.
    """
    try:
        return sorted(int(path.name) for path in folder.iterdir() if _is_number(path.name) and path.is_dir())
    except OSError:
        return []


def choose_version(folder: Path) -> Path | None:
    """Return the complete version that ``best.json`` names, else the newest complete one; None where there is none.

    A missing or broken ``best.json`` is no error: the versions beside it are still of use.
    """
    numbers = version_numbers(folder)
    best = read_record(folder / BEST_FILE).get("version")
    candidates = [folder / str(number) for number in [*([best] if best in numbers else []), *reversed(numbers)]]
    return next((version for version in candidates if not _missing_files(version)), None)


def find_version(path: Path) -> Version:
    """Return the version to serve.

    Args:
        path: one version's folder, a folder of versions, or an output directory with ``model/`` in it.

    Raises:
        UserError: there is no complete version.
    """
    path = path.absolute()
    if (path / "saved_model.pb").exists():
        return _read_version(path)
    for folder in (path, path / "model"):
        if version := choose_version(folder):
            return _read_version(version)
    forms = "a published version (with saved_model.pb in it), a folder of such versions (1/, 2/, …), or a job's output"
    raise UserError(
        f"{path}: holds no complete model; expected {forms}; {paths.train_command()} makes one, --model-dir names it"
    )


def read_record(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file; an empty one where there is none."""
    try:
        record = json.loads(read_text(path))
    except (OSError, ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def _is_number(name: str) -> bool:
    return re.fullmatch(r"[0-9]{1,18}", name) is not None


def _missing_files(directory: Path) -> list[str]:
    return [file for file in REQUIRED_FILES if not (directory / file).is_file()]


def _read_version(directory: Path) -> Version:
    if missing := _missing_files(directory):
        raise UserError(f"{directory}: is no complete model, {', '.join(missing)} missing; copy the whole folder")
    is_numbered = _is_number(directory.name)
    number = int(directory.name) if is_numbered else 1
    class_names = read_class_names(directory / CLASS_NAMES_FILE)
    best = read_record(directory.parent / BEST_FILE)
    if is_numbered and best.get("version") == number:
        return Version(directory, number, class_names, best)
    card = read_record(directory / CARD_FILE)
    if not is_numbered and type(card.get("version")) is int and 0 <= card["version"] < 10**18:
        number = card["version"]
    return Version(directory, number, class_names, card)


def read_class_names(path: Path) -> tuple[str, ...]:
    """Return the class names in a file, by label.

    Raises:
        UserError: it holds something else, or names that could not be shown.
    """
    mistake = f"{path}: is not the list of class names that training writes"
    try:
        names = json.loads(read_text(path))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{mistake} ({error})") from None
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise UserError(mistake)
    if strange := [name for name in names if not name.isprintable() or len(name) > MAX_NAME_CHARACTERS]:
        law = f"a name is expected to be printable, and of at most {MAX_NAME_CHARACTERS} characters"
        raise UserError(f"{mistake}: {law}, found {strange[0][:MAX_NAME_CHARACTERS]!a}")
    return tuple(names)
