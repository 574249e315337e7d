"""Train, kill at any instant, start again, until done; then compare all that is left with an uninterrupted run.

make soak ARGUMENTS="--rounds 30 --sweep-rounds 10 --seed 0 --keep FOLDER"

A kill takes the whole process group, the training process alone, or the tracking process alone; of a sweep all
processes, the supervisor, or a worker. The first rounds kill at random instants; the last third, and at least one for
each phase, go for the phases and targets that were hit least. A kill that falls into several phases at once (a step,
while a checkpoint is written) counts in each.
"""

import argparse
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from soak.disk.disk import COMPILER, environment
from soak.kills import PHASES
from soak.rounds import (
    Command,
    Round,
    count,
    play,
    random_plans,
    rarest,
    remove,
    run_command,
    sweep_command,
    targeted_plans,
)


def main() -> int:
    """Soak a run and a sweep; return 0 where every round is identical and every phase was hit."""
    args = _arguments()
    folder = args.keep or Path(tempfile.mkdtemp(prefix="soak-", dir=args.folder))
    folder.mkdir(parents=True, exist_ok=True)
    print(f"soak: seed {args.seed}, in {folder}", flush=True)
    results = [
        _soak(make(folder), rounds, args.seed, is_kept=bool(args.keep))
        for make, rounds in ((run_command, args.rounds), (sweep_command, args.sweep_rounds))
        if rounds
    ]
    if not args.no_disk:
        results.append(_fill_disks(folder / "disk", args.sites))
    if all(results) and not args.keep:
        shutil.rmtree(folder)
    return 0 if all(results) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make soak", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=30, help="of one run (default: 30)")
    parser.add_argument("--sweep-rounds", type=int, default=10, help="of a sweep of two workers (default: 10)")
    parser.add_argument("--seed", type=int, default=0, help="of what is killed when (default: 0)")
    parser.add_argument("--no-disk", action="store_true", help="leave out the full disks")
    parser.add_argument("--sites", nargs="*", metavar="NAME", help="of the full disks (default: all)")
    parser.add_argument(
        "--keep", type=Path, metavar="FOLDER", help="keep all outputs there; else only what differs is kept"
    )
    parser.add_argument(
        "--folder", type=Path, help="for the outputs meanwhile (default: the system's for temporary files)"
    )
    return parser.parse_args()


def _fill_disks(folder: Path, sites: Sequence[str] | None) -> bool:
    """Train on disks that are full for one place after another; return whether all went well."""
    if COMPILER is None:
        print("full disks: left out, since there is no C compiler")
        return True
    folder.mkdir(parents=True)
    words = [sys.executable, "-m", "soak.disk", "--folder", str(folder)]
    words += ["--sites", *sites] if sites else []
    return subprocess.run(words, env=environment(folder), check=False).returncode == 0


def _soak(command: Command, rounds: int, seed: int, *, is_kept: bool) -> bool:
    """Play all rounds of a command, with a line each; print the table of kills; return whether all went well."""
    reference = _reference(command)
    if reference is None:
        return False
    source, played = random.Random(f"{seed} {command.name}"), list[Round]()
    seconds = reference.attempts[0].seconds
    for number in range(1, rounds + 1):
        if number <= rounds - max(rounds // 3, len(PHASES)):
            plans = random_plans(command, source, seconds)
        else:
            plans = targeted_plans(command, source, *rarest(command, played))
        began = time.monotonic()
        one = play(command, f"round-{number:02}", plans, reference.picture)
        played.append(one)
        if not one.kills and not one.differences:
            seconds = one.attempts[0].seconds  # the machine is no longer as busy as it was with the reference
        _print_round(number, one, time.monotonic() - began)
        if not (is_kept or one.differences):
            remove(one)
    return _print_summary(command, played)


def _reference(command: Command) -> Round | None:
    """Return the uninterrupted run, after a second one has shown that two such runs are identical."""
    reference = play(command, "reference", [], None)
    if not reference.differences:
        again = play(command, "reference-again", [], reference.picture)
        reference.differences += again.differences
    is_good = not reference.differences
    length = f"{len(reference.picture)} values, {reference.attempts[0].seconds:.1f} s"
    print(f"{command.name}: reference {'twice the same' if is_good else 'DIFFERS from itself'}: {length}", flush=True)
    for line in reference.differences:
        print(f"    {line}")
    return reference if is_good else None


def _print_round(number: int, one: Round, seconds: float) -> None:
    kills = "; ".join(f"{kill.plan} in {'+'.join(kill.phases)}" for kill in one.kills) or "no kill"
    verdict = f"{len(one.differences)} DIFFERENCES, kept in {one.root.parent}" if one.differences else "identical"
    print(f"round {number}: {verdict}; {len(one.attempts)} attempts, {seconds:.0f} s: {kills}", flush=True)
    for line in one.differences:
        print(f"    {line}")


def _print_summary(command: Command, played: Sequence[Round]) -> bool:
    counts = count(command, played)
    print(f"\n{'kills of the ' + command.name:<20}" + "".join(f"{target:>12}" for target in command.targets))
    for phase in PHASES:
        print(f"{phase:<20}" + "".join(f"{counts[phase, target]:>12}" for target in command.targets))
    total: Callable[[str], int] = lambda phase: sum(counts[phase, target] for target in command.targets)  # noqa: E731
    missed = [phase for phase in PHASES if not total(phase)]
    identical = sum(not one.differences for one in played)
    kills = sum(len(one.kills) for one in played)
    print(f"{command.name}: {identical} of {len(played)} identical after {kills} kills", flush=True)
    if missed:
        print(f"{command.name}: no kill in {', '.join(missed)}", flush=True)
    return identical == len(played) and not missed


if __name__ == "__main__":
    sys.exit(main())
