"""The training entry: command line in, exit code out."""

import errno
import os
import sys
import traceback
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from trialmaker import arguments, config, manual, platform
from trialmaker.errors import UserError

# What goes wrong when a person names an output that cannot be one. ENOENT is not among them: that may be a bug.
OUTPUT_ERRORS = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOSPC}


def train() -> int:
    """Run what ``sys.argv`` asks for.

    Returns:
        0 done; 2 the person's mistake, on standard error, a line each; 1 a bug, with its traceback; 130 Ctrl-C.
    """
    register_resolvers()
    os.environ["HYDRA_FULL_ERROR"] = "1"  # else Hydra prints exceptions itself, and ends with 1
    jobs = _Jobs()
    try:
        sys.argv[1:] = arguments.translate(sys.argv[1:], [platform.CONF])
        hydra.main(version_base="1.3", config_path=str(platform.CONF), config_name="config")(jobs.run)()
    except UserError as error:
        return _report(error)
    except (HydraException, OmegaConfBaseException) as error:
        return _report(arguments.explain(error, sys.argv[1:]))
    except KeyboardInterrupt:
        print("stopped by Ctrl-C", file=sys.stderr)
        return 130
    except Exception as error:
        if isinstance(error, OSError) and not jobs.begun:
            return _report(_no_output(error))
        traceback.print_exc()
        return 1
    return jobs.code


class _Jobs:
    """The runs of one command: one, or those of a multirun.

    Args:
        begun: whether Hydra has made a run's directory and called it.
        code: the exit code so far.
    """

    def __init__(self) -> None:
        self.begun = False
        self.code = 0

    def run(self, composed: DictConfig) -> float | None:
        """One run. Its value, the best objective, is what a sweeper optimizes; None for one with a mistake."""
        from trialmaker import launch

        self.begun = True
        run_directory = Path(HydraConfig.get().runtime.output_dir)
        try:
            return launch.run(config.load(composed), run_directory=run_directory)
        except UserError as error:  # Hydra would call an exception a bug of the job
            self.code = _report(error)
        except OSError as error:
            if error.errno not in OUTPUT_ERRORS:
                raise
            self.code = _report(_no_output(error))
        return None  # and the next run of a multirun begins


def register_resolvers() -> None:
    OmegaConf.register_new_resolver("ai_root", lambda: str(platform.root()), replace=True)
    OmegaConf.register_new_resolver("process_id", os.getpid, replace=True)
    OmegaConf.register_new_resolver("manual", manual.text, replace=True)


def _no_output(error: OSError) -> UserError:
    return UserError(f"{error.filename}: {error.strerror}: the output must be a folder that can be written to")


def _report(error: UserError) -> int:
    for mistake in error.mistakes:
        line = "".join(char if char.isprintable() else repr(char)[1:-1] for char in mistake)
        print(f"train.py: error: {line}", file=sys.stderr)
    return error.exit_code
