"""read_idx: valid files, the message for each kind of damage, and arbitrary bytes."""

import gzip
import os
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from trialmaker.data.idx import INT32, read_idx
from trialmaker.errors import UserError

LABELS = bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 8, 9])
AGAIN = "; fetch it again, or name another data.directory"


def test_labels(tmp_path: Path) -> None:
    path = tmp_path / "labels"
    path.write_bytes(LABELS)
    labels = read_idx(path, ndim=1)
    assert labels.dtype == np.uint8
    assert labels.tolist() == [7, 8, 9]


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("idx") / "file"


@settings(deadline=None, max_examples=100)
@given(
    array=arrays(np.uint8, array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=6)),
    zipped=st.booleans(),
)
def test_what_was_written_is_read(
    array: np.ndarray, zipped: bool, scratch: Path, idx_bytes: Callable[..., bytes]
) -> None:
    scratch.write_bytes(idx_bytes(array, zipped=zipped))
    back = read_idx(scratch, ndim=array.ndim)
    assert back.dtype == np.uint8
    assert back.shape == array.shape
    assert back.flags.c_contiguous
    np.testing.assert_array_equal(back, array)


DAMAGE = {
    "empty": (b"", "an IDX file, found an empty one"),
    "empty, gzipped": (gzip.compress(b""), "an IDX file, found an empty one"),
    "a web page": (b"<!DOCTYPE html>", "an IDX file, which starts with 00 00 08 01, found 3c 21 44 4f"),
    "one byte": (b"\0", "an IDX file, which starts with 00 00 08 01, found 00"),
    "only zeros": (bytes(20), "IDX type code 08 (uint8), found 00 (unknown)"),
    "floats": (b"\0\0\x0d\1" + LABELS[4:], "IDX type code 08 (uint8), found 0d (float32)"),
    "images": (b"\0\0\x08\3" + LABELS[4:], "an IDX file of dimension 1, found one of dimension 3"),
    "half a magic number": (LABELS[:3], "an IDX header of 8 bytes, found 3 bytes"),
    "half a header": (LABELS[:6], "an IDX header of 8 bytes, found 6 bytes"),
    "cut off": (LABELS[:-1], "3 bytes of data after the header, found 2 bytes"),
    "too long": (LABELS + b"\0", "3 bytes of data after the header, found more"),
    "too long, gzipped": (gzip.compress(LABELS + b"\0"), "3 bytes of data after the header, found more"),
    "a huge header": (b"\0\0\x08\1" + b"\xff" * 4, "4294967295 bytes of data after the header, found 0 bytes"),
    "gzip, cut off": (gzip.compress(LABELS)[:-9], "a whole gzip file, found a damaged one (it ends too early)"),
    "gzip, its sum cut off": (gzip.compress(LABELS)[:-1], "a whole gzip file, found a damaged one (it ends too early)"),
    "gzip, only its mark": (b"\x1f\x8b", "a whole gzip file, found a damaged one (it ends too early)"),
    "gzip and more": (gzip.compress(LABELS) + b"x", "a whole gzip file, found a damaged one (bytes follow its end)"),
    "gzip, wrong sum": (
        gzip.compress(LABELS)[:-8] + bytes(8),
        "a whole gzip file, found a damaged one (Error -3 while decompressing data: incorrect data check)",
    ),
}


@pytest.mark.parametrize("content, expected", DAMAGE.values(), ids=DAMAGE)
def test_damage(content: bytes, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "labels"
    path.write_bytes(content)
    with pytest.raises(UserError) as error:
        read_idx(path, ndim=1)
    assert str(error.value) == f"{path}: expected {expected}{AGAIN}"


def test_absurd_dimensions(tmp_path: Path) -> None:
    path = tmp_path / "images"
    for dimensions in ((2**32 - 1, 2**32 - 1, 2**32 - 1), (0, 2**32 - 1, 2**32 - 1)):
        path.write_bytes(b"\0\0\x08\3" + struct.pack(">3I", *dimensions))
        with pytest.raises(UserError) as error:
            read_idx(path, ndim=3)
        shape = " x ".join(map(str, dimensions))
        expected = "at most 8000000000 bytes of data"
        assert str(error.value) == f"{path}: expected {expected}, found a header for {shape}{AGAIN}"


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"\0\0\x08\1" + struct.pack(">I", 4_000_000_000), id="a header that promises 4 GB"),
        pytest.param(gzip.compress(b"\0\0\x08\1" + struct.pack(">I", 4_000_000_000)), id="the same, gzipped"),
        pytest.param(gzip.compress(LABELS + bytes(50_000_000), 1), id="50 MB in a small gzip file"),
    ],
)
def test_a_lie_costs_no_memory(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "labels"
    path.write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(UserError):
            read_idx(path, ndim=1)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_qmnist_labels_are_eight_columns_of_int32(tmp_path: Path) -> None:
    path = tmp_path / "labels"
    columns = np.arange(24).reshape(3, 8)
    path.write_bytes(b"\0\0\x0c\2" + struct.pack(">2I", 3, 8) + columns.astype(">i4").tobytes())
    labels = read_idx(path, ndim=2, type_code=INT32)
    assert labels.dtype == np.int32
    np.testing.assert_array_equal(labels, columns)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UserError, match=r"expected 3 x 8 x 4 bytes of data after the header, found 95 bytes"):
        read_idx(path, ndim=2, type_code=INT32)


def test_no_such_file(tmp_path: Path) -> None:
    path = tmp_path / "labels"
    with pytest.raises(UserError) as error:
        read_idx(path, ndim=1)
    assert str(error.value) == f"{path}: expected a readable file, found: No such file or directory"


def test_a_directory(tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        read_idx(tmp_path, ndim=1)
    assert str(error.value) == f"{tmp_path}: expected a file, found a directory"


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "labels"
    os.mkfifo(path)
    with pytest.raises(UserError) as error:
        read_idx(path, ndim=1)
    assert str(error.value) == f"{path}: expected a file, found a device or a pipe"


def test_a_link_in_a_circle(tmp_path: Path) -> None:
    path = tmp_path / "labels"
    path.symlink_to(path)
    with pytest.raises(UserError, match="expected a readable file, found: Too many levels of symbolic links"):
        read_idx(path, ndim=1)


def test_no_permission(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    path = tmp_path / "labels"
    path.write_bytes(LABELS)
    path.chmod(0)
    request.getfixturevalue("unprivileged")
    with pytest.raises(UserError) as error:
        read_idx(path, ndim=1)
    assert str(error.value) == f"{path}: expected a readable file, found: Permission denied"


def _array_or_user_error(path: Path, content: bytes, ndim: int) -> None:
    path.write_bytes(content)
    try:
        array = read_idx(path, ndim=ndim)
    except UserError as error:
        assert "\n" not in str(error)
    else:
        assert array.dtype == np.uint8
        assert array.ndim == ndim


@settings(deadline=None, max_examples=200)
@given(
    content=st.binary(max_size=64), ndim=st.integers(0, 4), prefix=st.sampled_from([b"", b"\0\0\x08", b"\x1f\x8b\x08"])
)
@example(content=bytes(64), ndim=3, prefix=b"\0\0\x08")
def test_any_bytes(content: bytes, ndim: int, prefix: bytes, scratch: Path) -> None:
    _array_or_user_error(scratch, prefix + content, ndim)
    _array_or_user_error(scratch, gzip.compress(prefix + content), ndim)


@settings(deadline=None, max_examples=300)
@given(data=st.data(), zipped=st.booleans())
def test_any_mutation(data: st.DataObject, zipped: bool, scratch: Path, idx_bytes: Callable[..., bytes]) -> None:
    content = bytearray(idx_bytes(np.arange(60).reshape(5, 4, 3), zipped=zipped))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content
    _array_or_user_error(scratch, bytes(content), 3)
