"""The mistakes that exceptions of the operating system and of TensorFlow stand for: no space, no memory, no output."""

import errno
import shutil
from collections.abc import Iterable
from pathlib import Path

from trialmaker.errors import UserError, one_line
from trialmaker.platform import paths
from trialmaker.platform.run_result import check_present
from trialmaker.platform.system_errors import is_lack_of_memory, is_lack_of_space

# What goes wrong when a person names an output that cannot be one. ENOENT is not among them: that may be a bug.
OUTPUT_ERRORS = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.EEXIST}
RUN_BYTES = 8_000_000  # what a run leaves beside its model: MLflow's store, logs, pictures
MAX_REASON_CHARACTERS = 200


def explain(error: Exception, outputs: Iterable[Path]) -> UserError | None:
    """Return the mistake that an exception stands for; None for a bug.

    Args:
        error: any exception.
        outputs: the output directories of the runs that have begun; none before that.
    """
    outputs = list(outputs)
    if isinstance(error, UserError):
        return error
    if mistake := no_space(error, outputs):
        return mistake
    if is_lack_of_memory(error):
        way_on = "take a smaller training.batch_size, model or training.max_examples, or a machine with more"
        return UserError(f"not enough memory ({one_line(error, MAX_REASON_CHARACTERS)}): {way_on}")
    if isinstance(error, OSError) and (not outputs or error.errno in OUTPUT_ERRORS):
        return _unusable(error)
    return None


def gone(directory: Path) -> UserError | None:
    """Return the mistake of a run whose directory was removed; None where it is there."""
    try:
        check_present(directory)
    except UserError as error:
        return error
    return None


def no_space(error: Exception, outputs: Iterable[Path]) -> UserError | None:
    """Return the mistake that an exception for want of space stands for; None for any other exception."""
    if isinstance(error, UserError) or not is_lack_of_space(error):
        return None
    return _more_space(Path(str(getattr(error, "filename", None) or next(iter(outputs), paths.root() / "output"))))


def check_space(output: Path) -> None:
    """Refuse an output directory that has less space than the smallest run needs.

    Raises:
        UserError: it has.
    """
    if shutil.disk_usage(output).free < RUN_BYTES:
        raise _more_space(output)


def _more_space(place: Path) -> UserError:
    folder = next(folder for folder in (place, *place.parents) if folder.is_dir())
    free = f"{shutil.disk_usage(folder).free / 1e6:.1f} MB free"
    needs = f"a run needs {RUN_BYTES / 1e6:.0f} MB and five times the size of its model"
    return UserError(f"{place}: no space left ({free}): {needs}; make space, or choose another output=…")


def _unusable(error: OSError) -> UserError:
    place = Path(str(error.filename))
    law = "the output must be a folder that can be written to"
    law = "it must be readable" if place.is_relative_to(paths.root() / "input") else law
    return UserError(f"{error.filename}: {error.strerror}: {law}")
