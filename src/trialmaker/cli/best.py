"""``python -m trialmaker best``."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from trialmaker.errors import UserError
from trialmaker.platform import paths

HELP = "the best trial of a study"
DESCRIPTION = """\
Print the command that repeats the best trial of a study, or write a recipe for it, or run it with
many seeds.
"""


def add_arguments(parser: ArgumentParser) -> None:
    """What may follow the command."""
    add = parser.add_argument
    add("study", metavar="STUDY", help="its name, such as mlp, or the path of its file")
    add("--storage", metavar="URL", help="where it lies, if that is no file: hydra.sweeper.storage of the study")
    add("--trial", type=int, metavar="N", help="another trial than the best one, such as one of a Pareto front")
    add("--output", type=Path, default=paths.root() / "output", metavar="DIR", help="where studies/ lies")
    add("--write", metavar="NAME", help="write conf/experiment/NAME.yaml")
    add("--seeds", type=int, metavar="N", help="run it with the seeds 0 to N-1; mean and spread")


def run(asked: Namespace) -> int:
    """Run it."""
    from trialmaker.analysis import best_trial, recipe  # Optuna takes a while to import

    words = best_trial.overrides(asked.study, asked.output, asked.storage, asked.trial)
    if asked.seeds is not None and asked.seeds < 1:
        raise UserError(f"--seeds {asked.seeds}: must be at least 1")
    if asked.write:
        print(f"wrote {recipe.write_recipe(asked.write, words)}; to run it: python train.py experiment={asked.write}")
    if asked.seeds:
        return best_trial.run_with_seeds(words, asked.seeds)
    if not asked.write:
        print(recipe.command(words))
    return 0
