"""Benchmarks, each in a process of its own, and then the table of what they say.

python benchmarks/run.py [--all | --list | --table] [name ...]

Without names: those of the table, which ask what a person would ask before choosing this project. A benchmark that
fails does not end the others; the exit code is 1 then.
"""

import argparse
import ast
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from support import table
from support.measure import mnist

FOLDER = Path(__file__).resolve().parent
QUESTIONS = ("epoch", "to_accuracy", "start", "sweep", "serving", "tracking_cost", "memory", "written")  # of the table


def find_benchmarks() -> dict[str, Path]:
    """Return the benchmarks by name, in alphabetical order."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.py")) if path != Path(__file__).resolve()}


def summary(path: Path) -> str:
    """Return the first line of a benchmark's docstring."""
    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")[0]


def run(names: Sequence[str], benchmarks: dict[str, Path]) -> list[str]:
    """Run the benchmarks in this order; return the names of those that failed."""
    failures = []
    for number, name in enumerate(names, start=1):
        print(f"== {name} ({number} of {len(names)}): {summary(benchmarks[name])}", flush=True)
        table.forget(name)
        start = time.monotonic()
        code = subprocess.run([sys.executable, benchmarks[name]], check=False).returncode
        print(f"== {name}: {f'failed with exit code {code}' if code else 'done'}", end=" ")
        print(f"after {(time.monotonic() - start) / 60:.1f} minutes", flush=True)
        failures += [name] if code else []
    return failures


def main() -> None:
    """Run or list the benchmarks; exit with 1 where one fails, with 2 for an unknown name or without MNIST."""
    benchmarks = find_benchmarks()
    parser = argparse.ArgumentParser(description=summary(Path(__file__)))
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(benchmarks)}")
    parser.add_argument("--all", action="store_true", help="run those too that are not in the table")
    parser.add_argument("--list", action="store_true", help="print each name and what it measures")
    parser.add_argument("--table", action="store_true", help="print the table of the last runs")
    args = parser.parse_args()
    names = args.names or [*QUESTIONS, *(name for name in benchmarks if args.all and name not in QUESTIONS)]
    if unknown := [name for name in names if name not in benchmarks]:
        parser.error(f"{unknown[0]}: must be one of {', '.join(benchmarks)}")
    if args.list:
        for name in args.names or benchmarks:
            print(f"{name:<18} {summary(benchmarks[name])}")
        return
    if not args.table and not any(mnist().glob("*")):
        parser.error(f"{mnist()} holds no files: put MNIST's four files there, or say where: TRIALMAKER_MNIST=DIR")
    failures = [] if args.table else run(names, benchmarks)
    print(table.markdown(names), end="", flush=True)
    if failures:
        sys.exit(f"failed: {', '.join(failures)}")


if __name__ == "__main__":
    main()
