"""What trials of other instances leave, on its way to the first one's output: runs, models, events, logs."""

import itertools
import logging
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc

from trialmaker.errors import UserError, one_line
from trialmaker.experiment.run_directory import event_directory
from trialmaker.model_store import catalog, publishing
from trialmaker.platform.instances import Instances
from trialmaker.platform.meeting import messages
from trialmaker.platform.meeting.pushing import push_folder
from trialmaker.platform.run_result import RESULT_FILE, half_copy, read_result
from trialmaker.platform.system_errors import SPACE_TEXT, is_lack_of_space
from trialmaker.tracking import copied_runs, output_journals
from trialmaker.tracking.journal import head
from trialmaker.tracking.places import JOURNAL_FILE

log = logging.getLogger(__name__)
AWAY_SECONDS = 300.0  # for which the first instance may be away
RESEND_SECONDS = 2.0  # between two tries
SENDER_OPTIONS = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.keepalive_time_ms", 20_000),  # else a network that was cut is noticed after a quarter of an hour
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
)
AWAY_CODES = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED)
RUN, MODEL, EVENTS, LOGS = "run", "model", "events", "logs"
# kind, instance, name
PUSHED = re.compile(rf"({RUN}|{MODEL}|{EVENTS}|{LOGS}) ([1-9][0-9]{{0,3}}) ([\w+-][\w.+-]{{0,150}})")


class Sender:
    """Another instance's way to the first one's output.

    Args:
        instances: the job's.
    """

    def __init__(self, instances: Instances) -> None:
        self.instances = instances
        self._channel: Any = None

    def send_run(self, directory: Path, run_key: str, output: Path) -> None:
        """Send what a trial has left: first its model, if it has published one, and TensorBoard's files.

        Raises:
            UserError: the first instance does not answer, or does not take it.
        """
        for card in catalog.read_cards(output / "model"):
            if card.run_key == run_key:
                self._send(output / "model" / str(card.version), MODEL, run_key)
        if (events := event_directory(directory, output)).is_dir():
            self._send(events, EVENTS, directory.name)
        self._send(directory, RUN, directory.name)

    def send_logs(self, directory: Path) -> None:
        """Send what the workers of this instance have printed, those of earlier commands too, which may have been lost.

        Args:
            directory: of the study's command, beside which those of its earlier ones lie.
        """
        with tempfile.TemporaryDirectory() as folder:
            for path in directory.parent.glob("*/worker-*.log"):
                shutil.copyfile(path, Path(folder, f"{path.parent.name}_{path.name}"))
            self._send(Path(folder), LOGS, LOGS)

    def close(self) -> None:
        """End the connection."""
        if self._channel:
            self._channel.close()

    def _send(self, folder: Path, kind: str, name: str) -> None:
        """Send a folder, waiting for a first instance that is away."""
        deadline, first = time.monotonic() + AWAY_SECONDS, self.instances.name(0)
        while True:
            try:
                answer = self._push(folder, f"{kind} {self.instances.index + 1} {name}")
                break
            except (grpc.RpcError, OSError, ValueError) as error:  # a file that was just replaced counts, too
                is_away = isinstance(error, grpc.Call) and error.code() in AWAY_CODES
                if time.monotonic() > deadline or not (is_away or isinstance(error, OSError)):
                    reason = error.details() if isinstance(error, grpc.Call) else one_line(error)
                    raise UserError(f"{first}: {folder}: not sent: {reason}; start the job again") from error
                time.sleep(RESEND_SECONDS)
        if text := messages.text(answer, "error"):
            raise UserError(f"{first}: did not take {folder.name}: {text}")

    def _push(self, folder: Path, name: str) -> dict[str, Any]:
        self._channel = self._channel or grpc.insecure_channel(self.instances.meeting_address, options=SENDER_OPTIONS)
        return push_folder(self._channel, folder, AWAY_SECONDS, index=self.instances.index, name=name)


class Receiver:
    """The first instance's side.

    Args:
        output: gets the models.
        directory: returns the directory of the study's command, which gets the rest, in a folder for each instance.
    """

    def __init__(self, output: Path, directory: Callable[[], Path]) -> None:
        self.output, self.directory = output, directory
        self.lock = threading.Lock()  # one folder at a time: calls come on several threads

    def take(self, name: str, folder: Path) -> None:
        """Take a folder that another instance has sent.

        Raises:
            UserError: it is not what it says.
            OSError: it cannot be written.
        """
        match = PUSHED.fullmatch(name)
        if not match:
            raise UserError(f"{name!r}: is nothing that an instance of this study sends")
        try:
            with self.lock:
                self._take(folder, *match.groups())
        except (OSError, UserError) as error:
            if is_lack_of_space(error) or SPACE_TEXT.search(str(error)):  # copytree's lists all files
                raise UserError("no space is left for its output") from error
            raise

    def _take(self, folder: Path, kind: str, number: str, label: str) -> None:
        place = self.directory() / f"instance-{number}"
        place.mkdir(parents=True, exist_ok=True)
        if kind == MODEL:
            publishing.prepare(self.output / "model")
            best = publishing.adopt(folder, self.output / "model")
            if best.run_key == label:
                log.info(f"instance {number} has trained the best model until now: {best}")
        elif kind == EVENTS:
            _copy(folder, event_directory(place / label, self.output), is_merged=True)
        elif kind == RUN:
            _take_run(folder, place / label)
        else:
            _copy(folder, place, is_merged=True)

    def record_in_mlflow(self) -> None:
        """Bring the other instances' runs to MLflow, and its ids of them to their results and models."""
        journals = output_journals.journals(self.output)
        runs = [path.parent for path in journals if output_journals.is_of_other_instance(path.parent)]
        if not runs:
            return
        if not copied_runs.deliver_in_process(self.output, runs):
            log.warning(
                f"MLflow has not all runs of the other instances: python -m trialmaker sync {self.output} delivers them"
            )
        for directory in runs:
            run_id, result = copied_runs.run_id_of(directory), read_result(directory / RESULT_FILE)
            if run_id and result and result.mlflow_run_id != run_id:
                replace(result, mlflow_run_id=run_id, undelivered="").write(directory)
                if start := head(directory / JOURNAL_FILE):
                    catalog.update(self.output / "model", start.run_key, run_id=run_id)


def _take_run(folder: Path, target: Path) -> None:
    """Keep a run; of attempts at one run the last that has ended, and another run under a name of its own."""
    copied_runs.forget_delivery(folder)
    if target.exists() and _run_key(target) != _run_key(folder):
        names = (target.with_name(f"{target.name}_again_{number}") for number in itertools.count(1))
        target = next(name for name in names if not name.exists() or _run_key(name) == _run_key(folder))
    if not target.exists():
        _copy(folder, target)
    elif _has_ended(folder) or not _has_ended(target):  # else it was sent late
        aside = half_copy(target)
        target.rename(aside)
        try:
            _copy(folder, target)
        except BaseException:
            aside.rename(target)
            raise
        shutil.rmtree(aside, ignore_errors=True)


def _run_key(directory: Path) -> str:
    start = head(directory / JOURNAL_FILE)
    return start.run_key if start else ""


def _has_ended(directory: Path) -> bool:
    """Return whether a run has come to an end that counts in its study."""
    result = read_result(directory / RESULT_FILE)
    return result is not None and result.status in ("finished", "pruned")


def _copy(folder: Path, target: Path, *, is_merged: bool = False) -> None:
    """Give a copy of a folder its name, at once and whole; or add its files to a folder that may be there."""
    hidden = half_copy(target)
    try:
        shutil.copytree(folder, hidden)
        if not is_merged:
            hidden.rename(target)
            return
        target.mkdir(exist_ok=True)
        for path in list(hidden.rglob("*")):
            if not path.is_dir():
                place = target / path.relative_to(hidden)
                place.parent.mkdir(parents=True, exist_ok=True)
                path.replace(place)
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
