"""A disk that is full for chosen files: writes to them fail at the system call with ENOSPC, in all processes."""

import os
import shutil
import subprocess
from pathlib import Path

SOURCE = Path(__file__).resolve().with_name("full.c")
PROJECT = Path(__file__).resolve().parents[3]
PAGE_BYTES = 4096
PATTERN_AT = 8
COMPILER = shutil.which("cc") or shutil.which("gcc")


def environment(folder: Path) -> dict[str, str]:
    """Compile what is preloaded; return the environment of a process that can meet a full disk.

    Args:
        folder: for the library and the page that names the files.
    """
    library, page = folder / "full.so", folder / "full"
    page.write_bytes(bytes(PAGE_BYTES))
    subprocess.run([str(COMPILER), "-shared", "-fPIC", "-O1", "-o", library, SOURCE, "-ldl"], check=True)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    preload = {"LD_PRELOAD": str(library), "TRIALMAKER_SOAK_FULL": str(page), "TF_CPP_MIN_LOG_LEVEL": "3"}
    return inherited | preload | {"PYTHONPATH": f"{PROJECT / 'benchmarks'}:{PROJECT / 'src'}"}


class Disk:
    """The disk of this process and of those that it starts, by ``environment``'s environment."""

    def __init__(self) -> None:
        self.page = Path(os.environ["TRIALMAKER_SOAK_FULL"])

    def fill(self, pattern: str, spare: int) -> None:
        """Have no space for files whose path matches a pattern of ``fnmatch``, after so many more writes to them."""
        self._write(spare.to_bytes(4, "little") + bytes(4) + pattern.encode().ljust(PAGE_BYTES - PATTERN_AT, b"\0"))

    def free(self) -> int:
        """Have space again; return how many writes have failed."""
        failed = int.from_bytes(self.page.read_bytes()[4:PATTERN_AT], "little")
        self._write(bytes(PAGE_BYTES))
        return failed

    def _write(self, content: bytes) -> None:
        with self.page.open("r+b", buffering=0) as file:  # in place: it is mapped
            file.write(content)
