"""The instances of a job that train together: what they compare, what the first one decides, and who is gone."""

import logging
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from trialmaker.errors import StudyError, UserError, one_line
from trialmaker.experiment.instances.own_port import check_free
from trialmaker.experiment.tensorflow_import import is_fast_in_bfloat16, own_standard_error
from trialmaker.platform import paths
from trialmaker.platform.instances import Instances
from trialmaker.platform.log_file import log_file
from trialmaker.platform.meeting.connection_guard import answers, limited_connection
from trialmaker.platform.meeting.ends import START_AGAIN, MeetingOver
from trialmaker.platform.meeting.meeting import Meeting
from trialmaker.platform.signals import Signals

if TYPE_CHECKING:  # TensorFlow's import
    from trialmaker.training.replicas import Replicas

log = logging.getLogger(__name__)
SEARCH_SECONDS = 20.0  # for the name of the instance that is gone, once a collective has ended
CONNECTION_SECONDS = 25.0  # for TensorFlow to connect, which takes a moment when all are there
LOG_SECONDS = 3.0  # for the logs of the others at the end
LISTING = "the list of config/resource.json"  # which each instance has a copy of
LOG_NAME = re.compile(r"instance-([1-9][0-9]{0,3}) of run ([1-9][0-9]{0,8})")  # of a push


class Team:
    """The instances that a command trains on, from their meeting to the command's end; this process is one of them.

    Args:
        instances: several.
        seconds: how long to wait for the others.

    Attributes:
        directories: of the runs until now, which get the others' logs.
        replicas: their processes, once TensorFlow is loaded.
        computes_in_bfloat16: whether the processors of all are fast in it, once TensorFlow is loaded.
        is_training: whether this process may be waiting for the others in a collective.
    """

    def __init__(self, instances: Instances, *, seconds: float) -> None:
        self.instances = instances
        purpose = {"the command": "a training", LISTING: ", ".join(map(str, instances.members))}
        self.meeting = Meeting(instances, purpose=purpose, seconds=seconds)
        self.replicas: Replicas | None = None
        self.directories: list[Path] = []
        self.computes_in_bfloat16 = False
        self.is_training = False
        self.logs: set[str] = set()

    @property
    def is_chief(self) -> bool:
        """Return whether this is the first, which alone keeps the record of the run."""
        return self.instances.is_chief

    @property
    def _run(self) -> str:
        return f"run {len(self.directories)}"

    def join(self) -> None:
        """Wait until all instances are there.

        Raises:
            StudyError: one has not come, or has another command.
        """
        self.meeting.on_lost, self.meeting.on_push = self._note_lost, self._take_log
        with _ending_all():
            self.meeting.__enter__()

    def begin_run(self, directory: Path, own: Mapping[str, str], decision: bytes = b"") -> bytes:
        """Compare the next run's config and code with the other instances'; return what the first one decides.

        Raises:
            StudyError: they differ, or an instance is gone.
        """
        self.directories.append(directory)
        with _ending_all():
            return self.meeting.agree(self._run, own, decision)

    def compare_data(self, digest: str) -> None:
        """Compare the data with the other instances', and wait until all can make the first step.

        Raises:
            StudyError: they differ, or an instance is gone.
        """
        with _ending_all():
            self.meeting.agree(f"the first step of {self._run}", {"the digest of the data": digest})

    def all_say(self, step: str, own: bool) -> bool:
        """Return whether all instances say yes at a step, the same at each.

        Raises:
            MeetingOver: an instance is gone.
        """
        self.meeting.agree(step, {}, note=str(own))
        is_so = set(self.meeting.notes(step)) == {str(True)}
        return bool(self.meeting.agree(f"{step} at all instances", {}, b"yes" if is_so else b""))

    def connect(self, signals: Signals, records: Mapping[Path, str]) -> None:
        """Connect TensorFlow with that of the other instances; before it computes anything, once in a process.

        Args:
            signals: of this process, deferred while the others count on it.
            records: see ``limited_connection``.

        Raises:
            StudyError: an instance is gone, or this one's port is not free.
            Stopped: by a signal.
        """
        if self.replicas:
            return
        from trialmaker.training import preemption_notice

        check_free(self.instances.own)
        with _ending_all():
            self.computes_in_bfloat16 = self.all_say("TensorFlow is loaded", is_fast_in_bfloat16())
            with signals.deferred():  # who comes to this step connects: the others could not be told in time
                self.meeting.agree("TensorFlow connects", {})
                self._wait_for_first()
                self._connect(records)
                signals.take_back()
        preemption_notice.pass_on_signal(lambda: signals.received is None and not signals.has_ended)

    def _wait_for_first(self) -> None:
        """Wait until the first one's TensorFlow is there, without which that of this one would lose a signal."""
        end = time.monotonic() + CONNECTION_SECONDS
        while not self.is_chief and not answers(str(self.instances.chief)) and time.monotonic() < end:
            self.check()
            time.sleep(0.02)

    def _connect(self, records: Mapping[Path, str]) -> None:
        from trialmaker.training.replicas import LostReplica, Replicas

        addresses = [str(one) for one in self.instances.members]
        names = {address: self.instances.name(index) for index, address in enumerate(addresses)}
        try:
            with limited_connection(names, CONNECTION_SECONDS, records, standard_error=own_standard_error()):
                self.replicas = Replicas.connect(addresses, self.instances.index)
        except LostReplica as error:
            self.check()
            law = f"TensorFlow cannot connect from this port: {error}; {START_AGAIN}, or give the instances other ports"
            raise StudyError(UserError(f"{self.instances.own}: {law}")) from error

    def check(self) -> None:
        """Raise ``StudyError`` if an instance is gone, for waits in which nothing else would say so."""
        if over := self.meeting.over:
            raise StudyError(_with_way_on(over))

    def loss(self, cause: object) -> StudyError:
        """Return the error for a training that has lost an instance, with its name and the way on.

        Args:
            cause: what TensorFlow said, where nobody knows which instance is gone.
        """
        over = self.meeting.who_is_gone(SEARCH_SECONDS) or MeetingOver(f"TensorFlow has lost an instance: {cause}")
        return StudyError(_with_way_on(over, is_training=True))

    def tell(self, error: BaseException) -> None:
        """Tell the others at once that this instance fails: they may be waiting for it in a collective."""
        self.meeting.leave(one_line(error, 500), getattr(error, "exit_code", 1))

    def send_log(self) -> None:
        """Send this instance's log to the first one's run; it is no great loss if that cannot be."""
        path = log_file()
        if self.is_chief or path is None:
            return
        with tempfile.TemporaryDirectory() as folder, suppress(UserError, OSError):
            shutil.copyfile(path, Path(folder, path.name))
            name = f"instance-{self.instances.index + 1} of {self._run}"
            self.meeting.push(Path(folder), name, seconds=LOG_SECONDS)

    def close(self, code: int, reason: str) -> tuple[int, str]:
        """End this instance's part, when the command has ended; another one waits for the first one's end.

        Args:
            code: the command's exit code here.
            reason: why it is not 0; "" for 0.

        Returns:
            the exit code of the first one, and why that is not 0, where this one has none of its own.
        """
        end = (code, "")
        if self.is_chief:
            self._wait_for_logs()
        elif not code:
            try:
                end = (self.meeting.wait_for_chief(), "")
            except MeetingOver as over:
                end = (over.exit_code, str(_with_way_on(over)))
        self.meeting.leave(reason if code else "", code)
        return end

    def _note_lost(self, text: str) -> None:
        if self.is_training and self.replicas:
            self.replicas.abort(text)

    def _take_log(self, name: str, folder: Path) -> None:
        """Keep the log of another instance in the run's directory."""
        match = LOG_NAME.fullmatch(name)
        number, run = map(int, match.groups()) if match else (0, 0)
        if not 1 < number <= len(self.instances.members) or run > len(self.directories):
            raise UserError(f"{name!r}: is no instance's log")
        with (
            (folder / "train.log").open("rb") as log,
            (self.directories[run - 1] / f"instance-{number}.log").open("ab") as file,
        ):
            shutil.copyfileobj(log, file)  # behind what an earlier attempt has left
        self.logs.add(name)

    def _wait_for_logs(self) -> None:
        """Wait for the logs of the last run, for a moment."""
        deadline = time.monotonic() + LOG_SECONDS
        while self.replicas and self._missing_logs() > 0 and time.monotonic() < deadline:
            time.sleep(0.05)

    def _missing_logs(self) -> int:
        return self.meeting.present_others - sum(name.endswith(f" of {self._run}") for name in self.logs)


@contextmanager
def _ending_all() -> Iterator[None]:
    """Have an end of the meeting end the command, with all runs that it would still make."""
    try:
        yield
    except MeetingOver as over:
        raise StudyError(_with_way_on(over)) from over


def _with_way_on(over: MeetingOver, *, is_training: bool = False) -> MeetingOver:
    """Return the end with the way on, unless it has one: what has ended an instance before the training has."""
    text = str(over)
    if START_AGAIN in text or "differs from" in text or "goes on" in text:
        return over
    if " has ended: " in text and not is_training:
        return over
    if paths.is_on_platform():
        return MeetingOver(f"{text}; a job with this output as its input file resume goes on", over.exit_code)
    return MeetingOver(f"{text}; the same command goes on, on any number of instances", over.exit_code)
