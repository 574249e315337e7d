"""Data sets in MNIST's form, under the names that they are published with: what is read, and what is said instead."""

import gzip
import io
import os
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from trialmaker.data import mnist
from trialmaker.data.mnist_family import PUBLISHED_CLASSES, identify
from trialmaker.data.splits import Dataset
from trialmaker.errors import UserError

COUNT, SIDE = 40, 6
PIXELS = np.random.default_rng(0).integers(0, 256, (COUNT, SIDE, SIDE), dtype=np.uint8)
FOUR = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
Files = Mapping[str, bytes]


def load(directory: Path, **changes: object) -> Dataset:
    fields = {"download": False, "mirrors": (), "validation_fraction": 0.2, "test_fraction": 0.2, "split_seed": 0}
    return mnist.load(directory=directory, **(fields | changes))  # type: ignore[arg-type]


def refusal(directory: Path, **changes: object) -> str:
    with pytest.raises(UserError) as error:
        load(directory, **changes)
    assert len(error.value.mistakes) == 1 and "\n" not in str(error.value)
    return str(error.value)


def labels(count: int, first: int = 0) -> np.ndarray:
    """``COUNT`` labels from ``first`` on, in turn, each at least twice."""
    return np.arange(COUNT) % min(count, COUNT // 2) + first


def idx(array: np.ndarray, code: int = 8) -> bytes:
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, code, array.ndim]) + sizes + array.astype({8: "u1", 12: ">i4"}[code]).tobytes()


def idx_files(prefix: str, values: np.ndarray, test: str = "test") -> Files:
    """Of pictures ``PIXELS``, for training and test the same."""
    parts = {"train": "train", "test": test}
    images = {f"{prefix}{part}-images-idx3-ubyte.gz": gzip.compress(idx(PIXELS)) for part in parts.values()}
    return images | {f"{prefix}{part}-labels-idx1-ubyte.gz": gzip.compress(idx(values)) for part in parts.values()}


def qmnist() -> Files:
    columns = np.column_stack([labels(10), *np.full((7, COUNT), 4000)])
    files = {name: content for name, content in idx_files("qmnist-", labels(10)).items() if "images" in name}
    return files | {f"qmnist-{part}-labels-idx2-int.gz": gzip.compress(idx(columns, 12)) for part in ("train", "test")}


def npz(**arrays: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


def kuzushiji(name: str, classes: int) -> Files:
    images = {f"{name}-{part}-imgs.npz": npz(arr_0=PIXELS) for part in ("train", "test")}
    return images | {f"{name}-{part}-labels.npz": npz(arr_0=labels(classes)) for part in ("train", "test")}


def table(values: np.ndarray | None, names: str | None = "pixel{}", pixels: np.ndarray = PIXELS) -> bytes:
    rows = pixels.reshape(COUNT, -1) if values is None else np.column_stack([values, pixels.reshape(COUNT, -1)])
    header = [names.format(number) for number in range(SIDE * SIDE)] if names else []
    header = ["label", *header] if names and values is not None else header
    return "".join(",".join(map(str, row)) + "\n" for row in [header, *rows.tolist()] if row).encode()


def zipped(files: Files) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def put(folder: Path, files: Files) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


KAGGLE = {"train.csv": table(labels(10)), "test.csv": table(None), "sample_submission.csv": b"ImageId,Label\n1,0\n"}
EMNIST = {
    name.removeprefix("emnist-"): idx_files(f"{name}-", labels(len(names), first))
    for name, (names, first) in PUBLISHED_CLASSES.items()
    if name.startswith("emnist-")
}
# What lies there; the name, the first classes, whether the pictures are turned.
READ: dict[str, tuple[Files, str, str, bool]] = {
    "EMNIST balanced": (EMNIST["balanced"], "emnist-balanced", "0123456789ABC", True),
    "EMNIST byclass": (EMNIST["byclass"], "emnist-byclass", "0123456789ABC", True),
    "EMNIST letters, from 1": (EMNIST["letters"], "emnist-letters", "ABCDEFGHIJ", True),
    "EMNIST digits": (idx_files("emnist-digits-", labels(10)), "emnist-digits", "0123456789", True),
    "EMNIST of Kaggle": (
        {f"emnist-letters-{part}.csv": table(labels(26, 1), None) for part in ("train", "test")},
        "emnist-letters",
        "ABCDEFGHIJ",
        True,
    ),
    "KMNIST": (kuzushiji("kmnist", 10), "kmnist", "おきすつなはまやれを", False),
    "KMNIST as IDX": (
        {f"KMNIST/raw/{name}": content for name, content in idx_files("", labels(10), "t10k").items()},
        "kmnist",
        "おきすつなはまやれを",
        False,
    ),
    "K49": (kuzushiji("k49", 49), "k49", "あいうえお", False),
    "QMNIST": (qmnist(), "qmnist", "0123456789", False),
    "Fashion-MNIST of torchvision": (
        {f"FashionMNIST/raw/{name}": content for name, content in idx_files("", labels(10), "t10k").items()},
        "fashion-mnist",
        "T-shirt/top Trouser Pullover",
        False,
    ),
    "Fashion-MNIST of Kaggle": (
        {f"fashion-mnist_{part}.csv": table(labels(10), "pixel{}") for part in ("train", "test")},
        "fashion-mnist",
        "T-shirt/top Trouser Pullover",
        False,
    ),
    "another set in MNIST's form": (idx_files("", labels(10), "t10k"), "mnist-like", "0123456789", False),
    "Kaggle's digit recognizer": (KAGGLE, "train.csv", "0123456789", False),
    "the same, in its folder": (
        {f"digit-recognizer/{name}": content for name, content in KAGGLE.items()},
        "digit-recognizer",
        "0123456789",
        False,
    ),
}


@pytest.mark.parametrize("zip_name", ["", "archive.zip"])
@pytest.mark.parametrize("files, name, classes, is_turned", READ.values(), ids=READ)
def test_published_names_are_read(
    files: Files, name: str, classes: str, is_turned: bool, zip_name: str, tmp_path: Path
) -> None:
    put(tmp_path, {zip_name: zipped(files), "readme.txt": b""} if zip_name else files)
    before = sorted(tmp_path.rglob("*"))
    dataset = load(tmp_path)
    assert dataset.name == name
    expected = tuple(classes.split() if " " in classes else classes)
    assert dataset.class_names[: len(expected)] == expected
    upright = PIXELS.transpose(0, 2, 1) if is_turned else PIXELS
    images = np.concatenate([dataset.train.images, dataset.validation.images])[..., 0]
    assert {image.tobytes() for image in images} <= {image.tobytes() for image in upright}
    assert dataset.train.labels.min() == 0 and dataset.train.labels.max() < dataset.num_classes
    assert dataset.train.images.flags.c_contiguous and dataset.test.images.dtype == np.uint8
    assert sorted(tmp_path.rglob("*")) == before  # nothing is unpacked there


@pytest.mark.parametrize(
    "count, start, name",
    [
        (60_000, (9, 0, 0, 3, 0, 2, 7, 2, 5, 5), "fashion-mnist"),
        (42_000, (1, 0, 1, 4, 0, 0, 7, 3, 5, 3), "digit-recognizer"),
        (42_001, (1, 0, 1, 4, 0, 0, 7, 3, 5, 3), ""),
    ],
)
def test_published_labels_tell_the_set(count: int, start: tuple[int, ...], name: str) -> None:
    assert identify(np.array([*start, *np.arange(count - 10) % 10])) == name


def test_each_picture_keeps_its_label(tmp_path: Path) -> None:
    """Letters, which count from 1: picture n has the label n mod 20."""
    dataset = load(put(tmp_path, EMNIST["letters"]))
    for part in (dataset.train, dataset.validation, dataset.test):
        for image, label in zip(part.images[..., 0], part.labels, strict=True):
            (number,) = (n for n in range(COUNT) if (image == PIXELS[n].T).all())
            assert label == number % 20


def test_a_training_table_alone_gives_its_test_split(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    dataset, again = load(put(tmp_path, KAGGLE)), load(tmp_path, validation_fraction=0.1)
    assert [len(part) for part in (dataset.train, dataset.validation, dataset.test)] == [20, 10, 10]
    assert np.bincount(dataset.test.labels).tolist() == [1] * 10
    np.testing.assert_array_equal(dataset.test.images, again.test.images)
    line = "the test split is drawn from it, since no labelled test file lies beside it"
    assert caplog.messages[0] == f"{tmp_path / 'train.csv'}: {line}"


def test_several_sets_are_named_and_one_is_chosen(tmp_path: Path) -> None:
    published = {f"gzip/{name}": content for files in EMNIST.values() for name, content in files.items()}
    put(tmp_path, {"gzip.zip": zipped(published)})
    names = "emnist-balanced, emnist-byclass, emnist-bymerge and emnist-letters"
    assert refusal(tmp_path) == f"{tmp_path} holds {names}: say which one, such as data.variant=emnist-balanced"
    for variant in ("letters", "emnist-letters", "EMNIST_Letters"):
        assert load(tmp_path, variant=variant).name == "emnist-letters"
    others = "emnist-balanced, emnist-byclass, emnist-bymerge, emnist-letters"
    assert refusal(tmp_path, variant="digits") == f"data.variant=digits: {tmp_path} holds {others}"


def test_plain_files_come_before_their_zip_and_one_form_before_another(tmp_path: Path) -> None:
    put(tmp_path, idx_files("", labels(10), "t10k"))
    put(tmp_path, {"mnist.npz": b"never read", "old.zip": zipped(KAGGLE)})
    assert load(tmp_path).source == str(tmp_path)


def test_of_two_zip_files_one_is_named(tmp_path: Path) -> None:
    archive = zipped(idx_files("", labels(10), "t10k"))
    put(tmp_path, {"a.zip": archive, "b.zip": archive})
    places = f"{tmp_path}/a.zip and in {tmp_path}/b.zip"
    assert refusal(tmp_path) == f"mnist-like lies in {places}: say which one to use as data.directory"
    assert load(tmp_path / "b.zip").source == str(tmp_path / "b.zip")


def test_kaggles_folders_in_a_zip_do_not_confuse(tmp_path: Path) -> None:
    files = idx_files("", labels(10), "t10k")
    again = {f"{name.removesuffix('.gz')}/{name}": content for name, content in files.items()}
    put(tmp_path, {"archive.zip": zipped({**again, **files, "__MACOSX/._train-images-idx3-ubyte.gz": b""})})
    assert load(tmp_path).source == str(tmp_path / "archive.zip")


def test_names_alone_make_no_mnist_of_another_set(tmp_path: Path) -> None:
    files = {"x_train": PIXELS, "y_train": labels(26, 1), "x_test": PIXELS, "y_test": labels(26, 1)}
    dataset = load(put(tmp_path, {"mnist.npz": npz(**files)}))
    assert (dataset.name, dataset.class_names[:2], dataset.num_classes) == ("mnist-like", ("1", "2"), 20)


MAT = {"matlab.zip": zipped({"matlab/emnist-letters.mat": b"MATLAB", "matlab/emnist-digits.mat": b"MATLAB"})}
EXPECTED = "; expected MNIST, Fashion-MNIST, EMNIST, KMNIST, QMNIST or Kaggle's train.csv"
BOMB = b"\0\0\x08\3" + b"\xff" * 12 + bytes(50_000_000)
# What lies there, and the beginning of what is said; {0} is the folder.
REFUSED: dict[str, tuple[Files, str]] = {
    "other files": (
        {"emnist.mat": b"", "mnist.pkl.gz": b""},
        "no data set: {0} holds emnist.mat, mnist.pkl.gz" + EXPECTED,
    ),
    "a zip of other files": (
        MAT,
        "no data set: {0} holds matlab.zip; matlab.zip holds emnist-letters.mat, emnist-digits.mat" + EXPECTED,
    ),
    "a damaged zip": (
        {"emnist.zip": b"<html>"},
        "no data set: {0} holds emnist.zip; "
        "{0}/emnist.zip: expected a whole zip archive, found: File is not a zip file" + EXPECTED,
    ),
    "a part of EMNIST": (
        {name: content for name, content in EMNIST["letters"].items() if "test" not in name},
        "no data set: {0} holds emnist-letters-train-images-idx3-ubyte.gz, emnist-letters-train-labels-idx1-ubyte.gz; "
        "{0}/emnist-letters-train-images-idx3-ubyte.gz lies there without its test images, test labels" + EXPECTED,
    ),
    "a table of other things": (
        {"train.csv": b"id,label\n1,cat\n"},
        "no data set: {0} holds train.csv" + EXPECTED,
    ),
    "a table with a value of 300": (
        {"train.csv": table(labels(10), pixels=PIXELS.astype(int) + 300)},
        "{0}/train.csv: expected whole numbers of 0 to 255 and 37 columns, found could not convert string",
    ),
    "a table without rows": (
        {"train.csv": table(labels(10)).splitlines(keepends=True)[0]},
        "{0}/train.csv: expected a row for each picture, found none",
    ),
    "a label that its set does not have": (
        idx_files("emnist-letters-", labels(20, 10)),
        "{0}/emnist-letters-train-labels-idx1-ubyte.gz: expected labels 1..26, found 27 at index 17",
    ),
    "a zip whose pictures unpack to more than they say": (
        {"archive.zip": zipped({**idx_files("", labels(10), "t10k"), "train-images-idx3-ubyte": BOMB})},
        "train-images-idx3-ubyte in {0}/archive.zip: expected at most 8000000000 bytes of data, found a header for",
    ),
}


@pytest.mark.parametrize("files, message", REFUSED.values(), ids=REFUSED)
def test_what_can_not_be_read_is_named(files: Files, message: str, tmp_path: Path) -> None:
    said = refusal(put(tmp_path, files))
    assert said.startswith(message.format(tmp_path))
    assert "delete" not in said and "move" not in said


def test_a_pipe_in_place_of_a_file_does_not_hang(tmp_path: Path) -> None:
    for name in ("train-images-idx3-ubyte", "archive.zip", "train.csv", "mnist.npz"):
        folder = tmp_path / name.replace(".", "-")
        folder.mkdir()
        os.mkfifo(folder / name)
        assert "expected a file, found a device or a pipe" in refusal(folder) or f"holds {name}" in refusal(folder)


def encrypted(archive: bytes) -> bytes:
    """The archive, with the mark of encryption on its members."""
    content = bytearray(archive)
    for signature, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        start = 0
        while (start := content.find(signature, start)) >= 0:
            content[start + offset] |= 1
            start += 4
    return bytes(content)


@pytest.mark.parametrize("damage, message", [
    (encrypted, "is encrypted, password required for extraction"),
    (lambda archive: archive.replace(gzip.compress(idx(PIXELS))[20:60], bytes(40)), "Bad CRC-32"),
])  # fmt: skip
def test_a_damaged_member(damage: Callable[[bytes], bytes], message: str, tmp_path: Path) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:  # stored as they are
        for name, content in idx_files("", labels(10), "t10k").items():
            archive.writestr(name, content)
    put(tmp_path, {"archive.zip": damage(stream.getvalue())})
    assert f"{tmp_path}/archive.zip: expected a whole zip archive, found: " in refusal(tmp_path)
    assert message in refusal(tmp_path)
