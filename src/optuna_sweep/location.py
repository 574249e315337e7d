"""Where a study is stored, for readers that need no Optuna."""

import re
from pathlib import Path
from typing import Any


def name_and_place(hydra: Any) -> tuple[str, str]:
    """A study's name and where it lies, from the config's ``hydra`` node."""
    name = str(hydra.sweeper.study_name or hydra.job.name)
    place = str(hydra.sweeper.storage or Path(hydra.runtime.cwd, "studies", f"{name}.log"))
    return name, place if "://" in place else str(Path(place).absolute())


def displayed(place: str) -> str:
    """A place as people may see it: without its password."""
    scheme, separator, rest = place.partition("://")
    access, at, host = rest.rpartition("@")
    hidden = f"{scheme}{separator}{access.partition(':')[0]}{':***' if ':' in access else ''}{at}{host}"
    return re.sub(r"([?&]password=)[^&]*", r"\1***", hidden) if separator else place
