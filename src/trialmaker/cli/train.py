"""The training entry: command line in, exit code out."""

import os
import sys
import time
from contextlib import nullcontext

import hydra

from trialmaker.cli.outcome import TrainOutcome
from trialmaker.config import user_files
from trialmaker.config.arguments import translation
from trialmaker.config.resolvers import register
from trialmaker.experiment import study
from trialmaker.platform import paths
from trialmaker.platform.signals import Signals, Stopped


def train(started: float | None = None, signals: Signals | None = None) -> int:
    """Run what ``sys.argv`` asks for, and leave ``success`` or ``failure`` in the output.

    Args:
        started: ``time.monotonic()`` when the process began; None for now.
        signals: entered by the caller; None for new ones.

    Returns:
        0 done; 2 the person's mistake, on standard error, a line each; 1 a bug, with its traceback; 143 stopped by
        SIGTERM, 130 by Ctrl-C.
    """
    typed = sys.argv[1:]
    with nullcontext(signals) if signals else Signals() as signals:
        job = TrainOutcome(started or time.monotonic(), signals, typed)
        try:
            _run(job)
        except Stopped as stopped:
            job.fail(stopped.exit_code, str(stopped))
        except Exception as error:
            job.explain(error, sys.argv[1:])
        finally:
            sys.argv[1:] = typed
        job.leave_result()
    return job.code


def _run(job: "TrainOutcome") -> None:
    job.signals.reset()
    register()
    os.environ["HYDRA_FULL_ERROR"] = "1"  # else Hydra prints exceptions itself, and ends with 1
    folders = user_files.folders()
    sys.argv[1:] = translation.translate(sys.argv[1:], [paths.CONF, *folders])
    sys.argv += map(user_files.search_path, folders)
    hydra.main(version_base="1.3", config_path=str(paths.CONF), config_name="config")(job.run)()
    job.outputs |= study.finish()
