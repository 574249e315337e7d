"""Checks of Keras' files of weights before Keras reads them: they hold numbers, and no more than they are large.

What else such a file may hold is never looked at: the config of a ``.keras`` file describes layers to build, of any
size, some of them with code.
"""

import io
import zipfile
from pathlib import Path

import h5py

from trialmaker.platform.regular_files import open_regular
from trialmaker.platform.unpacking import check_unpacked

WEIGHTS_ENTRY = "model.weights.h5"  # of a .keras file, which is a zip archive
BOUNDED_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others unpack without a bound
MAX_OBJECTS = 20_000  # groups and datasets: a layer has about four


def weight_count(path: Path) -> int | None:
    """Check a file of weights, and return how many it has, of which Keras ignores surplus ones.

    Args:
        path: a ``.keras``, ``.weights.h5`` or older ``.h5`` file.

    Returns:
        the number; None for an older ``.h5`` file, of which Keras counts the layers itself.

    Raises:
        UserError: it unpacks to far more than it is, or than memory has room for.
        OSError, ValueError, KeyError, zipfile.BadZipFile, …: it is damaged, or no such file.
    """
    if path.suffix != ".keras":
        with h5py.File(path) as file:
            return _count(file, path.stat().st_size)
    with open_regular(path) as stream, zipfile.ZipFile(stream) as archive:
        info = archive.getinfo(WEIGHTS_ENTRY)
        if info.compress_type not in BOUNDED_METHODS:
            raise ValueError(f"{WEIGHTS_ENTRY} is packed by another method than deflate")
        check_unpacked(f"init_model={path}", info.file_size, packed=info.compress_size, copies=2)
        content = archive.read(info)
    with h5py.File(io.BytesIO(content)) as file:
        return _count(file, len(content))


def _count(file: h5py.File, size: int) -> int | None:
    """Check that all datasets of a file lie in it as they are; return the number of weights."""
    names: list[str] = []
    total = objects = 0

    def check(name: str, item: h5py.Dataset | h5py.Group) -> None:
        nonlocal total, objects
        objects += 1
        if objects > MAX_OBJECTS:
            raise ValueError(f"it has more than {MAX_OBJECTS} entries")
        if not isinstance(item, h5py.Dataset):
            return
        if item.external or item.is_virtual or item.chunks is not None:
            raise ValueError(f"{name} is packed, or lies elsewhere: save it as Keras does")
        total += item.nbytes
        if item.nbytes > item.id.get_storage_size() or total > size:
            raise ValueError(f"{name} says to have {item.nbytes} bytes, which are not there")
        if name.startswith("layers/") and "seed_generator" not in name:
            names.append(name)

    if name := file.visititems_links(lambda name, link: None if isinstance(link, h5py.HardLink) else name):
        raise ValueError(f"{name} is a link to elsewhere")
    file.visititems(check)
    return len(names) if "layers" in file else None
