"""``python -m trialmaker best``."""

from pathlib import Path

import click

from trialmaker.cli.command_class import PATH, Command
from trialmaker.errors import UserError
from trialmaker.platform import paths

HELP = """\
Print the command that repeats the best trial of a study; or write it as a recipe; or train it with several seeds.

STUDY is the study's name, such as mlp_mnist, or the name or path of its file, such as mlp, if that holds one study.
"""
EXAMPLES = ("best mlp_mnist", "best mlp_mnist --write mine", "best mlp_mnist --seeds 5")
WRITE_HELP = (
    "Write the recipe NAME, for train.py experiment=NAME: conf/experiment/NAME.yaml, and of an installed package"
    " input/config/experiment/NAME.yaml in its root."
)


@click.command("best", cls=Command, help=HELP, short_help="the best trial of a study", examples=EXAMPLES)
@click.argument("study")
@click.option(
    "--storage", metavar="URL", help="The study's storage, if it is no file of the output: hydra.sweeper.storage."
)
@click.option("--trial", type=int, metavar="N", help="Another trial than the best, such as one of a Pareto front.")
@click.option("--output", type=PATH, metavar="DIR", help="The output with the study (default: workspace/output).")
@click.option("--write", metavar="NAME", help=WRITE_HELP)
@click.option("--seeds", type=int, metavar="N", help="Train it with the seeds 0 to N-1; print mean and spread.")
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
