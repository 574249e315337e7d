"""The training entry: command line in, exit code out."""

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


def train() -> int:
    """Run what ``sys.argv`` asks for.

    Returns:
        0 done; 2 the person's mistake, on standard error, a line each; 1 a bug, with its traceback; 130 Ctrl-C.
    """
    register_resolvers()
    os.environ["HYDRA_FULL_ERROR"] = "1"  # else Hydra prints exceptions itself, and ends with 1
    try:
        arguments.check(sys.argv[1:], platform.CONF)
        hydra.main(version_base="1.3", config_path=str(platform.CONF), config_name="config")(_job)()
    except UserError as error:
        return _report(error)
    except (HydraException, OmegaConfBaseException) as error:
        return _report(arguments.explain(error, sys.argv[1:]))
    except KeyboardInterrupt:
        print("stopped by Ctrl-C", file=sys.stderr)
        return 130
    except Exception:
        traceback.print_exc()
        return 1
    return 0


def _job(composed: DictConfig) -> float:
    """One run. Its value, the best objective, is what a sweeper optimizes."""
    from trialmaker import launch

    run_directory = Path(HydraConfig.get().runtime.output_dir)
    try:
        return launch.run(config.load(composed), run_directory=run_directory)
    except UserError as error:
        raise SystemExit(_report(error)) from error  # Hydra would call an exception a bug of the job


def register_resolvers() -> None:
    OmegaConf.register_new_resolver("ai_root", lambda: str(platform.root()), replace=True)
    OmegaConf.register_new_resolver("process_id", os.getpid, replace=True)
    OmegaConf.register_new_resolver("manual", manual.text, replace=True)


def _report(error: UserError) -> int:
    for mistake in error.mistakes:
        print(f"train.py: error: {mistake}", file=sys.stderr)
    return error.exit_code
