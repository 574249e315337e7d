"""The end of a process that has TensorFlow: what is registered for it happens, but nothing is taken down."""

import subprocess
import sys

import pytest

CODE = """
import atexit, sys
from trialmaker.platform import process_end
{start}

class Held:
    def __del__(self): print("taken down")

process_end.begin()
atexit.register(print, "registered")
sys.modules["tensorflow"] = held = Held()
print("buffered", end=" ")
{end}
"""


CAUGHT = """
def main():
    process_end.exit_with(5)
try: main()
except SystemExit: pass
"""


@pytest.mark.parametrize(
    ("end", "code", "output"),
    [
        (CAUGHT, 0, "buffered registered\ntaken down\n"),
        ("process_end.exit_with(3)", 3, "buffered registered\n"),
        ("sys.exit(4)", 4, "buffered registered\ntaken down\n"),
        ("del sys.modules['tensorflow']; process_end.exit_with(0)", 0, "buffered registered\ntaken down\n"),
    ],
)
def test_a_process_that_is_told_its_exit_code_ends_at_once(end: str, code: int, output: str) -> None:
    assert run(CODE.replace("{start}", "").replace("{end}", end)) == (code, output)


def test_what_was_registered_before_is_called_too() -> None:
    start = "atexit.register(print, 'registered before')"
    code = CODE.replace("{start}", start).replace("{end}", "process_end.exit_with(3)")
    assert run(code) == (3, "buffered registered\nregistered before\ntaken down\n")


def run(code: str) -> tuple[int, str]:
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    return done.returncode, done.stdout
