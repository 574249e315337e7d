"""A study that all instances of a job share: what each of them does for it.

The first instance serves the study's storage on its own port, and beside that the meeting, to which the others come and
bring what their trials leave. An instance may come late, or be lost and come again; the first one, too.
"""

import logging
import socket
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from omegaconf import DictConfig

from optuna_sweep.trial import is_worker
from trialmaker.config.run_schema import IGNORE
from trialmaker.errors import UserError
from trialmaker.experiment.instances.handover import Receiver, Sender
from trialmaker.platform import paths, source_code
from trialmaker.platform.addresses import is_ip
from trialmaker.platform.cores import usable_cores
from trialmaker.platform.instances import Instances, find_instances
from trialmaker.platform.meeting.meeting import Meeting
from trialmaker.platform.memory import free_memory
from trialmaker.platform.source_code import CODE_DIGEST

log = logging.getLogger(__name__)
WORKER_BYTES = 1_200_000_000  # which a process that trains takes
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
                sweeper.serve = f"{_listening_host(chief.host)}:{chief.port}"
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
        meeting.__enter__()
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
        UserError: it has failed. One that was stopped by a signal may be started again, and is waited for.
    """
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


def worker_count(n_trials: int) -> int:
    """Return how many worker processes this machine carries, by cores and memory; no more than there are trials."""
    return max(1, min(usable_cores(), free_memory() // WORKER_BYTES, n_trials))


_current: list[SharedStudy] = []  # at most one
_failures: list[BaseException] = []  # at most one


def _leave_to_first(config: DictConfig) -> None:
    """Have another instance than the first do nothing, as far as it is clear that it is another."""
    with suppress(UserError):
        instances = find_instances(index=config.training.instance_index)
        if not instances.is_chief:
            own = instances.name(instances.index)
            _failures.append(LeftToFirst(f"{own}: does nothing; {instances.name(0)} does all alone"))


def _listening_host(host: str) -> str:
    """Return an instance's address, if it is this machine's; else all of them, as behind a router.

    A machine may know its own host name as its loopback address, where the others cannot reach it.
    """
    if not is_ip(host):
        return "0.0.0.0"
    try:
        family, kind, _, _, place = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.bind(place)
    except OSError:
        return "0.0.0.0"
    return host
