"""The training entry: command line in, exit code out."""

import os
import sys
import time
from contextlib import nullcontext, suppress
from pathlib import Path

import hydra

from trialmaker.cli.outcome import TrainOutcome
from trialmaker.config import resolvers, sweep_files, user_files
from trialmaker.config.arguments import completion, tokens, translation
from trialmaker.errors import StudyError, UserError
from trialmaker.experiment import run_directory, study, study_identity
from trialmaker.experiment.instances import shared_study
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
    if paths.IS_INSTALLED:
        sys.argv[0] = paths.train_command()  # for the lines that say what to type
    argv = sys.argv[1:] = _as_meant(sys.argv[1:])
    with nullcontext(signals) if signals else Signals() as signals:
        outcome = TrainOutcome(started or time.monotonic(), signals, argv)
        try:
            _run(outcome)
        except Stopped as stopped:
            outcome.stop(stopped)
        except shared_study.LeftToFirst as notice:
            print(f"train.py: {notice}", flush=True)
        except StudyError as refusal:
            outcome.explain(refusal.error, sys.argv[1:])
        except Exception as error:
            outcome.explain(error, sys.argv[1:])
        finally:
            shared_study.leave("; ".join(outcome.causes), outcome.code)
            sys.argv[1:] = argv
            run_directory.discard_unused()
        outcome.leave_result()
        outcome.leave_job()
    return outcome.code


def _as_meant(argv: list[str]) -> list[str]:
    """Return the command line without the characters of Chinese input methods; a line says what was read as what."""
    if all(map(str.isascii, argv)):
        return argv
    with suppress(UserError):  # of a person's config files, which is raised again
        meant, notice = translation.as_meant(argv, [paths.CONF, *user_files.folders()])
        if notice:
            print(f"train.py: {notice}", file=sys.stderr, flush=True)
        return meant
    return argv


def _run(outcome: TrainOutcome) -> None:
    outcome.signals.reset()
    resolvers.register()
    study_identity.register()
    os.environ["HYDRA_FULL_ERROR"] = "1"  # else Hydra prints exceptions itself, and ends with 1
    folders = user_files.folders()
    if tokens.SHELL_COMPLETION & set(sys.argv) and not _complete([paths.CONF, *folders]):
        return
    sys.argv[1:] = translation.translate(sys.argv[1:], [paths.CONF, *folders])
    sweep_files.register(sys.argv[1:], translation.config_directories(sys.argv[1:]))
    sys.argv += map(user_files.search_path, folders)
    hydra.main(version_base="1.3", config_path=str(paths.CONF), config_name="config")(outcome.run)()
    for output, line in study.finish(outcome.directories):
        outcome.outputs.setdefault(output, []).append(line)


def _complete(folders: list[Path]) -> bool:
    """Print what completes a runtime parameter; return whether Hydra has words of its own to add."""
    line = os.environ.get("COMP_LINE")
    if line is None:  # it is no query
        return True
    words, hydras_line = completion.candidates(line, folders)
    print("\n".join(words))
    os.environ["COMP_LINE"] = hydras_line or ""
    return hydras_line is not None
