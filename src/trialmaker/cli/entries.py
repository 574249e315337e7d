"""The commands of an installed package, where there is no checkout with boot files to run."""

import runpy

from trialmaker.platform import paths


def train() -> None:
    """Run ``trialmaker-train``: ``python train.py`` of a checkout."""
    _run("train.py")


def predict() -> None:
    """Run ``trialmaker-predict``: ``python predict.py`` of a checkout."""
    _run("predict.py")


def _run(boot_file: str) -> None:
    runpy.run_path(str(paths.PROJECT / boot_file), run_name="__main__")
