"""Where the weights lie that a training starts from; found before TensorFlow is imported."""

from pathlib import Path

from trialmaker.errors import UserError
from trialmaker.model_store.catalog import read_best
from trialmaker.model_store.versions import version_numbers


def find_weights(path: Path) -> Path:
    """Return the version's folder or the Keras file that a path means.

    Args:
        path: a version's folder, a folder of versions, an output with one in ``model/``, a ``.keras`` or ``.h5`` file,
            or a folder that holds just one such file.

    Raises:
        UserError: it means none, or several; or the record of the best version cannot be read.
    """
    if path.is_file():
        if path.suffix in (".keras", ".h5"):
            return path
        raise UserError(f"init_model={path}: expected a published model, or a .keras or .weights.h5 file")
    if not path.is_dir():
        raise UserError(f"init_model={path}: there is no such file or folder")
    for folder in (path, path / "model", path / "output" / "model"):
        if (folder / "saved_model.pb").is_file():
            return folder
        if numbers := version_numbers(folder):
            best = read_best(folder)
            return folder / str(best.version if best else numbers[-1])
    files = sorted(file for file in [*path.glob("*.keras"), *path.glob("*.h5")] if file.is_file())
    if len(files) == 1:
        return files[0]
    names = "several: " + ", ".join(file.name for file in files) if files else "none"
    raise UserError(f"init_model={path}: expected a published model, or one .keras or .weights.h5 file, found {names}")
