"""Data that unpacks to far more than it is: refused before it is unpacked, in a line; what is merely large is read."""

import gzip
import io
import resource
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trialmaker.data import image_folders, mnist
from trialmaker.data.archives import ZipMember
from trialmaker.data.idx import read_idx
from trialmaker.data.image_decoding import FILE_FORMATS, decode
from trialmaker.data.npz import read_npz
from trialmaker.data.pixel_tables import read_pixel_table
from trialmaker.errors import UserError

ROOM = 600 * 1024**2  # that a test may allocate: a bomb that goes off is a MemoryError
CPU_SECONDS = 2.0  # until a bomb is refused


@contextmanager
def little_room() -> Iterator[None]:
    """Have the kernel give this process no more than `ROOM` beyond what it has."""
    size = next(
        int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if "VmSize:" in line
    )
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (1024 * size + ROOM, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)


def refusal(read: Callable[[], object]) -> str:
    """The one line by which something is refused in time, and in little memory."""
    with little_room():
        before = time.thread_time()
        with pytest.raises(UserError) as caught:
            read()
        assert time.thread_time() - before < CPU_SECONDS
    assert len(caught.value.mistakes) == 1 and "\n" not in str(caught.value)
    return str(caught.value)


def zeros(begin: bytes, size: int, wbits: int) -> bytes:
    """A stream that unpacks to ``begin`` and so many zeros, packed as densely as deflate can."""
    packer = zlib.compressobj(9, wbits=wbits)
    chunk = bytes(1 << 20)
    parts = [packer.compress(begin), *(packer.compress(chunk) for _ in range(size >> 20))]
    return b"".join([*parts, packer.compress(bytes(size % (1 << 20))), packer.flush()])


def idx_header(count: int) -> bytes:
    return b"\0\0\x08\3" + b"".join(size.to_bytes(4, "big") for size in (count, 1024, 1024))


def npy_header(count: int) -> bytes:
    stream = io.BytesIO()
    header = {"descr": "|u1", "fortran_order": False, "shape": (count, 1024, 1024)}
    np.lib.format.write_array_header_1_0(stream, header)
    return stream.getvalue()


def write_zip(path: Path, name: str, begin: bytes, size: int, method: int = zipfile.ZIP_DEFLATED) -> None:
    with zipfile.ZipFile(path, "w", method) as archive, archive.open(name, "w", force_zip64=True) as entry:
        entry.write(begin)
        for _ in range(size >> 20):
            entry.write(bytes(1 << 20))


def test_a_gzipped_idx_file_that_unpacks_to_a_thousand_times_its_size(tmp_path: Path) -> None:
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(zeros(idx_header(80), 80 << 20, 31))
    assert refusal(lambda: read_idx(path, ndim=3)) == (
        f"{path}: unpacks from {path.stat().st_size} bytes to 0.1 GB, expected at most 100 times as much; "
        "leave it out, or unpack it yourself if you trust it"
    )


def test_an_npz_array_that_unpacks_to_a_thousand_times_its_size(tmp_path: Path) -> None:
    path = tmp_path / "mnist.npz"
    write_zip(path, "x_train.npy", npy_header(80), 80 << 20)
    assert f"x_train.npy in {path}: unpacks from " in refusal(lambda: read_npz(path, ["x_train"]))


@pytest.mark.parametrize("read", [lambda file: read_idx(file, ndim=3), read_pixel_table, lambda f: read_npz(f, ["a"])])
def test_a_zip_archive_that_unpacks_to_a_thousand_times_its_size(read: Callable, tmp_path: Path) -> None:
    write_zip(tmp_path / "a.zip", "file", b"", 80 << 20)
    assert f"file in {tmp_path}/a.zip: unpacks from " in refusal(lambda: read(ZipMember(tmp_path / "a.zip", "file")))


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_an_archive_packed_by_what_has_no_bound(method: int, tmp_path: Path) -> None:
    write_zip(tmp_path / "a.zip", "train.csv", b"", 30 << 20, method)
    text = refusal(lambda: read_pixel_table(ZipMember(tmp_path / "a.zip", "train.csv")))
    assert text.endswith("expected it packed by deflate, found another method; unpack the archive")


def test_a_plain_file_with_more_than_memory_has_room_for(tmp_path: Path) -> None:
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(idx_header(2000))
    with path.open("r+b") as file:
        file.truncate(16 + (2000 << 20))
    assert f"{path}: takes 4.2 GB of memory, expected at most the " in refusal(lambda: read_idx(path, ndim=3))


def test_a_table_with_a_line_that_never_ends(tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    path.write_text("label," + ",".join(f"pixel{n}" for n in range(16)) + "\n" + ",".join("0" * 17) + "\n")
    with path.open("r+b") as file:
        file.truncate(200 << 20)
    refusal(lambda: read_pixel_table(path))


def test_labels_without_columns(tmp_path: Path) -> None:
    names = ("qmnist-train-images-idx3-ubyte", "qmnist-train-labels-idx2-int",
             "qmnist-test-images-idx3-ubyte", "qmnist-test-labels-idx2-int")  # fmt: skip
    for name in names:
        sizes, code = ((2, 2, 2), 8) if "images" in name else ((2, 0), 12)
        header = bytes([0, 0, code, len(sizes)]) + b"".join(size.to_bytes(4, "big") for size in sizes)
        (tmp_path / name).write_bytes(header + bytes(8 if code == 8 else 0))
    fields = {"download": False, "mirrors": [], "validation_fraction": 0.1, "split_seed": 0}
    assert "expected labels as [N, 8], found [2, 0]" in refusal(lambda: mnist.load(directory=tmp_path, **fields))


def test_what_is_packed_densely_and_small_is_read(tmp_path: Path) -> None:
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(idx_header(20) + bytes(20 << 20)))
    assert read_idx(path, ndim=3).shape == (20, 1024, 1024)


def png(width: int, height: int) -> bytes:
    chunks = [
        (b"IHDR", width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 0, 0, 0, 0])),
        (b"IDAT", zeros(b"", height * (width + 1), 15)),
        (b"IEND", b""),
    ]
    parts = [len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")
             for kind, data in chunks]  # fmt: skip
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("size", [(10_000, 8_000), (100_000_000, 1)], ids=["memory", "pixels"])
def test_a_picture_of_more_pixels_than_there_is_room_for(size: tuple[int, int], tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png(*size))
    text = refusal(lambda: decode(path, image_size=(28, 28), channels=3, formats=FILE_FORMATS))
    assert text.startswith(f"{path}: takes 1.3 GB") or "100000000 pixels, more than 89478485" in text


def test_a_photo_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.new("RGB", (5000, 4000), "red").save(path)
    assert decode(path, image_size=(28, 28), channels=3, formats=FILE_FORMATS).shape == (28, 28, 3)


FRACTIONS = {"validation_fraction": 0.1, "test_fraction": 0.1, "split_seed": 0}


@pytest.mark.parametrize("law", ["expected pictures", "expected at least 3 pictures", "expected one of the classes"])
def test_twenty_thousand_wrong_class_folders_are_one_line(law: str, tmp_path: Path) -> None:
    count = 20_000 if law == "expected pictures" else 20
    (tmp_path / "1.png").write_bytes(png(2, 2))
    for number in range(count):
        folder = tmp_path / ("test" if "one of" in law else "train") / str(number)
        folder.mkdir(parents=True)
        if law != "expected pictures":
            (folder / "1.png").hardlink_to(tmp_path / "1.png")
    for name in ("a", "b") if "one of" in law else ():
        (tmp_path / "train" / name).mkdir(parents=True)
        (tmp_path / "train" / name / "1.png").hardlink_to(tmp_path / "1.png")
    with pytest.raises(UserError) as caught:
        image_folders.load(directory=tmp_path, image_size=(8, 8), channels=1, **FRACTIONS)
    assert law in str(caught.value) and len(caught.value.mistakes) == 1
    assert str(caught.value).endswith(f"; and {count - 1} more like it")
