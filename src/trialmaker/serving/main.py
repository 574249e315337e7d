"""The entry of ``predict.py``: from the command line to the exit code."""

import resource
import signal
import sys
from collections.abc import Sequence

from trialmaker.errors import UserError, printable
from trialmaker.model_store.catalog import served_text
from trialmaker.model_store.versions import LITERT_FILE, Version, find_version
from trialmaker.platform.input_methods import plain_options
from trialmaker.serving import listening, stop_signals, trial_load
from trialmaker.serving import settings as settings_
from trialmaker.serving.prefork import WorkerPool, exit_at_once, report_error, serve
from trialmaker.serving.settings import Settings


def main(argv: Sequence[str] | None = None) -> int:
    """Run the inference service.

    Args:
        argv: the command line's arguments; None for the process's own.

    Returns:
        the exit code: 0 after SIGTERM, SIGHUP or Ctrl-C; 2 for the person's mistake.
    """
    for number in stop_signals.heeded():
        signal.signal(number, exit_at_once)
    try:
        words, notice = plain_options(sys.argv[1:] if argv is None else argv)
        if notice:
            print(f"predict.py: {notice}", file=sys.stderr)
        settings = settings_.read(words)
        version = find_version(settings.model_dir)  # before a port is taken
        listener = listening.listen(settings)
    except UserError as error:
        for mistake in error.mistakes:
            print(f"predict.py: error: {printable(mistake)}", file=sys.stderr)
        return error.exit_code
    if settings.workers == 1 and (version.directory / LITERT_FILE).is_file():
        from trialmaker.serving import trial_process  # whose imports take a moment

        trial_load.begin(version, trial_process.load)  # before there are threads
    if text := _other_data(settings, version):
        print(f"predict.py {printable(text)}", flush=True)
    _allow_many_connections()
    with listener:
        if settings.workers > 1:
            return WorkerPool(settings, listener).run()
        return serve(settings, listener, announce=True, report_error=report_error)


def _other_data(settings: Settings, version: Version) -> str | None:
    """Return where the models of other data lie, if the version was chosen among several and there are any."""
    is_chosen = version.directory != settings.model_dir.absolute()
    return served_text(version.directory.parent, version.number) if is_chosen else None


def _allow_many_connections() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
