"""All benchmarks of this folder, or those named, each in a process of its own.

python benchmarks/run.py [--list] [name ...]

They run in alphabetical order, or in the order of the names, and stop at the first that fails.
"""

import argparse
import ast
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent


def find_benchmarks() -> dict[str, Path]:
    """Return the benchmarks by name, in alphabetical order."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.py")) if path != Path(__file__).resolve()}


def summary(path: Path) -> str:
    """Return the first line of a benchmark's docstring."""
    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")[0]


def main() -> None:
    """Run or list the benchmarks; exit with 1 where one fails, with 2 for an unknown name."""
    benchmarks = find_benchmarks()
    parser = argparse.ArgumentParser(description=summary(Path(__file__)))
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(benchmarks)}; all by default")
    parser.add_argument("--list", action="store_true", help="print each name and what it measures")
    args = parser.parse_args()
    names = args.names or list(benchmarks)
    if unknown := [name for name in names if name not in benchmarks]:
        parser.error(f"{unknown[0]}: must be one of {', '.join(benchmarks)}")
    for name in names:
        if args.list:
            print(f"{name:<14} {summary(benchmarks[name])}")
            continue
        print(f"== {name}", flush=True)
        code = subprocess.run([sys.executable, benchmarks[name]], check=False).returncode
        if code:
            sys.exit(f"{name} failed with exit code {code}")


if __name__ == "__main__":
    main()
