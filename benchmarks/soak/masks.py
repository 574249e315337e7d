"""Texts in which what may differ between two runs is masked: places, ids, times, versions' numbers."""

import re
from pathlib import Path
from typing import Any

TIMES = {"seconds", "examples_per_second"}  # metrics, by name
# Fields of records in which times, ids and numbers stand.
VARYING_FIELDS = re.compile(
    r"(^|_)(time|seconds|timestamp|timestamp_ms|at|pid|process_id|host|began|version|versions|attempts?|uuid|run_key)$"
    r"|examples_per_second|^offset$|^event_files$|model_size_bytes|resumed|^said_|_bytes$|_sizes?$"
)
OF_CHECKOUT = re.compile(r"\.git\.")  # tags, of code that a person may go on with meanwhile
# Of a study: they tell in which order trials ended, and when MLflow answered.
OF_ORDER = {"versions", "model_version", "model_directory", "mlflow_run_id"}
PATTERNS = (
    (r"\d{4}-\d\d-\d\d[_T ]\d\d[-:]\d\d[-:]\d\d(?:[.,]\d+)?(?:[+-]\d\d:\d\d|Z)?", "TIME"),
    (r"(?<=TIME_)(\w+?)_\d+(?=\b|_\d+\b)", r"\1_PID"),
    (r"\b(m-)?[0-9a-f]{32}\b", r"\1ID"),
    (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "ID"),
    (r"\bseconds=[\d.]+", "seconds=S"),
    (r"\bmodel/\d+", "model/N"),
    (r"\bcheckpoint-\d+", "checkpoint-N"),
    (r"tfevents\.\d+\..*", "tfevents"),
    (r"(?<=_time_created: ).*", "TIME"),
    (r"(?<=_time_secs: ).*", "TIME"),
    (r"(?<=model_size_bytes: ).*", "BYTES"),
)
COMPILED = tuple((re.compile(pattern), replacement) for pattern, replacement in PATTERNS)


class Masks:
    """What masks the texts of one output.

    Args:
        roots: AI_ROOT, and those of outputs that it was copied from.

    Attributes:
        names: of directories and ids that shall be told apart, such as those of several runs.
    """

    def __init__(self, *roots: Path) -> None:
        self.roots = [str(root) for root in roots]
        self.names: dict[str, str] = {}
        self.is_study = (roots[0] / "output" / "studies").exists()
        for file in roots[0].glob("output/logs/*/.hydra/overrides.yaml"):
            if match := re.search(r"^- name=(.*)$", file.read_text(), re.MULTILINE):
                self.names[file.parents[1].name] = f"directory of {match[1]}"

    def text(self, text: str) -> str:
        """Return a text with what may differ masked."""
        for root in self.roots:
            text = text.replace(root, "ROOT")
        for identifier, name in self.names.items():
            text = text.replace(identifier, name)
        for pattern, replacement in COMPILED:
            text = pattern.sub(replacement, text)
        return text

    def value(self, value: Any, field: str = "") -> Any:
        """Return a JSON value with what may differ masked, field by field."""
        if self.is_study and field in OF_ORDER:
            return "MASKED"
        if isinstance(value, dict) and field == "versions":  # by number, which counts what was published meanwhile
            return [self.value(one) for one in value.values()]
        if OF_CHECKOUT.search(field) or (VARYING_FIELDS.search(field) and value is not None):
            return "MASKED"
        if isinstance(value, dict):
            return {self.text(str(name)): self.value(one, str(name)) for name, one in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(one) for one in value]
        return self.text(value) if isinstance(value, str) else value
