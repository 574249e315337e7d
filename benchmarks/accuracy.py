"""Test accuracy of the recorded recipes over seeds: mean and standard deviation, and how long each training takes.

python benchmarks/accuracy.py [recipe ...] [--seeds 5] [--override precision=float32 ...]

A training is the recipe's command with one seed more, in a workspace of its own. Its seconds are those of its loop, and
those of the whole command.
"""

import argparse
import statistics
from collections.abc import Sequence

from support.measure import PROJECT
from support.recipes import Training, threads, train

RECIPES = sorted(path.stem for path in PROJECT.glob("conf/experiment/*.yaml"))


def main() -> None:
    """Measure the recipes that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("recipes", nargs="*", metavar="recipe", help=f"of {', '.join(RECIPES)}; all by default")
    parser.add_argument("--seeds", type=int, default=5, help="how many, counted from --first-seed")
    parser.add_argument("--first-seed", type=int, default=0, help="the first of them")
    parser.add_argument("--override", nargs="*", default=[], help="what else to change, as for train.py")
    args = parser.parse_args()
    if unknown := [recipe for recipe in args.recipes if recipe not in RECIPES]:
        parser.error(f"{unknown[0]}: must be one of {', '.join(RECIPES)}")
    for recipe in args.recipes or RECIPES:
        measure(recipe, range(args.first_seed, args.first_seed + args.seeds), args.override)


def measure(recipe: str, seeds: Sequence[int], overrides: Sequence[str]) -> None:
    """Train a recipe once for each seed; print a line for each, and one for all."""
    trainings = []
    for seed in seeds:
        overrides_of_data = ["data=digits"] if recipe.startswith("digits") else []
        trainings.append(train(recipe, seed, [*overrides_of_data, *overrides]))
        print(f"{recipe} seed {seed}: {in_words(trainings[-1])}", flush=True)
    values = [100 * training.accuracy for training in trainings]
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    print(
        f"{recipe}: {statistics.mean(values):.3f} % ± {spread:.3f} ({min(values):.2f} to {max(values):.2f})", end="; "
    )
    for what, field in (("training", "seconds"), ("command", "command_seconds")):
        seconds = [getattr(training, field) for training in trainings]
        print(f"{what} {statistics.median(seconds):.2f} s ({min(seconds):.2f} to {max(seconds):.2f})", end="; ")
    print(f"{threads()} threads", flush=True)


def in_words(training: Training) -> str:
    """Return what a training reached and took, on a line."""
    seconds = f"{training.seconds:.2f} s of training, {training.command_seconds:.1f} s of the command"
    return f"{100 * training.accuracy:.2f} %, {seconds}"


if __name__ == "__main__":
    main()
