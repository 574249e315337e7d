"""The end of a multirun that is no study: what its runs have reached, side by side."""

from collections.abc import Collection, Iterator
from pathlib import Path

from omegaconf import OmegaConf

from trialmaker.errors import printable
from trialmaker.platform.redaction import without_password
from trialmaker.platform.regular_files import read_text
from trialmaker.platform.run_result import RESULT_FILE, read_result
from trialmaker.platform.run_summary import ComparedRun, summary_lines


def end_lines(directory: Path, earlier: Collection[Path]) -> Iterator[str]:
    """Yield the summary of a multirun's runs; nothing where there are not several.

    Args:
        directory: the multirun's, with a folder for each run.
        earlier: folders of its runs that may lie elsewhere, since they went on there.
    """
    files = {*directory.rglob(RESULT_FILE), *(folder / RESULT_FILE for folder in earlier)}
    runs = [run for path in files if (run := _read(path))]
    if len(runs) > 1:
        runs.sort(key=lambda run: (run.result.started_at, len(run.place), run.place))
        yield from map(printable, summary_lines(runs))


def _read(path: Path) -> ComparedRun | None:
    result = read_result(path)
    if result is None:
        return None
    overrides = OmegaConf.create(read_text(path.parent / ".hydra" / "overrides.yaml"))
    words = [without_password(str(word)).partition("=") for word in overrides]
    return ComparedRun({name.lstrip("+"): value for name, _, value in words}, result, str(path.parent))
