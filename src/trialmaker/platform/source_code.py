"""The code that runs here, as far as it can differ from another machine's."""

import hashlib
from functools import lru_cache
from pathlib import Path

from trialmaker.platform import paths

CODE_DIGEST = "the digest of src/ and train.py"  # what it is called where instances compare it


@lru_cache
def digest(project: Path) -> str:
    """Return a digest of the project's modules, committed or not; what else lies beside them does not count."""
    content = hashlib.sha256()
    # an installed package has its modules elsewhere
    base, modules = (paths.SOURCE, paths.PACKAGE) if paths.IS_INSTALLED else (project, project / "src")
    for path in [base / "train.py", *sorted(modules.rglob("*.py"))]:
        if path.is_file():
            content.update(f"{path.relative_to(base)} {path.stat().st_size}\n".encode())
            content.update(path.read_bytes())
    return content.hexdigest()[:12]
