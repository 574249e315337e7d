"""A repeated run: the overrides to repeat it, what differs from its environment, and whether its metrics are equal."""

import importlib.metadata
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import AliasEvent, YAMLError

from trialmaker.analysis.store.artifact_files import NOWHERE
from trialmaker.analysis.store.relocation import local_path
from trialmaker.analysis.store.runs import Run
from trialmaker.analysis.stored_overrides import checked
from trialmaker.config.arguments import values
from trialmaker.config.fields import GROUPS, fields, leaves
from trialmaker.config.incidental import DESCRIPTIONS, OF_ONE_PROCESS, is_among
from trialmaker.config.run_schema import EFFECTIVE_PRECISION, PRECISION, PRECISIONS
from trialmaker.errors import MAX_SHOWN_CHARACTERS, UserError, one_line
from trialmaker.platform import git, paths, processor
from trialmaker.platform.received_files import is_inside
from trialmaker.platform.redaction import without_password
from trialmaker.platform.regular_files import open_regular
from trialmaker.tracking.settings import STATE_TAG

# Decided anew: where a run's files go, and what it is called, which tracking.run_name said earlier.
OWN_FIELDS = (*DESCRIPTIONS, *OF_ONE_PROCESS, "tracking.uri", "tracking.run_name", "data.mirrors")
MAX_ARTIFACT_BYTES = 1 << 20  # of an artifact that is read; TrialMaker's have some thousand
COMPARED_PACKAGES = ("keras", "numpy", "tensorflow", "ml-dtypes", "h5py", "scikit-learn", "pillow")  # affect results
TIME_METRICS = re.compile(r"system/|.*seconds|.*per_second")  # metrics that are never equal in two runs
SUMMARY_METRICS = re.compile(r"best_|test_")
EPOCH_METRICS = ("val_loss", "val_accuracy")  # measured once an epoch
MISSING_VALUE = "???"
Points = Mapping[str, Sequence[tuple[int, float]]]  # (step, value) pairs by metric


def find_run(runs: Sequence[Run], name: str) -> Run:
    """Return the run that an id, the first 4 or more letters of an id, or a run's name names.

    Raises:
        UserError: no run or several have that id or name, or it is a study, which has trials instead.
    """
    matches = [run for run in runs if name in (run.run_id, run.name)]
    matches = matches or [run for run in runs if len(name) >= 4 and run.run_id.startswith(name)]
    if len(matches) != 1:
        count = f"{len(matches)} runs: " + ", ".join(run.run_id for run in matches) if matches else "no run"
        raise UserError(
            f"{name}: is the id (its first 4 letters or more) or the name of {count}; trialmaker compare lists them"
        )
    if not matches[0].params:
        raise UserError(
            f"{name}: trained nothing: a study, or no run of TrialMaker; rerun one of its trials: compare --trials"
        )
    return matches[0]


def overrides(run: Run, given_paths: Mapping[str, Path | None]) -> list[str]:
    """Return the overrides of ``train.py`` that repeat a run's training: the config groups, then the fields.

    Args:
        run: the run to repeat.
        given_paths: paths that replace the recorded ones, by field; None to take the recorded one.

    Raises:
        UserError: the config was not recorded completely, or a file that the run started from does not exist here.
    """
    config = _recorded_config(run)
    words = [f"{group}={config[f'{group}.name']}" for group in GROUPS]
    for field, value in config.items():
        if is_among(field, (*OWN_FIELDS, PRECISION)) or field.endswith(".name"):
            continue
        if field in given_paths:
            value = _existing_path(field, value, given_paths[field])
        if value is not None and without_password(str(value)) != str(value):
            raise UserError(f"{field}: was recorded without its password: {value}")
        if value != MISSING_VALUE:
            words.append(f"{field}={values.write(value)}")
    words.append(f"{PRECISION}={values.write(_precision(run))}")
    return checked(words, f"run {run.run_id[:8]}")


def _precision(run: Run) -> str:
    """Return what a run was computed in; a version that did not record it had float32 alone."""
    return run.params.get(EFFECTIVE_PRECISION, PRECISIONS[0])


def _existing_path(field: str, recorded: Any, given: Path | None) -> Any:
    """Return the given path, else the recorded one if it exists here, else for the data a missing value."""
    if given is not None:
        return str(given.absolute())
    if recorded is None or Path(str(recorded)).exists():
        return recorded
    if field == "data.directory":
        return MISSING_VALUE  # the config finds the data here
    raise UserError(f"{field}: the run began with {recorded}, which is not here: --init-model PATH names it")


def _recorded_config(run: Run) -> dict[str, Any]:
    """Return the value of each field, from the run's config file, or from the params of a trial, which has no file."""
    file = _artifact(run, "resolved_config.yaml")
    types = {field.path: field.type for field in fields()} | {f"{group}.name": str for group in GROUPS}
    if file:
        config = _values_in(file)
    else:
        config = {name: values.read(text, types[name]) for name, text in run.params.items() if name in types}
    if missing := [f"{group}.name" for group in GROUPS if f"{group}.name" not in config]:
        raise UserError(f"{run.run_id}: its config is not recorded whole: {', '.join(missing)} is missing")
    if unknown := [str(field) for field in config if field not in types and not is_among(field, OWN_FIELDS)]:
        raise UserError(f"{run.run_id}: has fields that this version does not know: {', '.join(unknown)}")
    return config


def _values_in(file: Path) -> dict[str, Any]:
    """Return the values in a config file by field.

    Raises:
        UserError: it holds something else, or what one grows without bounds by: a YAML alias stands for its anchor.
    """
    text = _text(file)
    try:
        if any(isinstance(event, AliasEvent) for event in yaml.parse(text, yaml.SafeLoader)):
            raise YAMLError("has an alias, as no config of TrialMaker's has")
        loaded = OmegaConf.to_container(OmegaConf.create(text))
    except (YAMLError, OmegaConfBaseException, ValueError, RecursionError) as error:
        reason = one_line(error, MAX_SHOWN_CHARACTERS)
        raise UserError(f"{file}: cannot be read as the config of a run: {reason}") from error
    return {str(name): value for name, value in leaves(loaded)} if isinstance(loaded, dict) else {}


def _text(file: Path) -> str:
    """Return the text of a file, as far as it is not too long, and what is no UTF-8 replaced."""
    with open_regular(file) as opened:
        return opened.read(MAX_ARTIFACT_BYTES).decode("utf-8", errors="replace")


def environment_differences(run: Run, parent: Run | None) -> Iterator[str]:
    """Yield a line for each difference between a run's recorded environment and this one: versions and code.

    Args:
        run: the run.
        parent: the study of a trial, which records what the trial does not.
    """
    files = [path for one in (run, parent) if one and (path := _artifact(one, "requirements.txt"))]
    if files:
        yield from _version_differences(_text(files[0]))
    else:
        folder = local_path(run.artifacts)
        is_left_out = folder is not None and folder.name == NOWHERE
        yield f"versions: {'left out, with all of its artifacts' if is_left_out else 'none were recorded'}"
    if _precision(run) != PRECISIONS[0] and not processor.computes_in_bfloat16():
        yield f"precision: {_precision(run)}, for which this processor has no instructions that TensorFlow uses"
    tags = {**(parent.tags if parent else {}), **run.tags}
    state = git.state(paths.PROJECT)
    commit = tags.get("mlflow.source.git.commit", "")
    if commit != state.commit:
        yield f"code: commit {commit[:10] or 'not recorded'} then, {state.commit[:10] or 'no checkout'} now"
    is_dirty = {"then": tags.get("trialmaker.git.uncommitted") == "yes", "now": bool(state.changes)}
    if moments := [moment for moment in is_dirty if is_dirty[moment]]:
        yield f"code: uncommitted changes {' and '.join(moments)}"


def _version_differences(requirements: str) -> Iterator[str]:
    lines = [line.lower().replace("_", "-") for line in requirements.splitlines() if "==" in line]
    recorded = dict(line.split("==", 1) for line in lines)
    for name in COMPARED_PACKAGES:
        version = importlib.metadata.version(name)
        if recorded.get(name) != version:
            yield f"{name}: {recorded.get(name, 'not installed')} then, {version} now"


def compare_metrics(run: Run, then: Points, now: Points) -> tuple[bool, list[str]]:
    """Compare all metrics of two runs bit for bit, except times.

    For a run that ended early, the epochs that it had are compared, and no summary such as its best value.

    Args:
        run: the earlier run.
        then: the earlier run's metrics.
        now: the later run's metrics.

    Returns:
        whether all values are equal, and lines for a person that say so or name each metric's first difference.
    """
    if run.tags.get(STATE_TAG) == "PRUNED" and _last_epoch(then) <= 1:
        return False, ["nothing to compare: the trial was pruned in its first epoch"]
    names = [name for name in then if _is_reproducible(name, run)]
    points = [(step, name, value) for name in names for step, value in then[name]]
    values_now = {(step, name): value for name in names for step, value in now.get(name, ())}
    pairs = sorted((*point, values_now[point[:2]]) for point in points if point[:2] in values_now)
    lines = [f"{name}: not measured now" for name in names if name not in now]
    lines += [*_missing_points(names, then, now), *_first_differences(pairs)]
    if lines:
        return False, lines
    if not pairs:
        return False, ["nothing to compare: the run had no metrics"]
    return True, [f"the same: {len(pairs)} values of {len(names)} metrics, bit for bit"]


def _is_reproducible(name: str, run: Run) -> bool:
    return not TIME_METRICS.match(name) and (run.status == "FINISHED" or not SUMMARY_METRICS.match(name))


def _missing_points(names: Sequence[str], then: Points, now: Points) -> Iterator[str]:
    """Yield a line for each metric that has fewer points now than then."""
    for name in names:
        steps = {step for step, _ in now.get(name, ())}
        if missing := [step for step, _ in then[name] if name in now and step not in steps]:
            yield f"{name}: has {len(missing)} points fewer now, first that of step {missing[0]}"


def _first_differences(pairs: Sequence[tuple[int, str, float, float]]) -> Iterator[str]:
    """Yield a line for the first difference of each metric, given (step, name, value then, value now) in order."""
    names = set()
    for step, name, then, now in pairs:
        if then != now and name not in names:
            names.add(name)
            yield f"{name}: differs from step {step} on: {then!r} then, {now!r} now"


def _last_epoch(points: Points) -> int:
    return max((step for name in EPOCH_METRICS for step, _ in points.get(name, ())), default=0)


def _artifact(run: Run, name: str) -> Path | None:
    """Return the path of a run's artifact; None where it is not on this machine, or leads out of the run's folder."""
    folder = local_path(run.artifacts)  # which the merge has found to lie in the run's output
    is_there = folder is not None and (folder / name).is_file() and is_inside(folder / name, folder)
    return folder / name if folder and is_there else None
