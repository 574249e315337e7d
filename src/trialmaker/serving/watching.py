"""The watch over a folder of versions: a better one is taken up while the service runs."""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from trialmaker.errors import UserError
from trialmaker.model_store.versions import LITERT_FILE, REQUIRED_FILES, Version, find_version
from trialmaker.serving.application import Application
from trialmaker.serving.predictor import Model

log = logging.getLogger(__name__)
FILES = (*REQUIRED_FILES, LITERT_FILE)
WATCH_SECONDS = 1.0  # as TensorFlow Serving's
Stamp = tuple[object, ...]  # of a version's files: it differs after each change


class Watcher:
    """Takes up the version that ``find_version`` chooses, whenever that is another than the one that is served.

    Requests that began with the old version end with it. A version whose files still change is waited for; one that
    cannot be loaded is reported once, and the old one goes on.

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
        self.refusal: object = None  # what was reported last

    async def run(self) -> None:
        """Watch until the task is cancelled."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            try:
                await self.check()
            except Exception:  # a bug, which must not end the watch
                log.exception("%s: cannot be watched", self.path)

    async def check(self) -> None:
        """Look once; take up another version if it has not changed since the last look."""
        model = self.application.model
        assert model
        try:
            version, stamp = await asyncio.to_thread(look, self.path)
        except (UserError, OSError) as error:
            self._refuse(str(error), str(error))
            return
        if stamp == self.served_stamp:
            if version != model.version:  # of its card, the test metrics came
                self.application.describe(version)
        elif stamp == self.last_stamp and self.refusal != stamp:
            await self._take_up(version, stamp)
        self.last_stamp = stamp

    async def _take_up(self, version: Version, stamp: Stamp) -> None:
        try:
            model = await asyncio.to_thread(self.load, version)
        except (UserError, OSError) as error:
            self._refuse(stamp, str(error))
            return
        self.application.serve(model)
        self.served_stamp, self.refusal = stamp, None
        self.report(f"serving {version} by {model.runtime} from now on")

    def _refuse(self, cause: object, reason: str) -> None:
        """Report why the old version goes on, unless that was the last report."""
        if cause != self.refusal:
            self.refusal = cause
            model = self.application.model
            self.report(f"{reason}; version {model.version.number if model else '?'} is served on")


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
