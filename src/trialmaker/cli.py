"""The training entry: command line in, exit code out."""

import errno
import logging
import os
import sys
import time
import traceback
from dataclasses import asdict
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from trialmaker import arguments, config, description, manual, platform
from trialmaker.errors import UserError
from trialmaker.stopping import Signals, Stopped

log = logging.getLogger(__name__)

# What goes wrong when a person names an output that cannot be one. ENOENT is not among them: that may be a bug.
OUTPUT_ERRORS = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOSPC}
LOOKS = {"--help", "-h", "--hydra-help", "--cfg", "-c", "-i", "--shell-completion", "-sc"}  # flags: nothing is run


def train(started: float | None = None) -> int:
    """Run what ``sys.argv`` asks for, and leave ``success`` or ``failure`` in the output.

    Args:
        started: ``time.monotonic()`` when the process began; None for now.

    Returns:
        0 done; 2 the person's mistake, on standard error, a line each; 1 a bug, with its traceback; 143 stopped by
        SIGTERM, 130 by Ctrl-C.
    """
    typed = sys.argv[1:]
    job = _Job(started or time.monotonic())
    try:
        with job.signals:
            _run(job)
    except UserError as error:
        job.refuse(error)
    except (HydraException, OmegaConfBaseException) as error:
        job.refuse(arguments.explain(error, sys.argv[1:]))
    except Stopped as stopped:
        job.fail(stopped.exit_code, str(stopped))
    except Exception as error:
        if isinstance(error, OSError) and not job.has_begun:
            job.refuse(_no_output(error))
        else:
            job.fail(1, " ".join(f"{type(error).__name__}: {error}".split()), details=traceback.format_exc())
    finally:
        sys.argv[1:] = typed
    if not {word.partition("=")[0] for word in typed} & LOOKS:
        job.leave_result()
    return job.code


def _run(job: "_Job") -> None:
    register_resolvers()
    os.environ["HYDRA_FULL_ERROR"] = "1"  # else Hydra prints exceptions itself, and ends with 1
    brought = platform.brought_configs()
    sys.argv[1:] = arguments.translate(sys.argv[1:], [platform.CONF, *brought])
    sys.argv += [f"hydra.searchpath=['file://{folder}']" for folder in brought]
    hydra.main(version_base="1.3", config_path=str(platform.CONF), config_name="config")(job.run)()


class _Job:
    """What one command runs, a run or those of a multirun, and how that ended.

    Attributes:
        has_begun: whether Hydra has made a run's directory and called it.
        code: the exit code so far.
    """

    def __init__(self, started: float) -> None:
        self.started = started
        self.signals = Signals()
        self.has_begun = False
        self.code = 0
        self.causes: list[str] = []
        self.details = ""
        self.output = platform.root() / "output"

    def run(self, composed: DictConfig) -> float | None:
        """One run. Its value, the best objective, is what a sweeper optimizes; None for one with a mistake."""
        from trialmaker import launch

        self.has_begun = True
        try:
            checked = config.load(composed)
            self.output = Path(checked.output).absolute()
            platform.begin(self.output)
            platform.check()
            for line in description.lines(asdict(checked), arguments.command_line(HydraConfig.get().overrides.task)):
                log.info(line)
            started, self.started = self.started, time.monotonic()  # the next run of a multirun starts then
            directory = Path(HydraConfig.get().runtime.output_dir)
            return launch.run(checked, run_directory=directory, started=started, signals=self.signals)
        except UserError as error:  # Hydra would call an exception a bug of the job
            self.refuse(error)
        except OSError as error:
            if error.errno not in OUTPUT_ERRORS:
                raise
            self.refuse(_no_output(error))
        return None  # and the next run of a multirun begins

    def refuse(self, error: UserError) -> None:
        """Note mistakes, and tell them."""
        self.fail(error.exit_code, *(f"error: {_one_line(mistake)}" for mistake in error.mistakes))

    def fail(self, code: int, *causes: str, details: str = "") -> None:
        """Note why, and tell it on standard error."""
        self.code = code
        self.causes += causes
        self.details += details
        print(details + "".join(f"train.py: {cause}\n" for cause in causes if not details), end="", file=sys.stderr)

    def leave_result(self) -> None:
        """``success`` or ``failure``, for whoever looks at the output alone."""
        if self.code:
            causes = (cause.removeprefix("error: ") for cause in self.causes)
            platform.failed(self.output, "\n".join(causes), self.details)
        else:
            platform.succeeded(self.output)


def register_resolvers() -> None:
    OmegaConf.register_new_resolver("ai_root", lambda: str(platform.root()), replace=True)
    OmegaConf.register_new_resolver("input", _input, replace=True)
    OmegaConf.register_new_resolver("process_id", os.getpid, replace=True)
    OmegaConf.register_new_resolver("manual", manual.text, replace=True)


def _input(name: str) -> str | None:
    found = platform.inputs().get(name)
    return str(found) if found else None


def _no_output(error: OSError) -> UserError:
    return UserError(f"{error.filename}: {error.strerror}: the output must be a folder that can be written to")


def _one_line(text: str) -> str:
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
