"""The directory of each command's runs, claimed by creating it.

Hydra derives it from the time, and creates it whether it is there or not. Two containers may have one output, one clock
and one process id.
"""

from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from trialmaker.config.arguments import values
from trialmaker.platform import paths


class DirectoryClaims(Callback):
    """Hydra's callback that gives a command another directory where the one that it would take is there.

    A directory whose name does not come from the time is a person's choice, and taken as it is.
    """

    claimed: ClassVar[list[Path]] = []

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        """Claim the directory of a run."""
        _claim(config, "hydra.run.dir")

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Claim the directory that holds those of a multirun's jobs; a study that is only looked at needs none."""
        if not config.hydra.sweeper.get("dry_run"):
            _claim(config, "hydra.sweep.dir")


def event_directory(directory: Path, output: Path) -> Path:
    """Return where the events for TensorBoard go of a run in a directory below an output's ``logs``."""
    return output / "tensorboard" / paths.run_name(directory, output)


def discard_unused() -> None:
    """Remove the claimed directories in which nothing has been written: the command was refused."""
    while DirectoryClaims.claimed:
        with suppress(OSError):
            DirectoryClaims.claimed.pop().rmdir()


def _claim(config: DictConfig, key: str) -> None:
    """Claim a directory; where its name is taken, change it in the config, and in those composed from it later."""
    group = OmegaConf.select(config, key.rpartition(".")[0])
    pattern = str(OmegaConf.to_container(group, resolve=False)["dir"])  # type: ignore[index, call-overload]
    if "${now:" not in pattern:
        return
    wanted = Path(group.dir).absolute()
    with suppress(OSError):  # Hydra gets it again, and it is explained there
        claimed = paths.claim_directory(wanted)
        DirectoryClaims.claimed.append(claimed)
        if ending := claimed.name.removeprefix(wanted.name):
            group.dir = pattern + ending  # with the output in it, which the jobs of a multirun may change
            config.hydra.overrides.hydra.append(f"{key}={values.quoted(pattern + ending)}")
