"""``python -m trialmaker best``."""

from pathlib import Path

import click

from trialmaker.cli.command_class import PATH, Command
from trialmaker.errors import UserError
from trialmaker.platform import paths

HELP = """\
Print the command that repeats the best trial of a study, or write a recipe for it, or run it with many seeds.

STUDY is its name, such as mlp_digits, or the name or path of its file, such as mlp, if that holds one study.
"""
WRITE_HELP = "Write conf/experiment/NAME.yaml; of an installed package, input/config/experiment/NAME.yaml in its root."


@click.command("best", cls=Command, help=HELP, short_help="the best trial of a study")
@click.argument("study")
@click.option("--storage", metavar="URL", help="Where it lies, if not in a file: hydra.sweeper.storage of the study.")
@click.option("--trial", type=int, metavar="N", help="Another trial than the best, such as one of a Pareto front.")
@click.option("--output", type=PATH, metavar="DIR", help="Where studies/ lies (default: workspace/output).")
@click.option("--write", metavar="NAME", help=WRITE_HELP)
@click.option("--seeds", type=int, metavar="N", help="Run it with the seeds 0 to N-1; mean and spread.")
def command(
    study: str, storage: str | None, trial: int | None, output: Path | None, write: str | None, seeds: int | None
) -> int:
    """Execute the command; return the exit code."""
    from trialmaker.analysis import best_trial, recipe  # Optuna takes a while to import

    words = best_trial.overrides(study, output or paths.root() / "output", storage, trial)
    if seeds is not None and seeds < 1:
        raise UserError(f"--seeds {seeds}: must be at least 1")
    if write:
        path = recipe.write_recipe(write, words)
        print(f"wrote {path}; to run it: {paths.train_command()} experiment={write}")
    if seeds:
        return best_trial.run_with_seeds(words, seeds)
    if not write:
        print(recipe.command(words))
    return 0
