"""The journal's records: messages as JSON values, and arrays in files of their own. A record is data, never code."""

import os
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trialmaker.errors import UserError
from trialmaker.platform.received_files import is_inside
from trialmaker.platform.redaction import without_password
from trialmaker.platform.regular_files import open_regular
from trialmaker.tracking.messages import (
    BestModel,
    DataUsed,
    End,
    Message,
    Metrics,
    Params,
    Predictions,
    Start,
    StudyDone,
)

Record = dict[str, Any]
Arrays = dict[str, np.ndarray]
NAMES: dict[type[Message], str] = {
    Start: "start",
    DataUsed: "data",
    Params: "params",
    Metrics: "metrics",
    Predictions: "predictions",
    BestModel: "best_model",
    End: "end",
    StudyDone: "study",
}


RECORD_ERRORS = (
    *(KeyError, TypeError, ValueError, OverflowError, OSError, EOFError, AttributeError, IndexError, MemoryError),
    *(SyntaxError, NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error),
)
MAX_RECORDED_CLASSES = 10_000  # of a confusion matrix, which has a cell for each two of them


class RecordError(UserError):
    """A record, or a file that it names, that does not hold what a record of its type holds."""


def to_record(message: Message, output: Path) -> tuple[Record, Arrays]:
    """Return a message as JSON values, with paths relative to the output and no passwords, and its arrays by name."""
    record, arrays = _values(message, output)
    return {"type": NAMES[type(message)], **record}, arrays


def _values(message: Message, output: Path) -> tuple[Record, Arrays]:
    if isinstance(message, Start):
        return _start_values(message), {}
    if isinstance(message, StudyDone):
        values = {"metrics": dict(message.metrics), "objective": message.objective}
        return {"storage": without_password(message.storage), **values}, {}
    if isinstance(message, Predictions):
        return _predictions_values(message, output)
    if isinstance(message, BestModel):
        where = {"directory": _relative(message.directory, output)}
        return {**where, "epoch": message.epoch, "num_classes": message.num_classes}, {"example": message.example}
    return dict(vars(message)), {}


def _start_values(start: Start) -> Record:
    elsewhere = ("uri", "output", "run_directory", "project")
    values = {name: value for name, value in vars(start).items() if name not in elsewhere}
    return {
        **values,
        "uri": without_password(start.uri) if start.uri else None,
        "output": _relative(start.output, start.run_directory),
    }


def _predictions_values(message: Predictions, output: Path) -> tuple[Record, Arrays]:
    images = message.images if isinstance(message.images, Mapping) else dict(enumerate(message.images))
    arrays = {"labels": message.labels, "probabilities": message.probabilities}
    arrays["indices"] = np.array(list(images), np.int64)
    arrays |= {f"image_{index}": image for index, image in images.items()}
    events = _relative(message.event_directory, output) if message.event_directory else None
    return {"epoch": message.epoch, "class_names": list(message.class_names), "event_directory": events}, arrays


def _relative(path: Path, start: Path) -> str:
    return os.path.relpath(path.absolute(), start.absolute())


@dataclass(frozen=True)
class _Source:
    """Where a record comes from: the run's directory, its output, and the journal's start."""

    directory: Path
    output: Path
    head: Start | None


def from_record(record: Record, directory: Path, output: Path | None = None, head: Start | None = None) -> Message:
    """Return the message of a record. Nothing outside the directory and the output is read.

    Args:
        record: as ``read_records`` returns it.
        directory: the run's, which holds the journal.
        output: the output directory; None for where the head says that it lies, which strangers may have written.
        head: the journal's start, for a record of another type.

    Raises:
        RecordError: it is no record of its type, or names a file that is missing, damaged, or lies elsewhere.
    """
    try:
        kind = str(record["type"])
        if kind == "start":
            return _start(record, directory, output)
        return _READERS[kind](record, _Source(directory, output or (head.output if head else directory), head))
    except RECORD_ERRORS as error:
        raise RecordError(f"{directory}: a record of type {record.get('type')} cannot be read: {error!r}") from error


def _start(record: Record, directory: Path, output: Path | None) -> Start:
    return Start(
        uri=None if record["uri"] is None else str(record["uri"]),
        output=output or Path(os.path.normpath(directory.absolute() / str(record["output"]))),
        experiment=str(record["experiment"]),
        run_name=str(record["run_name"]),
        run_directory=directory,
        project=directory,
        params=_texts(record["params"]),
        resolved_config=str(record["resolved_config"]),
        system_metrics_seconds=float(record["system_metrics_seconds"]),
        study=None if record["study"] is None else str(record["study"]),
        trial=None if record["trial"] is None else int(record["trial"]),
        tags=_texts(record["tags"]),
        note=str(record["note"]),
        run_key=str(record["run_key"]),
        versions=_texts(record["versions"]),
        withheld=str(record["withheld"]),
    )


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    return {str(name): str(value) for name, value in values.items()}


def _floats(values: Mapping[str, Any]) -> dict[str, float]:
    return {str(name): float(value) for name, value in values.items()}


def _data(record: Record, _: _Source) -> DataUsed:
    sizes = {str(name): int(size) for name, size in record["sizes"].items()}
    shape = tuple(int(size) for size in record["input_shape"])
    return DataUsed(str(record["name"]), str(record["source"]), str(record["digest"]), sizes, shape)


def _predictions(record: Record, source: _Source) -> Predictions:
    arrays = _arrays(source.directory, record)
    images = {int(index): arrays[f"image_{index}"] for index in arrays["indices"]}
    labels, probabilities = arrays["labels"], arrays["probabilities"]
    names = tuple(str(name) for name in record["class_names"])
    if (
        probabilities.shape != (len(labels), len(names))
        or not 0 < len(names) <= MAX_RECORDED_CLASSES
        or not len(labels)
    ):
        raise ValueError(f"predictions of {probabilities.shape} for {len(labels)} examples of {len(names)} classes")
    if labels.ndim != 1 or labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() >= len(names):
        raise ValueError("the labels are no classes")
    events = _inside(source.output, record["event_directory"]) if record["event_directory"] else None
    return Predictions(int(record["epoch"]), images, labels, probabilities, names, events)


def _best_model(record: Record, source: _Source) -> BestModel:
    example = _arrays(source.directory, record)["example"]
    return BestModel(
        _inside(source.output, record["directory"]), int(record["epoch"]), example, int(record["num_classes"])
    )


def _arrays(directory: Path, record: Record) -> Arrays:
    """Return the arrays of a file beside the journal, which are as long as the file says and no longer."""
    with open_regular(_beside(directory, record["arrays"])) as file:
        size = os.fstat(file.fileno()).st_size
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
        if any(entry.compress_type != zipfile.ZIP_STORED or entry.file_size > size for entry in entries):
            raise ValueError("arrays that are longer than their file")
        file.seek(0)
        with np.load(file, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}


def _study(record: Record, source: _Source) -> StudyDone:
    if source.head is None:
        raise ValueError("there is no start before it")
    objective = None if record["objective"] is None else str(record["objective"])
    return StudyDone(source.head, str(record["storage"]), _floats(record["metrics"]), objective)


def _beside(directory: Path, name: object) -> Path:
    """Return the path of a file of arrays, which lies beside the journal."""
    path = directory / str(name)
    if path.name != name or path.suffix != ".npz" or path.is_symlink():
        raise ValueError(f"{name} is no file of arrays beside the journal")
    return path


def _inside(output: Path, name: object) -> Path:
    """Return a path of the output, which may not exist; symbolic links lead nowhere else."""
    if not is_inside(output / str(name), output):
        raise ValueError(f"{name} lies outside the output")
    return output / str(name)


def own_storage(storage: str, output: Path) -> str:
    """Return Optuna's storage of a study's result where it lies in the output, which may have been moved.

    Raises:
        RecordError: it lies elsewhere; whoever wrote the journal does not decide what is opened.
    """
    places = [] if "://" in storage else [Path(storage), output / "studies" / Path(storage).name]
    for path in places:
        if path.is_file() and is_inside(path, output):
            return str(path)
    raise RecordError(
        f"the study's storage, {storage}, is not in {output}: only the study itself can record its result"
    )


_READERS: dict[str, Callable[[Record, _Source], Message]] = {
    "data": _data,
    "params": lambda record, _: Params(_texts(record["values"])),
    "metrics": lambda record, _: Metrics(int(record["step"]), _floats(record["values"])),
    "predictions": _predictions,
    "best_model": _best_model,
    "end": lambda record, _: End(str(record["status"]), str(record["message"]), bool(record["is_pruned"])),
    "study": _study,
}
