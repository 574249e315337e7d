"""The search for the run that a command goes on with."""

import re
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path

from trialmaker.config.run_schema import AUTO, NEVER
from trialmaker.config.schema import Config
from trialmaker.errors import UserError
from trialmaker.experiment.context import RunContext
from trialmaker.experiment.resume import earlier_job
from trialmaker.experiment.resume.checkpoint_format import in_this_format
from trialmaker.experiment.resume.earlier_run import EarlierRun, earlier_runs, run_in
from trialmaker.experiment.resume.identity import Identity, identity
from trialmaker.experiment.resume.opening import START_ANEW
from trialmaker.experiment.resume.resumption import Resumption, claim
from trialmaker.tracking.open_journal import EXTENT
from trialmaker.training.checkpoint_files import read_checkpoint

PLAIN_RUNS = ("*", "*/*", "*/*/*")  # directories below logs/: of single runs, of the jobs of a multirun, or a person's
EPOCH_ID = re.compile(r"epoch (\d+)")  # of a record in the journal
MAX_NAMED = 5  # that are named


def find(config: Config, context: RunContext, *, is_alone: bool, but: Collection[Path] = ()) -> Resumption | None:
    """Return the interrupted run that this one goes on with; None where it begins.

    Args:
        is_alone: whether this is the command's one run: then ``input/resume`` must hold such a run. The jobs of a
            multirun need not have begun there.
        but: the directories of the command's earlier runs.

    Raises:
        UserError: the run that ``resume`` names, or the earlier job that ``input/resume`` holds, cannot be gone on
            with; what differs is named.
    """
    choice = config.resume.lower()
    if choice == NEVER:
        return None
    if context.is_trial:
        return _of_trial(config, context)
    output = Path(config.output).absolute()
    own = identity(config, context)
    if choice != AUTO:
        return _named(config, own, output)
    for run in _interrupted(output, context.directory):
        if run.directory not in but and not run.is_alive and (resumption := _if_same(run, own, config)):
            return resumption
    return None if context.withheld else _of_earlier_job(config, own, output, is_alone)


def _interrupted(output: Path, directory: Path | None = None) -> Iterator[EarlierRun]:
    """Yield the interrupted plain runs of an output, the latest first.

    Args:
        output: the output.
        directory: that this command was given, which may be that of an earlier run.
    """
    runs = [run for pattern in PLAIN_RUNS for run in earlier_runs(output, pattern)]
    if directory and directory not in [run.directory for run in runs] and (own := run_in(directory, output)):
        runs.append(own)
    yield from (run for run in runs if run.head.study is None and run.is_interrupted)


def _if_same(run: EarlierRun, own: Identity, config: Config) -> Resumption | None:
    """Return the run to go on with, unless it is of another config, data or version, or another process has it."""
    return None if any(_all_differences(run, own, config)) else _take_up(run, own)


def _take_up(run: EarlierRun, own: Identity, *notices: str) -> Resumption | None:
    """Claim a run, and read its last checkpoint; None where another process has it."""
    claimed = claim(run)
    if claimed is None:
        return None
    now = replace(run)  # what it is, now that nobody else changes it
    if now.is_alive or now.is_interrupted != run.is_interrupted:
        claimed.close()
        return None
    snapshot = read_checkpoint(now.checkpoints)
    if snapshot:
        snapshot = replace(snapshot, values=in_this_format(snapshot.values))
    return Resumption(now, snapshot, claimed, (*own.notices(run), *notices))


def _of_trial(config: Config, context: RunContext) -> Resumption | None:
    """Return the run of an earlier attempt of the same trial, however that ended: the study does not know its value."""
    if context.trial.attempt < 1:
        return None
    own, output = identity(config, context), Path(config.output).absolute()
    for pattern in (f"**/{context.trial.number}_retry_*", f"**/{context.trial.number}"):
        for run in earlier_runs(output, pattern):
            names = run.head.study, run.head.trial
            is_same_trial = names == (context.trial.study, context.trial.number)
            if is_same_trial and not run.is_alive and (resumption := _if_same(run, own, config)):
                return resumption
    return None


def _named(config: Config, own: Identity, output: Path) -> Resumption:
    """Return the run that ``resume`` names.

    Raises:
        UserError: there is none, or it cannot be gone on with.
    """
    law = f"resume={config.resume}"
    run = _by_name(config.resume, output)
    if run.is_alive:
        raise UserError(f"{law}: another process works on it: wait for its end, or stop it")
    if differences := list(_all_differences(run, own, config, but=EXTENT)):
        raise UserError(f"{law}: {_joined(differences)}; give the same, or leave resume=… out to start anew")
    there, here = _epochs_begun_with(run, law), config.training.epochs
    done = _epochs_done(run)
    if not run.is_interrupted and here <= done:
        raise UserError(f"{law}: has {_status(run)}, after {done} epochs: a higher training.epochs extends it")
    if here < there:
        raise UserError(
            f"{law}: training.epochs={here} is less than the {there} that it began with: give at least those"
        )
    notices = [_schedule_notice(config, there)] if here > there and config.schedule.name != "constant" else []
    resumption = _take_up(run, own, *notices)
    if resumption is None:
        raise UserError(f"{law}: another process has just gone on with it: wait for its end, or stop it")
    if resumption.snapshot is None and not run.is_interrupted:
        resumption.claim.close()
        raise UserError(f"{law}: its checkpoint is gone, from which it would go on: {run.checkpoints}")
    return resumption


def _status(run: EarlierRun) -> str:
    return run.result.status if run.result else "ended"


def _by_name(name: str, output: Path) -> EarlierRun:
    """Return the run of a folder below ``logs/``, or of an id; one of ``input/resume`` is copied to the output.

    Raises:
        UserError: there is none.
    """
    if run := _search(name, output):
        return run
    source = earlier_job.given_output()
    if source and _search(name, source):
        earlier_job.copy_output(source, output)
    if run := _search(name, output):
        return run
    runs = [run for pattern in PLAIN_RUNS for run in earlier_runs(output, pattern)]
    names = ", ".join(run.name for run in runs[:3])
    known = f"there are {names}{', …' if len(runs) > 3 else ''}" if runs else "it has none that can be gone on with"
    raise UserError(f"resume={name}: is no run of {output / 'logs'}: {known}; auto finds an interrupted one itself")


def _search(name: str, output: Path) -> EarlierRun | None:
    paths = {name.rstrip("/"), name.rstrip("/").rpartition("logs/")[2]}
    for pattern in PLAIN_RUNS:
        for run in earlier_runs(output, pattern):
            if {run.name, str(run.directory)} & paths or name in (run.run_id, run.head.run_key):
                return run
    return None


def _epochs_done(run: EarlierRun) -> int:
    """Return the last whole epoch that a run has recorded; 0 for none."""
    epochs = [match[1] for record in run.records if (match := EPOCH_ID.fullmatch(str(record.get("id"))))]
    return max(map(int, epochs), default=0)


def _epochs_begun_with(run: EarlierRun, law: str) -> int:
    try:
        return int(run.params["training.epochs"])
    except (KeyError, ValueError) as error:
        raise UserError(f"{law}: its journal does not say how many training.epochs it began with") from error


def _schedule_notice(config: Config, epochs: int) -> str:
    total = config.training.epochs
    name = config.schedule.name
    return (
        f"schedule={name}: from here on the learning rate is that of a training of {total} epochs; so far it was that"
        f" of one of {epochs}, so the result is not that of {total} epochs at once"
    )


def _of_earlier_job(config: Config, own: Identity, output: Path, is_alone: bool) -> Resumption | None:
    """Return the interrupted run of the earlier job that ``input/resume`` holds, copied to the output.

    None where another process has it by now, or where all of them are in the output already.

    Raises:
        UserError: it must hold one of the same config and data, and holds none.
    """
    source = earlier_job.given_output()
    if source is None:
        return None
    runs = list(_interrupted(source))
    new = [run for run in runs if not (output / "logs" / run.name).exists()]  # others have been copied and gone on with
    for run in new:
        if not any(_all_differences(run, own, config)):
            earlier_job.copy_output(source, output)
            return _take_up(EarlierRun(output / "logs" / run.name, output, run.head), own)
    if len(new) < len(runs) or not is_alone:
        return None
    if not runs:
        raise UserError(f"{source}: holds no interrupted run to go on with; {START_ANEW}")
    differences = _joined(list(_all_differences(new[0], own, config)))
    raise UserError(f"{source}: its run {new[0].name} is another: {differences}; give the same, or {START_ANEW}")


def _all_differences(run: EarlierRun, own: Identity, config: Config, but: tuple[str, ...] = ()) -> Iterator[str]:
    yield from own.differences(run, but)
    yield from own.data_differences(run, config)
    yield from own.version_differences(run)


def _joined(differences: list[str]) -> str:
    shown = differences[:MAX_NAMED]
    return "; ".join(shown) + (f"; and {len(differences) - len(shown)} more" if len(differences) > len(shown) else "")
