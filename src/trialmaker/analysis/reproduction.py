"""A run again: what it was, what differs here, and whether the same came out."""

import importlib.metadata
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from trialmaker.analysis.store.relocation import local_path
from trialmaker.analysis.store.runs import Run
from trialmaker.config.arguments import values
from trialmaker.config.fields import GROUPS, fields, leaves
from trialmaker.errors import UserError
from trialmaker.platform import git, paths
from trialmaker.platform.redaction import without_password

LOCAL_FIELDS = {"output", "tracking.uri"}  # where a run's files go is this machine's affair
COMPARED_PACKAGES = ("keras", "numpy", "tensorflow", "ml-dtypes", "h5py", "scikit-learn", "pillow")  # to what comes out
TIME_METRICS = re.compile(r"system/|.*seconds|.*per_second")  # metrics that never come out the same
SUMMARY_METRICS = re.compile(r"best_|test_")
Points = Mapping[str, Sequence[tuple[int, float]]]


def find_run(runs: Sequence[Run], wanted: str) -> Run:
    """The run of an id, the beginning of one, or a name.

    Raises:
        UserError: there is none, there are several, or it is a study, which has trials instead.
    """
    found = [run for run in runs if run.run_id == wanted or run.name == wanted]
    found = found or [run for run in runs if len(wanted) >= 4 and run.run_id.startswith(wanted)]
    if len(found) != 1:
        those = f"{len(found)} runs: " + ", ".join(run.run_id for run in found) if found else "no run"
        raise UserError(
            f"{wanted}: is the id (its first 4 letters or more) or the name of {those}; trialmaker compare lists them"
        )
    if not found[0].params:
        raise UserError(
            f"{wanted}: trained nothing: a study, or no run of TrialMaker; rerun one of its trials: compare --trials"
        )
    return found[0]


def overrides(run: Run, given: Mapping[str, Path | None]) -> list[str]:
    """What to type after ``train.py`` to train the same: each choice, then each field.

    Args:
        given: paths to take for the recorded ones, by field; None where a person named none.

    Raises:
        UserError: the config is not recorded whole, or what it starts from is not here.
    """
    config = _config(run)
    words = [f"{group}={config[f'{group}.name']}" for group in GROUPS]
    for path, value in config.items():
        if path in LOCAL_FIELDS or path.endswith(".name"):
            continue
        if path in given:
            value = _place(path, value, given[path])
        if value is not None and without_password(str(value)) != str(value):
            raise UserError(f"{path}: was recorded without its password: {value}")
        if value != _NOT_HERE:
            words.append(f"{path}={values.write(value)}")
    return words


_NOT_HERE = "???"


def _place(path: str, recorded: Any, given: Path | None) -> Any:
    if given is not None:
        return str(given.absolute())
    if recorded is None or Path(str(recorded)).exists():
        return recorded
    if path == "data.directory":
        return _NOT_HERE  # where data lies here
    raise UserError(f"{path}: the run began with {recorded}, which is not here: --init-model PATH names it")


def _config(run: Run) -> dict[str, Any]:
    """Each field's value, by path: from the file of a run, or the params of a trial, which has no file."""
    file = _artifact(run, "resolved_config.yaml")
    declared = {field.path: field.type for field in fields()} | {f"{group}.name": str for group in GROUPS}
    if file:
        loaded = OmegaConf.to_container(OmegaConf.load(file))
        config = dict(leaves(loaded)) if isinstance(loaded, dict) else {}
    else:
        config = {name: values.read(text, declared[name]) for name, text in run.params.items() if name in declared}
    if missing := [f"{group}.name" for group in GROUPS if f"{group}.name" not in config]:
        raise UserError(f"{run.run_id}: its config is not recorded whole: {', '.join(missing)} is missing")
    if unknown := [path for path in config if path not in declared]:
        raise UserError(f"{run.run_id}: has fields that this version does not know: {', '.join(unknown)}")
    return config


def environment_differences(run: Run, parent: Run | None) -> Iterator[str]:
    """What else differs between then and now, a line each: the code, the versions of packages."""
    recorded = [path for one in (run, parent) if one and (path := _artifact(one, "requirements.txt"))]
    if recorded:
        yield from _versions(recorded[0].read_text())
    else:
        yield "versions: none were recorded"
    tags = {**(parent.tags if parent else {}), **run.tags}
    now = git.state(paths.PROJECT)
    then = tags.get("mlflow.source.git.commit", "")
    if then != now.commit:
        yield f"code: commit {then[:10] or 'not recorded'} then, {now.commit[:10] or 'no checkout'} now"
    dirty = {"then": tags.get("trialmaker.git.uncommitted") == "yes", "now": bool(now.changes)}
    if when := [word for word, is_dirty in dirty.items() if is_dirty]:
        yield f"code: uncommitted changes {' and '.join(when)}"


def _versions(recorded: str) -> Iterator[str]:
    then = dict(line.lower().replace("_", "-").split("==", 1) for line in recorded.splitlines() if "==" in line)
    for name in COMPARED_PACKAGES:
        now = importlib.metadata.version(name)
        if then.get(name) != now:
            yield f"{name}: {then.get(name, 'not installed')} then, {now} now"


def compare_metrics(run: Run, then: Points, now: Points) -> tuple[bool, list[str]]:
    """Whether all metrics came out the same, and the lines that say so; times, which never do, are left out.

    Of a run that was ended early, only the epochs that it had count, and not what it was best at until then.
    """
    names = [
        name
        for name in then
        if not TIME_METRICS.match(name) and (run.status == "FINISHED" or not SUMMARY_METRICS.match(name))
    ]
    if run.tags.get("trialmaker.trial_state") == "PRUNED" and max(_steps(then), default=0) <= 1:
        return False, ["nothing to compare: the trial was pruned in its first epoch"]
    lines = [f"{name}: not measured now" for name in names if name not in now]
    pairs = []
    for name in names:
        by_step = dict(now.get(name, ()))
        pairs += [(step, name, value, by_step[step]) for step, value in then[name] if step in by_step]
        if missing := [step for step, _ in then[name] if name in now and step not in by_step]:
            lines.append(f"{name}: has {len(missing)} points fewer now, first that of step {missing[0]}")
    different = [pair for pair in sorted(pairs) if pair[2] != pair[3]]
    first = set()
    for step, name, old, new in different:
        if name not in first:
            first.add(name)
            lines.append(f"{name}: differs from step {step} on: {old!r} then, {new!r} now")
    if not lines:
        return bool(pairs), [
            f"the same: {len(pairs)} values of {len(names)} metrics, bit for bit"
            if pairs
            else "nothing to compare: the run had no metrics"
        ]
    return False, lines


def _steps(points: Points) -> Iterator[int]:
    yield from (step for name in ("val_loss", "val_accuracy") for step, _ in points.get(name, ()))


def _artifact(run: Run, name: str) -> Path | None:
    """A file that the run left, where it is to be had here."""
    folder = local_path(run.artifacts)
    return folder / name if folder and (folder / name).is_file() else None
