"""The watch over a folder of versions: a better one is taken up while the service runs."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from trialmaker.errors import UserError
from trialmaker.model_store.versions import LITERT_FILE, REQUIRED_FILES, Version, find_version, version_numbers
from trialmaker.platform import garbage_collection
from trialmaker.serving.application import Application
from trialmaker.serving.predictor import Model

log = logging.getLogger(__name__)
FILES = (*REQUIRED_FILES, LITERT_FILE)
WATCH_SECONDS = 1.0  # as TensorFlow Serving's
Stamp = tuple[object, ...]  # of a version's files: it differs after each change


class Watcher:
    """Takes up the version that ``find_version`` chooses, whenever that is another than the one that is served.

    Requests that began with the old version end with it. A version whose files still change is waited for. One that
    cannot be loaded is reported once; the newest that can takes its place, if it is newer than the one that is served,
    or that is gone; else the old one goes on.

    Args:
        application: which serves a model.
        path: what ``find_version`` is given.
        stamp: of the version that is served.
        load: loads a version; raises ``UserError``.
        report: called with a line for each version that is taken up, or is not.
    """

    def __init__(
        self,
        application: Application,
        path: Path,
        stamp: Stamp,
        load: Callable[[Version], Model],
        report: Callable[[str], None],
    ) -> None:
        self.application, self.path, self.load, self.report = application, path, load, report
        self.served_stamp, self.last_stamp = stamp, stamp
        self.refused: dict[str, Stamp] = {}  # stamps of versions that cannot be loaded, by folder
        self.refusal = ""  # what was reported last

    async def run(self) -> None:
        """Watch until the task is cancelled."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            last_stamp = self.served_stamp
            try:
                await self.check()
            except Exception:  # a bug, which must not end the watch
                log.exception("%s: cannot be watched", self.path)
            if self.served_stamp != last_stamp:  # the last model is held by no more than its requests
                garbage_collection.collect_and_freeze()

    async def check(self) -> None:
        """Look once; take up another version if it has not changed since the last look."""
        model = self.application.model
        assert model
        try:
            version, stamp = await asyncio.to_thread(self._look, model.version)
        except (UserError, OSError) as error:
            self._refuse(str(error))
            return
        if stamp == self.served_stamp:
            if version != model.version:  # of its card, the test metrics came
                self.application.describe(version)
        elif stamp == self.last_stamp and not self._is_refused(stamp):
            await self._take_up(version, stamp)
        self.last_stamp = stamp

    def _look(self, served: Version) -> tuple[Version, Stamp]:
        """Return the version that is chosen, or the newest in the place of one that has been refused."""
        chosen, stamp = look(self.path)
        if not self._is_refused(stamp) or chosen.directory == self.path.absolute():
            return chosen, stamp
        folder = chosen.directory.parent
        oldest = served.number + 1 if served.directory.is_dir() else 0
        for number in reversed(version_numbers(folder)):
            with suppress(UserError, OSError):
                other, other_stamp = look(folder / str(number))
                if number >= oldest and not self._is_refused(other_stamp):
                    return other, other_stamp
        return chosen, stamp

    def _is_refused(self, stamp: Stamp) -> bool:
        return self.refused.get(str(stamp[0])) == stamp

    async def _take_up(self, version: Version, stamp: Stamp) -> None:
        old = self.application.model
        try:
            model = await asyncio.to_thread(self.load, version)
        except (UserError, OSError) as error:
            self.refused[str(stamp[0])] = stamp
            self._refuse(str(error))
            return
        self.application.serve(model)
        self.served_stamp, self.refusal = stamp, ""
        change = _change(old, model) if old else ""
        self.report(f"serving {version} by {model.runtime} from now on{change}")

    def _refuse(self, reason: str) -> None:
        """Report why the old version goes on, unless that was the last report."""
        if reason != self.refusal:
            self.refusal = reason
            model = self.application.model
            self.report(f"{reason}; version {model.version.number if model else '?'} is served on")


def _change(old: Model, new: Model) -> str:
    """Return what callers must send and will get now, where that is something else than before."""
    shapes = [_shape(model) for model in (new, old)]
    return "" if shapes[0] == shapes[1] else f"; takes {shapes[0]} now, before {shapes[1]}"


def _shape(model: Model) -> str:
    return f"{'x'.join(map(str, model.input_shape))} for {len(model.version.class_names)} classes"


def look(path: Path) -> tuple[Version, Stamp]:
    """Return the version to serve, and the stamp of its files.

    Raises:
        UserError: there is no complete version.
    """
    version = find_version(path)
    return version, (str(version.directory), *(_file_stamp(version.directory / file) for file in FILES))


def _file_stamp(path: Path) -> tuple[int, ...]:
    try:
        status = path.stat()
    except OSError:
        return ()
    return status.st_ino, status.st_size, status.st_mtime_ns
