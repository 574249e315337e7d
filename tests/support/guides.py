"""Run the commands that the guides show, each page in a clone of its own, and compare what they print.

    make docs                                               every page that has examples
    make docs ARGUMENTS="docs/sweeps.md docs/data.md"       some pages
    make docs ARGUMENTS="--write docs/sweeps.md"            put what is printed today into the page

In a ``console`` block a line that starts with ``$ `` is a command, and the lines below it are what it prints. Numbers,
ids and blanks are compared loosely. ``…`` stands for what is left out: alone on a line for any number of lines.
"""

import argparse
import difflib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

PROJECT = Path(__file__).parents[2]
CONSOLE = re.compile(r"(?<=^```console\n).*?(?=^```$)", re.DOTALL | re.MULTILINE)
PROMPT, ANYTHING, END = "$ ", "…", "<<'END'"
LOOSE = re.compile(r"\b(?=[a-f]*\d)[0-9a-f]{7,40}\b|\d+(?:[.,]\d+)*(?:e[+-]?\d+)?")
FOREIGN = ("AI_ROOT", "MLFLOW_", "MODELMAKER_", "TRIALMAKER_", "MAKE", "MFLAGS", "PYTEST_")
COMMAND_SECONDS, SERVER_SECONDS, QUIET_SECONDS, STOP_SECONDS = 600, 60, 3, 20


@dataclass
class Example:
    """A command, which may have several lines, and the lines that the page shows below it."""

    command: str
    lines: list[str] = field(default_factory=list)

    def is_unfinished(self) -> bool:
        """Return whether the command goes on in the next line."""
        return self.command.endswith("\\") or (END in self.command and not self.command.endswith("\nEND"))

    def __str__(self) -> str:
        """Return what stands in the page."""
        return "".join(f"{line}\n" for line in (PROMPT + self.command, *self.lines))


def examples(block: str) -> list[Example]:
    """Return the examples of a ``console`` block."""
    found: list[Example] = []
    for line in block.splitlines():
        if found and found[-1].is_unfinished():
            found[-1].command += f"\n{line}"
        elif line.startswith(PROMPT):
            found.append(Example(line.removeprefix(PROMPT)))
        else:
            found[-1].lines.append(line)
    return found


def align(shown: Sequence[str], printed: Sequence[str]) -> list[str] | None:
    """Return the page's lines with the printed values in them; None where other text was printed."""
    groups = (r"((?:.*\n)*?)" if line == ANYTHING else f"({_pattern(line)}\n)" for line in shown)
    match = re.fullmatch("".join(groups), "".join(f"{_loosened(line)}\n" for line in printed))
    if not match:
        return None
    lines, at = [], 0
    for line, text in zip(shown, match.groups(), strict=True):
        lines.append(line if ANYTHING in line else printed[at])
        at += text.count("\n")
    return lines


def _pattern(line: str) -> str:
    return ".*".join(re.escape(_loosened(part)) for part in line.split(ANYTHING))


def _loosened(line: str) -> str:
    return re.sub(r"\s+|[-─━]{2,}", "", LOOSE.sub("0", line))


class Page:
    """A page whose commands run one after the other in one folder."""

    def __init__(self, path: Path, folder: Path) -> None:
        self.path, self.folder = path, folder
        self.servers: list[subprocess.Popen[bytes]] = []
        self.differences: list[str] = []
        paths = [Path(sys.executable).parent, *os.environ["PATH"].split(os.pathsep)]
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        own = {"PYTHONPATH": str(folder / "src"), "COLUMNS": "100", "TMPDIR": str(folder.parent)}
        self.environment = inherited | own | {"PATH": os.pathsep.join(map(str, paths))}

    def run(self) -> str:
        """Run its commands; return its text with what they printed."""
        try:
            return CONSOLE.sub(lambda block: "".join(map(str, self._run_block(block[0]))), self.path.read_text("utf-8"))
        finally:
            for server in self.servers:
                _end(server)

    def _run_block(self, block: str) -> Iterator[Example]:
        for example in examples(block):
            print(f"  $ {example.command}".replace("\n", "\n    "), flush=True)
            lines = self._printed(example.command)
            aligned = align(example.lines, lines)
            if aligned is None:
                self.differences += difflib.unified_diff(example.lines, lines, str(self.path), example.command, n=99)
            yield Example(example.command, lines if aligned is None else aligned)

    def _printed(self, command: str) -> list[str]:
        with tempfile.TemporaryFile(dir=self.folder.parent) as log:
            process = subprocess.Popen(
                ["bash", "-c", command.removesuffix(" &")], cwd=self.folder, env=self.environment, stdout=log,
                stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
            self.servers.append(process)
            if command.endswith(" &"):
                _wait_until_quiet(process, log.fileno())
            else:
                process.wait(COMMAND_SECONDS)
            text = os.pread(log.fileno(), 1 << 24, 0).decode().replace(str(self.folder), ANYTHING)
        return "\n".join(line.rstrip() for line in text.splitlines()).strip("\n").splitlines()


def _wait_until_quiet(process: subprocess.Popen[bytes], log: int) -> None:
    """Wait until a server has said what it says at its start."""
    deadline, since, size = time.monotonic() + SERVER_SECONDS, time.monotonic(), 0
    while time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.2)
        if os.fstat(log).st_size != size:
            since, size = time.monotonic(), os.fstat(log).st_size
        if size and time.monotonic() - since > QUIET_SECONDS:
            return


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextmanager
def clone() -> Iterator[Path]:
    """Yield a clone of the checkout, uncommitted changes included, that has MNIST and no output."""
    with tempfile.TemporaryDirectory(prefix="guides-") as scratch:
        folder = Path(scratch, "TrialMaker")
        subprocess.run(["git", "clone", "--quiet", "--shared", str(PROJECT), str(folder)], check=True)
        listing = ["git", "ls-files", "--modified", "--others", "--exclude-standard"]
        changed = subprocess.run(listing, cwd=PROJECT, check=True, capture_output=True, text=True).stdout.splitlines()
        for name in changed:
            if (PROJECT / name).is_file() and not (PROJECT / name).is_symlink():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(PROJECT / name, folder / name)
        if changed:
            who = ["-c", "user.name=guides", "-c", "user.email=guides@localhost"]
            subprocess.run(["git", "add", "--all"], cwd=folder, check=True)
            subprocess.run(["git", *who, "commit", "--quiet", "--allow-empty", "-m", "changes"], cwd=folder, check=True)
        mnist = Path(os.environ.get("TRIALMAKER_MNIST") or PROJECT / "workspace" / "input" / "data")
        if not mnist.is_dir():
            way_on = "where python train.py data.download=true puts them"
            sys.exit(f"guides: error: MNIST is needed: TRIALMAKER_MNIST=DIR, or its files in {mnist}, {way_on}")
        shutil.copytree(mnist, folder / "workspace" / "input" / "data")
        yield folder


def main() -> int:
    """Run the pages that the command line names, by default all; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="put what is printed into the pages")
    parser.add_argument("pages", nargs="*", type=Path, help="(default: README.md and docs/*.md)")
    args = parser.parse_args()
    code = 0
    for path in args.pages or [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]:
        if CONSOLE.search(path.read_text("utf-8")):
            print(f"{path}:", flush=True)
            with clone() as folder:
                page = Page(path, folder)
                text = page.run()
            print(*page.differences, sep="\n")
            code = 1 if page.differences and not args.write else code
            if args.write:
                path.write_text(text, "utf-8")
    return code


if __name__ == "__main__":
    sys.exit(main())
