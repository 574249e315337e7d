"""What an output holds, as named values that two runs must have in common, whatever happened to one of them."""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from soak import store
from soak.masks import TIMES, Masks
from trialmaker.experiment.tensorflow_import import importing_tensorflow

METRIC_LINE = re.compile(r"^(step \d+, |(part of )?epoch=|best epoch=|best trial)")
TIME_PREFIX = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d+ \w+ ")
UNCOMPARED = re.compile(  # logs of libraries, locks, and what TensorFlow writes anew each time
    r"(tracking|tensorflow|worker-\d+)\.log$|\.lock$|tfevents|fingerprint\.pb$|saved_model\.pb$|mlflow\.db(-wal|-shm)?$"
    r"|variables\.data-00000-of-00001$|variables\.index$|index\.html$|\.npz$|^studies/|\.jsonl$|/$"
)
UNNAMED = {".claim", "tensorflow.log"}  # empty, of a run that was taken up; of the trial that came first
LINE = 400  # characters of a difference at most
Picture = dict[str, Any]


def picture(root: Path, stdout: str, *earlier_roots: Path, has_system: bool = True) -> Picture:
    """Return what a finished run or study left, by name; all that may differ is masked.

    Args:
        root: AI_ROOT.
        stdout: of all attempts, joined.
        earlier_roots: where what lies there was before.
        has_system: whether the runs were long enough for each of the machine's metrics.
    """
    output, masks = root / "output", Masks(root, *earlier_roots)
    lines = metric_lines(stdout, masks)
    result: Picture = {"standard output": sorted(lines) if masks.is_study else lines}  # trials come in any order
    result |= {f"mlflow.db {name}": rows for name, rows in _tables(output, masks, has_system).items()}
    _name_versions(output, masks)
    result["names of files"] = sorted({masks.text(str(path.relative_to(output))) for path in _files(output)})
    for path in _files(output):
        name = masks.text(str(path.relative_to(output)))
        if not UNCOMPARED.search(str(path.relative_to(output))):
            result[f"file {name}"] = _content(path, masks)
    result |= _checkpoints(output, masks) | _models(output, masks) | _events(output, masks) | _studies(output, masks)
    return result


def differences(reference: Picture, other: Picture) -> list[str]:
    """Return a line for each value in which two pictures differ, with the first of what differs."""
    lines = []
    for name in sorted({*reference, *other}):
        if name not in other:
            lines.append(f"{name}: is missing")
        elif name not in reference:
            lines.append(f"{name}: should not be there")
        elif not _equal(reference[name], other[name]):
            lines.append(f"{name}: {_first_difference(reference[name], other[name])}"[:LINE])
    return lines


def metric_lines(text: str, masks: Masks) -> list[str]:
    """Return the lines of a log that say metrics, in order, without their times."""
    lines = (TIME_PREFIX.sub("", line) for line in text.splitlines())
    return [masks.text(line) for line in lines if METRIC_LINE.match(line)]


def _tables(output: Path, masks: Masks, has_system: bool) -> dict[str, list[str]]:
    tables = store.tables(output / "mlflow.db", masks)
    is_system = re.compile(f"^{store.SYSTEM}" if not has_system else "(?!)")
    return {name: [row for row in rows if not is_system.search(row)] for name, rows in tables.items()}


def _name_versions(output: Path, masks: Masks) -> None:
    """Have versions of models told apart by their runs; those of a study's trials but the best come as it happens."""
    best = json.loads((output / "model" / "best.json").read_text())
    for number, card in best["versions"].items():
        is_best = number == str(best["version"])
        name = "version of the best model" if is_best else f"version of {masks.text(card['run_id'])}"
        masks.names[f"model/{number}"] = f"model/{name}"


def _files(output: Path) -> list[Path]:
    """Return the files of an output; of a study without the models that others have beaten.

    The directory of a command that was killed before it had a run, or had found the one to go on with, is left out.
    """
    unused = [path for path in (output / "logs").iterdir() if not list(path.rglob("tracking.jsonl"))]
    everything = sorted(path for path in output.rglob("*") if path.is_file() and path.name not in UNNAMED)
    files = [path for path in everything if not any(folder in path.parents for folder in unused)]
    if not (output / "studies").exists():
        return files
    best = output / "model" / str(json.loads((output / "model" / "best.json").read_text())["version"])
    return [
        path
        for path in files
        if output / "model" not in path.parents or path.parent == output / "model" or best in path.parents
    ]


def _content(path: Path, masks: Masks) -> Any:
    if path.suffix == ".json":
        return masks.value(json.loads(path.read_text()))
    content = path.read_bytes()
    if path.name == "train.log":
        return metric_lines(content.decode(), masks)
    try:
        return masks.text(content.decode()).splitlines()
    except UnicodeDecodeError:
        return hashlib.sha256(content).hexdigest()


def _checkpoints(output: Path, masks: Masks) -> Picture:
    """Return the arrays and JSON values of each run's last checkpoint."""
    folders = [path for path in (output / "checkpoints").rglob("*") if list(path.glob("*.npz"))]
    result: Picture = {}
    for folder in folders:
        files = sorted(folder.glob("*.npz"), key=lambda path: path.stat().st_mtime_ns)
        name = f"checkpoint of {masks.text(str(folder.relative_to(output / 'checkpoints')))}"
        with np.load(files[-1], allow_pickle=False) as archive:
            for member in archive.files:
                value = archive[member]
                text = _as_json(value)
                result[f"{name}: {member}"] = value if text is None else masks.value(text)
    return result


def _as_json(value: np.ndarray) -> Any:
    """Return the JSON value that an array of bytes holds; None where it holds another thing."""
    if value.dtype != np.uint8 or value.ndim != 1:
        return None
    try:
        return json.loads(value.tobytes())
    except ValueError:
        return None


def _models(output: Path, masks: Masks) -> Picture:
    """Return the variables of each exported model, and its answers to fixed images, by TensorFlow and by LiteRT."""
    with importing_tensorflow(output.parent, is_shown=False):
        import tensorflow as tf

    result: Picture = {}
    for path in [one for one in _files(output) if one.name == "saved_model.pb"]:
        folder = path.parent
        name = f"model {masks.text(str(folder.relative_to(output)))}"
        variables = tf.train.load_checkpoint(str(folder / "variables" / "variables"))
        for variable in sorted(variables.get_variable_to_shape_map()):
            if variable != "_CHECKPOINTABLE_OBJECT_GRAPH":
                result[f"{name}: {variable}"] = variables.get_tensor(variable)
        signature = tf.saved_model.load(str(folder)).signatures["serving_default"]
        (shape,) = (spec.shape for spec in signature.structured_input_signature[1].values())
        images = np.random.default_rng(0).random((16, *shape[1:]), np.float32)
        for key, value in signature(images=tf.constant(images)).items():
            result[f"{name}: answers' {key}"] = value.numpy()
    return result


def _events(output: Path, masks: Masks) -> Picture:
    """Return the events of TensorBoard, folder by folder, in order; times' values are left out."""
    files: dict[str, list[Path]] = {}
    for path in _files(output):
        if "tfevents" in path.name:
            files.setdefault(masks.text(str(path.parent.relative_to(output))), []).append(path)
    return {f"events of {folder}": list(_of_files(paths, masks)) for folder, paths in files.items()}


def _of_files(paths: Iterable[Path], masks: Masks) -> Iterator[str]:
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    for path in sorted(paths):
        for event in EventFileLoader(str(path)).Load():
            for value in event.summary.value:
                field = "" if value.tag.rpartition("/")[2] in TIMES else masks.text(str(value.tensor))
                yield f"step {event.step} {value.tag} {masks.text(_metadata(value.metadata))} {field}"


def _metadata(metadata: Any) -> str:
    """Return an event's metadata as text; those of HPARAMS have maps, which are written in any order."""
    if metadata.plugin_data.plugin_name != "hparams":
        return str(metadata)
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    return str(HParamsPluginData.FromString(metadata.plugin_data.content))


def _studies(output: Path, masks: Masks) -> Picture:
    """Return the trials of each study."""
    paths = sorted((output / "studies").glob("*.log"))
    if not paths:
        return {}
    import optuna
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    result: Picture = {}
    for path in paths:
        storage = optuna.storages.JournalStorage(JournalFileBackend(str(path)))
        for study in storage.get_all_studies():
            for trial in storage.get_all_trials(study._study_id):
                values = {"params": trial.params, "values": trial.values, "state": trial.state.name}
                values["intermediate"] = {str(step): value for step, value in trial.intermediate_values.items()}
                result[f"study {study.study_name} trial {trial.number}"] = masks.value(values)
    return result


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray):
        same_form = isinstance(other, np.ndarray) and (one.dtype, one.shape) == (other.dtype, other.shape)
        return same_form and one.tobytes() == other.tobytes()
    return json.dumps(one) == json.dumps(other)


def _first_difference(one: Any, other: Any) -> str:
    """Return what differs first: of lists the items that are missing and that are too many."""
    kind: Callable[[Any], bool] = lambda value: isinstance(value, list)  # noqa: E731
    if kind(one) and kind(other):
        return _difference_of_lists(one, other)
    if isinstance(one, dict) and isinstance(other, dict):
        return "; ".join(differences(one, other))
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray) and one.shape == other.shape:
        return f"{np.sum(one != other)} of {one.size} elements differ"
    return f"{one!r:.200} expected, but it is {other!r:.200}"


def _difference_of_lists(one: list[Any], other: list[Any]) -> str:
    texts, others = [json.dumps(item) for item in one], [json.dumps(item) for item in other]
    missing, added = _without(texts, others), _without(others, texts)
    if not missing and not added:
        return "the same items in another order"
    return f"{len(missing)} missing {missing[:2]!s}, {len(added)} too many {added[:2]!s}"


def _without(items: list[str], others: list[str]) -> list[str]:
    """Return the items that are more often in the first list than in the second."""
    rest = list(others)
    return [item for item in items if item not in rest or rest.remove(item)]  # type: ignore[func-returns-value]
