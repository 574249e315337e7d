"""MNIST: the places and spellings of its files, and the message for every mistake."""

import re
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trialmaker.data import mnist, mnist_files
from trialmaker.data.npz import read_npz
from trialmaker.data.splits import Dataset
from trialmaker.errors import UserError

Arrays = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
Write = Callable[..., Path]


ARGUMENTS = {"download": False, "mirrors": (), "validation_fraction": 0.2, "split_seed": 0}


def load(directory: Path, *, download: bool = False, mirrors: tuple[str, ...] = (), fraction: float = 0.2) -> Dataset:
    return mnist.load(
        directory=directory, download=download, mirrors=mirrors, validation_fraction=fraction, split_seed=0
    )


def write_npz(path: Path, arrays: Arrays) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **dict(zip(("x_train", "y_train", "x_test", "y_test"), arrays, strict=True)))


def test_the_real_one(real_mnist: Path) -> None:
    before = time.process_time()
    dataset = load(real_mnist, fraction=1 / 12)
    assert time.process_time() - before < 2  # seconds of CPU; 0.3 where nothing else runs
    assert [len(part) for part in (dataset.train, dataset.validation, dataset.test)] == [55_000, 5_000, 10_000]
    assert dataset.input_shape == (28, 28, 1)
    assert dataset.class_names == ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")
    assert dataset.name == "mnist"
    assert dataset.source == str(real_mnist.absolute())
    assert np.bincount(dataset.test.labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert dataset.train.labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert float(dataset.test.images.mean()) == pytest.approx(33.79, abs=0.01)


def test_types_and_splits(tmp_path: Path, write_mnist: Write, digits_like: Arrays) -> None:
    dataset = load(write_mnist(tmp_path))
    for part, count in ((dataset.train, 80), (dataset.validation, 20), (dataset.test, 20)):
        assert part.images.shape == (count, 28, 28, 1)
        assert part.images.dtype == np.uint8
        assert part.images.flags.c_contiguous
        assert part.labels.shape == (count,)
        assert part.labels.dtype == np.int32
    assert np.bincount(dataset.validation.labels).tolist() == [2] * 10
    np.testing.assert_array_equal(dataset.test.images[..., 0], digits_like[2])
    np.testing.assert_array_equal(dataset.test.labels, digits_like[3])


def test_without_a_validation_split(tmp_path: Path, write_mnist: Write, digits_like: Arrays) -> None:
    dataset = load(write_mnist(tmp_path), fraction=0)
    assert len(dataset.validation) == 0
    assert dataset.validation.images.shape == (0, 28, 28, 1)
    np.testing.assert_array_equal(dataset.train.images[..., 0], digits_like[0])


@pytest.mark.parametrize("below", [".", "MNIST_data", "MNIST/raw", "a/b/c", "mit Leerzeichen/手写数字"])
@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("dotted", [True, False])
def test_places_and_spellings(below: str, zipped: bool, dotted: bool, tmp_path: Path, write_mnist: Write) -> None:
    folder = write_mnist(tmp_path / below, zipped=zipped, dotted=dotted)
    assert load(tmp_path).source == str(folder)


def test_plain_and_zipped_mixed(tmp_path: Path, write_mnist: Write) -> None:
    write_mnist(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 20, *[3] * 20]))
    assert load(tmp_path).test.labels.tolist() == [3] * 20  # the plain file is taken where there are both


def test_kaggle_has_folders_with_the_names_of_files(tmp_path: Path, write_mnist: Write) -> None:
    write_mnist(tmp_path, zipped=False, dotted=True)
    for file in mnist_files.PUBLISHED_FILES:
        (tmp_path / file.name.removesuffix(".gz")).mkdir()
    assert len(load(tmp_path).test) == 20


def test_the_nearest_folder_is_taken(tmp_path: Path, write_mnist: Write) -> None:
    near, _ = write_mnist(tmp_path / "near"), write_mnist(tmp_path / "far" / "away")
    assert load(tmp_path).source == str(near)


def test_links_are_followed_and_lead_to_one_place(tmp_path: Path, write_mnist: Write) -> None:
    write_mnist(tmp_path / "elsewhere")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "v1").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "data" / "latest").symlink_to("v1")
    (tmp_path / "data" / "circle").symlink_to(tmp_path / "data")
    assert len(load(tmp_path / "data").test) == 20


def test_too_deep_or_hidden_is_not_found(tmp_path: Path, write_mnist: Write) -> None:
    write_mnist(tmp_path / "a" / "b" / "c" / "d")
    write_mnist(tmp_path / ".cache")
    with pytest.raises(UserError, match=r"^no data set: "):
        load(tmp_path)


def test_two_of_one_level(tmp_path: Path, write_mnist: Write) -> None:
    """torchvision puts MNIST/raw beside FashionMNIST/raw, with the same names."""
    fashion, digits = write_mnist(tmp_path / "FashionMNIST" / "raw"), write_mnist(tmp_path / "MNIST" / "raw")
    with pytest.raises(UserError) as error:
        load(tmp_path)
    choices = "fashion-mnist and mnist-like: say which one, such as data.variant=fashion-mnist"
    assert str(error.value) == f"{tmp_path} holds {choices}"
    assert mnist.load(**ARGUMENTS, directory=tmp_path, variant="fashion_mnist").source == str(fashion)
    assert mnist.load(**ARGUMENTS, directory=tmp_path, variant="mnist-like").source == str(digits)


def test_two_that_only_their_folders_tell_apart(tmp_path: Path, write_mnist: Write) -> None:
    one, two = write_mnist(tmp_path / "1"), write_mnist(tmp_path / "2")
    with pytest.raises(UserError) as error:
        load(tmp_path)
    assert str(error.value) == f"mnist-like lies in {one} and in {two}: say which one to use as data.directory"


WAYS_ON = (
    "; expected MNIST, Fashion-MNIST, EMNIST, KMNIST, QMNIST or Kaggle's train.csv, under their published names or "
    "zipped: put them there, or name their folder as data.directory, or download MNIST with data.download=true, "
    "or use the small digits that come with scikit-learn: data=digits; class folders of pictures are data=images"
)


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        load(tmp_path)
    assert str(error.value) == f"no data set: {tmp_path} is empty{WAYS_ON}"


def test_no_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as error:
        load(Path("data"))
    assert str(error.value) == f"no data set: {tmp_path}/data is no readable folder{WAYS_ON}"


def test_one_of_four_is_missing(tmp_path: Path, write_mnist: Write) -> None:
    write_mnist(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(UserError) as error:
        load(tmp_path)
    names = "t10k-images-idx3-ubyte.gz, train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz"
    lacking = f"{tmp_path}/t10k-images-idx3-ubyte.gz lies there without its test labels"
    assert str(error.value) == f"no data set: {tmp_path} holds {names}; {lacking}{WAYS_ON}"


def test_a_sub_folder_that_may_not_be_read_is_passed_over(
    tmp_path: Path, write_mnist: Write, request: pytest.FixtureRequest
) -> None:
    write_mnist(tmp_path / "data" / "MNIST" / "raw")
    (tmp_path / "data" / "lost+found").mkdir(mode=0)
    request.getfixturevalue("unprivileged")
    assert len(load(tmp_path / "data").test) == 20


@pytest.mark.parametrize(
    "mode, message",
    [
        pytest.param(0o000, "{}: expected a readable folder, found: Permission denied", id="neither"),
        pytest.param(0o111, "{}: expected a readable folder, found: Permission denied", id="not to be listed"),
        pytest.param(0o444, f"no data set: {{}} is empty{WAYS_ON}", id="not to be looked into"),
    ],
)
def test_a_directory_that_may_not_be_read(
    mode: int, message: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    folder.chmod(mode)
    request.getfixturevalue("unprivileged")
    with pytest.raises(UserError) as error:
        load(folder)
    assert str(error.value) == message.format(folder)


# Index of a file (train images, train labels, test images, test labels), its content, the message.
WRONG = {
    "counts differ": (1, np.zeros(99), "{1}: expected 100 labels, one for each image in {0}, found 99"),
    "shapes differ": (2, np.zeros((20, 28, 27)), "{2}: expected images of 28 x 28 as in {0}, found 28 x 27"),
    "a label of 10": (3, [*range(10), 10, *range(9)], "{3}: expected labels 0..9, found 10 at index 10"),
    "no images": (0, np.zeros((0, 28, 28)), "{0}: expected at least one image with pixels, found [0, 28, 28]"),
    "no pixels": (2, np.zeros((20, 0, 28)), "{2}: expected at least one image with pixels, found [20, 0, 28]"),
    "labels for images": (
        0,
        np.zeros(100),
        "{0}: expected an IDX file of dimension 3, found one of dimension 1; "
        "fetch it again, or name another data.directory",
    ),
}


@pytest.mark.parametrize("index, array, message", WRONG.values(), ids=WRONG)
def test_files_that_do_not_fit(index: int, array: object, message: str, tmp_path: Path, write_mnist: Write) -> None:
    write_mnist(tmp_path, replace={index: np.asarray(array)})
    with pytest.raises(UserError) as error:
        load(tmp_path)
    paths = [str(tmp_path / file.name) for file in mnist_files.PUBLISHED_FILES]
    assert str(error.value) == message.format(*paths)


def test_npz(tmp_path: Path, digits_like: Arrays) -> None:
    write_npz(tmp_path / "keras" / "mnist.npz", digits_like)
    dataset = load(tmp_path)
    assert dataset.source == str(tmp_path / "keras" / "mnist.npz")
    assert dataset.train.images.shape == (80, 28, 28, 1)
    np.testing.assert_array_equal(dataset.test.images[..., 0], digits_like[2])


def test_npz_and_files_hold_the_same(tmp_path: Path, write_mnist: Write, digits_like: Arrays) -> None:
    write_npz(tmp_path / "npz" / "mnist.npz", digits_like)
    one, other = load(tmp_path / "npz"), load(write_mnist(tmp_path / "files"))
    np.testing.assert_array_equal(one.validation.images, other.validation.images)
    np.testing.assert_array_equal(one.validation.labels, other.validation.labels)


NPZ_DAMAGE = {
    "empty": (b"", "found: No data left in file"),
    "text": (b"hello", "found: This file contains pickled (object) data"),
    "cut off": (None, "found: File is not a zip file"),
}


@pytest.mark.parametrize("content, message", NPZ_DAMAGE.values(), ids=NPZ_DAMAGE)
def test_npz_damage(content: bytes | None, message: str, tmp_path: Path, digits_like: Arrays) -> None:
    path = tmp_path / "mnist.npz"
    write_npz(path, digits_like)
    path.write_bytes(path.read_bytes()[:-100] if content is None else content)
    with pytest.raises(UserError) as error:
        load(tmp_path)
    expected = "an .npz archive with x_train, y_train, x_test, y_test"
    assert str(error.value).startswith(f"{path}: expected {expected}, {message}")
    assert "\n" not in str(error.value)


def test_npz_with_pickles_is_refused(tmp_path: Path, digits_like: Arrays) -> None:
    write_npz(tmp_path / "mnist.npz", (np.array([{}], dtype=object), *digits_like[1:]))
    with pytest.raises(UserError, match=r"Object arrays cannot be loaded when allow_pickle=False$"):
        load(tmp_path)


def test_npz_with_a_lying_header(tmp_path: Path) -> None:
    """An archive may claim an array of a petabyte."""
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (1000000000000000,), }".ljust(117) + b"\n"
    with zipfile.ZipFile(tmp_path / "mnist.npz", "w") as archive:
        archive.writestr("x_train.npy", b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header)
    with pytest.raises(UserError, match=r"expected an \.npz archive .*, found: Unable to allocate"):
        load(tmp_path)


@settings(deadline=None, max_examples=100)
@given(data=st.data())
def test_npz_mutations(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "mutated.npz"
    np.savez_compressed(path, one=np.arange(60, dtype=np.uint8).reshape(5, 12), other=np.arange(5))
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content)
    try:
        arrays = read_npz(path, ["one", "other"])
    except UserError as error:
        assert "\n" not in str(error)
    else:
        assert all(array.dtype.kind in "iu" for array in arrays)


def test_npz_of_other_things(tmp_path: Path, digits_like: Arrays) -> None:
    path = tmp_path / "mnist.npz"
    np.savez(path, images=digits_like[0])
    with pytest.raises(UserError, match=r"found: 'x_train is not a file in the archive'$"):
        load(tmp_path)
    write_npz(path, (digits_like[0] / 255, *digits_like[1:]))
    with pytest.raises(UserError, match=f"^{re.escape(str(path))}: expected integers in x_train, found float64$"):
        load(tmp_path)
    write_npz(path, (digits_like[0].astype(np.int64), *digits_like[1:]))
    with pytest.raises(UserError) as error:
        load(tmp_path)
    assert str(error.value) == (f"x_train in {path}: expected images as uint8 [N, H, W], found int64 [100, 28, 28]")
    write_npz(path, (digits_like[0], digits_like[1].astype(np.int64) - 1, *digits_like[2:]))
    with pytest.raises(UserError) as error:
        load(tmp_path)
    assert str(error.value) == f"y_train in {path}: expected labels 0..9, found -1 at index 0"


def test_download(tmp_path: Path, real_mnist: Path, mirrors: Callable[..., object]) -> None:
    mirror = mirrors()
    for file in mnist_files.PUBLISHED_FILES:
        mirror.serve(f"/mnist/{file.name}", (real_mnist / file.name).read_bytes())
    directory = tmp_path / "input" / "data"
    assert len(load(directory, download=True, mirrors=(f"{mirror.url}mnist",), fraction=0).train) == 60_000
    assert sorted(path.name for path in directory.iterdir()) == sorted(
        file.name for file in mnist_files.PUBLISHED_FILES
    )
    (directory / "t10k-labels-idx1-ubyte.gz").unlink()
    mirror.requests.clear()
    load(directory, download=True, mirrors=(f"{mirror.url}mnist/",))
    assert mirror.requests == ["/mnist/t10k-labels-idx1-ubyte.gz"]  # only what is missing
    load(directory, download=True, mirrors=())  # all there: nothing to ask for


def test_a_download_is_never_mixed_with_other_files(tmp_path: Path, write_mnist: Write) -> None:
    write_mnist(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(UserError) as error:
        load(tmp_path, download=True, mirrors=("http://127.0.0.1:9/",))
    path = tmp_path / "train-images-idx3-ubyte.gz"
    mistake = "expected MNIST's own file, found other bytes"
    assert str(error.value) == f"{path}: {mistake}; to download MNIST, name another data.directory"


def test_what_is_there_is_not_downloaded(tmp_path: Path, write_mnist: Write) -> None:
    assert len(load(write_mnist(tmp_path), download=True, mirrors=("http://127.0.0.1:9/",)).test) == 20
