"""A study that all instances of a job share: what each of them does for it.

The first instance serves the study's storage on its own port, and beside that the meeting, to which the others come and
bring what their trials leave. An instance may come late, or be lost and come again; the first one, too.
"""

import logging
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from omegaconf import DictConfig

from optuna_sweep.launcher import BASIC_LAUNCHER
from optuna_sweep.trial import is_worker
from trialmaker.config.run_schema import IGNORE
from trialmaker.errors import UserError
from trialmaker.experiment.instances.handover import Receiver, Sender
from trialmaker.experiment.instances.machine_share import listening_host, worker_count
from trialmaker.platform import paths, source_code
from trialmaker.platform.instances import Instances, find_instances
from trialmaker.platform.meeting.ends import MeetingOver
from trialmaker.platform.meeting.meeting import Meeting
from trialmaker.platform.source_code import CODE_DIGEST

log = logging.getLogger(__name__)
HANDOVER_SECONDS = 60.0  # for the other instances to bring their logs, once the study has ended
FIRST_SIGNAL_CODE = 128  # from which on exit codes tell of signals
N_JOBS = "hydra.sweeper.n_jobs"


class LeftToFirst(BaseException):
    """The orderly end of an instance that is to do nothing, since the first one does all alone, or has done it."""


@dataclass
class SharedStudy:
    """This instance's part in a study.

    Args:
        instances: the job's, several.
        config: the composed one of the study.

    Attributes:
        sender: brings the first instance what trials leave; None at the first one.
        receiver: takes that; None at the others, and in workers.
    """

    instances: Instances
    config: DictConfig
    meeting: Meeting | None = None
    receiver: Receiver | None = None
    sender: Sender | None = field(init=False)

    def __post_init__(self) -> None:
        self.sender = None if self.instances.is_chief else Sender(self.instances)

    @property
    def own_name(self) -> str:
        """Return this instance's name, such as ``instance 2 of 3 (10.0.0.2:2222)``."""
        return self.instances.name(self.instances.index)

    @property
    def directory(self) -> Path:
        """Return the directory of the study's command."""
        return Path(self.config.hydra.sweep.dir).absolute()

    def share(self) -> None:
        """Have the sweeper serve the study's storage, or work on the one that the first instance serves."""
        sweeper = self.config.hydra.sweeper
        sweeper.shared = True
        if "://" not in (place := str(sweeper.storage)) or place.startswith("sqlite"):  # else a database that all reach
            chief = self.instances.chief
            if self.instances.is_chief:
                sweeper.serve = f"{listening_host(chief.host)}:{chief.port}"
            else:
                sweeper.storage = f"grpc://{chief}"
        if sweeper.n_jobs == 1 and not any(word.startswith(f"{N_JOBS}=") for word in self.config.hydra.overrides.hydra):
            sweeper.n_jobs = worker_count(sweeper.n_trials)

    def join(self) -> None:
        """Open the meeting, or come to it.

        Raises:
            UserError: the first instance is not there, or differs; or its port is not free.
        """
        sweeper, seconds = self.config.hydra.sweeper, float(self.config.training.instances_seconds)
        log.info(self.instances.line())
        purpose = {"study": str(sweeper.study_name), CODE_DIGEST: source_code.digest(paths.PROJECT)}
        meeting = Meeting(self.instances, purpose=purpose, seconds=seconds, is_open=True)
        if self.instances.is_chief:
            self.receiver = Receiver(Path(self.config.output).absolute(), lambda: self.directory)
            meeting.on_push = self.receiver.take
            meeting.on_lost = lambda text: log.warning(f"{text}; its trials are run again by the other instances")
        try:
            meeting.__enter__()
        except MeetingOver as over:
            if meeting.attendance and meeting.attendance.heard is None:
                raise UserError(
                    f"{self.instances.name(0)}: nothing has answered there for {seconds:g} s: it has ended, or was"
                    " never started; if its output has no file success, start the job again, on all instances"
                ) from over
            raise
        self.meeting = meeting
        part = "serves the study to the others" if sweeper.serve else f"works on {sweeper.study_name}"
        log.info(f"{self.own_name}: {part}; worker processes here: {sweeper.n_jobs}")

    def hand_over(self, directory: Path, run_key: str, output: Path) -> None:
        """Bring the first instance what a trial has left: its model, if one is published, and its directory.

        Raises:
            UserError: the first instance does not answer, or does not take it.
        """
        if self.sender:
            self.sender.send_run(directory, run_key, output)

    def end_as_other(self) -> None:
        """Bring the first instance this one's logs."""
        if self.sender:
            self.sender.send_logs(self.directory)
        log.info(f"{self.own_name}: its part of the study is done; the result is at {self.instances.name(0)}")

    def end_as_first(self) -> None:
        """Wait until the others have brought all, and bring it to MLflow."""
        if self.meeting and (late := self.meeting.wait_for_all(HANDOVER_SECONDS)):
            log.warning(f"{', '.join(late)}: still there after {HANDOVER_SECONDS:g} s; the study ends without")
        if self.receiver:
            self.receiver.record_in_mlflow()

    def leave(self, reason: str, code: int) -> None:
        """End this instance's part in the meeting."""
        if self.meeting:
            self.meeting.leave(reason, code)
        if self.sender:
            self.sender.close()


def begin(config: DictConfig) -> None:
    """Find out whether the study is shared, and prepare this instance's part in it; ``failure`` says if that cannot be.

    Args:
        config: the composed one of a study; its ``hydra.sweeper`` is changed.
    """
    _failures.clear()
    _current.clear()
    try:
        if config.hydra.sweeper.dry_run or config.instances == IGNORE:
            _leave_to_first(config)
            return
        instances = find_instances(index=config.training.instance_index)
        if not instances.is_several:
            return
        _check_launcher(config)
        _current.append(SharedStudy(instances, config))
        _current[0].share()
        if not is_worker():
            _current[0].join()
    except UserError as error:
        _failures.append(error)


def current() -> SharedStudy | None:
    """Return this instance's part in the study that goes on; None where it is not shared."""
    return _current[0] if _current else None


def is_other() -> bool:
    """Return whether the first instance, and not this one, writes the output of what this command does."""
    shared = current()
    return bool(shared and not shared.instances.is_chief) or any(isinstance(one, LeftToFirst) for one in _failures)


def is_awaited() -> bool:
    """Return whether another instance is there, which needs the study's storage, or will soon, to see how it ends."""
    return any(bool(shared.meeting and shared.meeting.present_others) for shared in _current)


def raise_if_first_has_ended() -> None:
    """Raise why nothing is left to do here, once the first instance has come to its end by itself.

    Raises:
        LeftToFirst: it has completed the study.
        UserError: it has failed, or was never there. One that was stopped by a signal may be started again, and is
            waited for.
    """
    raise_failure()
    for shared in _current:
        attendance, first = shared.meeting and shared.meeting.attendance, shared.instances.name(0)
        if not attendance or not attendance.has_chief_left:
            return
        if attendance.chief_code == 0:
            raise LeftToFirst(f"{shared.own_name}: nothing is left to do; {first} has completed the study")
        if attendance.chief_code < FIRST_SIGNAL_CODE:
            raise UserError(f"{first}: has ended with exit code {attendance.chief_code}; start the job again")


def raise_failure() -> None:
    """Raise why the study cannot be shared, if it cannot: Hydra swallows what its callbacks raise.

    Raises:
        UserError: the instances are unclear, or the first one is not there.
        LeftToFirst: this instance is to do nothing.
    """
    if _failures:
        raise _failures[0]


def leave(reason: str, code: int) -> None:
    """End this instance's part in the study that goes on, if one does."""
    for shared in _current:
        shared.leave(reason, code)


_current: list[SharedStudy] = []  # at most one
_failures: list[BaseException] = []  # at most one


def _check_launcher(config: DictConfig) -> None:
    """Check that the trials are run by this command's own workers, which hand over what they leave.

    Raises:
        UserError: another launcher runs them.
    """
    if config.hydra.launcher._target_ != BASIC_LAUNCHER:
        launcher = config.hydra.runtime.choices.get("hydra/launcher")
        raise UserError(
            f"hydra/launcher={launcher}: several instances share a study by workers of their own: leave it out,"
            " or run the study on the first instance alone with instances=ignore"
        )


def _leave_to_first(config: DictConfig) -> None:
    """Have another instance than the first do nothing, as far as it is clear that it is another."""
    with suppress(UserError):
        instances = find_instances(index=config.training.instance_index)
        if not instances.is_chief:
            own = instances.name(instances.index)
            _failures.append(LeftToFirst(f"{own}: does nothing; {instances.name(0)} does all alone"))
