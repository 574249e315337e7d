"""The code's commit and the packages of a training, in a file beside its journal: read where the training runs."""

import importlib.metadata
import json
from functools import lru_cache
from pathlib import Path

from trialmaker.platform import atomic_files, git
from trialmaker.platform.regular_files import read_text

TAG_CHARACTERS = 5000  # of a tag's value; MLflow 3 takes 8000, older servers fewer


def environment(path: Path, project: Path | None) -> tuple[dict[str, str], str]:
    """Return MLflow's tags of the code, and the packages as pip writes them; nothing where neither is known.

    Args:
        path: of the file, which is read if it is there.
        project: the code's directory, to be described and written to the file; None for a run of elsewhere.
    """
    try:
        values = json.loads(read_text(path))
        return {str(name): str(value) for name, value in values["tags"].items()}, str(values["requirements"])
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        pass
    if project is None:
        return {}, ""
    tags, requirements = _git_tags(project), _requirements()
    atomic_files.write_text(path, json.dumps({"tags": tags, "requirements": requirements}, indent=1) + "\n")
    return tags, requirements


def _git_tags(project: Path) -> dict[str, str]:
    """Return the commit and the files that differ from it; nothing outside a checkout."""
    checkout = git.state(project)
    if not checkout.commit:
        return {}
    return {
        "mlflow.source.git.commit": checkout.commit,
        "trialmaker.git.uncommitted": "yes" if checkout.changes else "no",
        **({"trialmaker.git.changes": checkout.changes[:TAG_CHARACTERS]} if checkout.changes else {}),
    }


@lru_cache
def _requirements() -> str:
    """Return every installed package, one a line, as pip writes it."""
    packages = {f"{package.name}=={package.version}" for package in importlib.metadata.distributions()}
    return "\n".join(sorted(packages, key=str.lower)) + "\n"
