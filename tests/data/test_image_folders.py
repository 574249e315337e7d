"""Pictures in class folders: their places, their splits, and the message for every mistake."""

import os
import pty
import subprocess
import sys
import termios
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from support.waiting import HANG_SECONDS
from trialmaker.data import image_folders
from trialmaker.data.splits import Dataset, Split
from trialmaker.errors import UserError

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}


def picture(path: Path, colour: tuple[int, int, int] = (9, 9, 9)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (12, 10), colour).save(path, "PNG" if path.suffix.lower() == ".png" else "JPEG")
    return path


def write(part: Path, counts: dict[str, int], suffix: str = ".png") -> None:
    """Write pictures 0, 1, 2, … of each class; the colour tells the class, or else the blue channel the number."""
    for name, count in counts.items():
        for number in range(count):
            picture(part / name / f"{number}{suffix}", COLOURS.get(name, (0, 0, number)))


def load(
    directory: Path,
    *,
    image_size: tuple[int, int] = (8, 8),
    channels: int = 3,
    validation_fraction: float = 0.2,
    test_fraction: float = 0.2,
    split_seed: int = 0,
) -> Dataset:
    return image_folders.load(
        directory=directory,
        image_size=image_size,
        channels=channels,
        validation_fraction=validation_fraction,
        test_fraction=test_fraction,
        split_seed=split_seed,
    )


def mistakes(directory: Path, **options: object) -> list[str]:
    with pytest.raises(UserError) as error:
        load(directory, **options)  # type: ignore[arg-type]
    assert not any("\n" in mistake for mistake in error.value.mistakes)
    return list(error.value.mistakes)


def numbers(part: Split) -> list[int]:
    """Return the numbers of a split's pictures, from their blue channel."""
    return sorted(part.images[:, 0, 0, 2].tolist())


def test_only_train_is_split_three_ways(tmp_path: Path) -> None:
    write(tmp_path / "train", {"red": 10, "green": 20, "blue": 10})
    dataset = load(tmp_path)
    assert dataset.name == "images"
    assert dataset.source == str(tmp_path)
    assert dataset.class_names == ("blue", "green", "red")
    assert dataset.input_shape == (8, 8, 3)
    for part, counts in ((dataset.train, [6, 12, 6]), (dataset.validation, [2, 4, 2]), (dataset.test, [2, 4, 2])):
        assert np.bincount(part.labels).tolist() == counts
        assert part.labels.dtype == np.int32
        assert part.images.dtype == np.uint8
        assert part.images.flags.c_contiguous
        for image, label in zip(part.images, part.labels, strict=True):
            assert (image == COLOURS[dataset.class_names[label]]).all()


def test_the_parts_share_nothing_and_lose_nothing(tmp_path: Path) -> None:
    write(tmp_path / "train", {"a": 30, "red": 4})
    dataset = load(tmp_path)
    parts = [part.images[part.labels == 0] for part in (dataset.train, dataset.validation, dataset.test)]
    assert sorted(np.concatenate(parts)[:, 0, 0, 2].tolist()) == list(range(30))


@pytest.mark.parametrize("name", ["validation", "val", "valid", "VALIDATION"])
def test_folders_of_their_own_are_taken(name: str, tmp_path: Path) -> None:
    write(tmp_path / "Train", {"a": 5, "b": 5})
    write(tmp_path / name, {"a": 1, "b": 2})
    write(tmp_path / "test", {"b": 3})
    dataset = load(tmp_path)
    assert len(dataset.train) == 10
    assert dataset.validation.labels.tolist() == [0, 1, 1]
    assert dataset.test.labels.tolist() == [1, 1, 1]


def test_only_the_missing_part_is_split_off(tmp_path: Path) -> None:
    write(tmp_path / "train", {"a": 10, "b": 10})
    write(tmp_path / "test", {"a": 1, "b": 1})
    dataset = load(tmp_path, validation_fraction=0.5)
    assert [len(part) for part in (dataset.train, dataset.validation, dataset.test)] == [10, 10, 2]


def test_the_first_examples_are_a_fair_sample(tmp_path: Path) -> None:
    write(tmp_path / "train", {"a": 40, "b": 40})
    labels = load(tmp_path, image_size=(4, 4)).train.labels
    assert 5 <= labels[:24].sum() <= 19


def test_the_seed_draws_the_splits(tmp_path: Path) -> None:
    write(tmp_path / "train", {"a": 20, "b": 20})
    first, same, other = load(tmp_path), load(tmp_path), load(tmp_path, split_seed=1)
    np.testing.assert_array_equal(first.train.images, same.train.images)
    assert numbers(first.test) != numbers(other.test)


def test_one_folder_down(tmp_path: Path) -> None:
    write(tmp_path / "flowers" / "train", {"a": 5, "b": 5})
    write(tmp_path / "__MACOSX" / "train", {"a": 5, "b": 5})
    assert load(tmp_path).source == str(tmp_path / "flowers")


def test_suffixes_in_any_case(tmp_path: Path) -> None:
    for suffix in (".jpg", ".JPEG", ".Png"):
        write(tmp_path / "train", {"a": 1, "b": 1}, suffix)
        write(tmp_path / "test", {"a": 1}, suffix)
    assert len(load(tmp_path).test) == 3


def test_what_systems_leave_is_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    write(tmp_path / "train", {"a": 4, "b": 4, ".ipynb_checkpoints": 3, "__MACOSX": 1})
    write(tmp_path / ".trash" / "train", {"a": 4, "b": 4})
    write(tmp_path / "train" / "a", {"@eaDir": 1, "#recycle": 1})
    for name in ("a/._0.png", "a/.DS_Store", "a/Thumbs.db", "a/desktop.ini", "a/@eaDir/x/SYNOFILE", "notes.txt"):
        (tmp_path / "train" / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / "train" / name).write_bytes(b"not a picture")
    dataset = load(tmp_path)
    assert dataset.class_names == ("a", "b")
    assert len(dataset.train) == 4
    assert caplog.messages == []


FORMATS = {
    "PNG": "1",
    "BMP": "2.bmp",
    "GIF": "3.gif",
    "WEBP": "4.webp",
    "TIFF": "5.TIF",
    "PPM": "6.ppm",
    "JPEG": "7.png",  # a browser's mistake
    "WEBP, by another name": "8.dat",
}


def test_every_file_is_read_by_its_content_or_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    for name, colour in (("red", COLOURS["red"]), ("blue", COLOURS["blue"])):
        for kind, file in FORMATS.items():
            (tmp_path / "train" / name).mkdir(parents=True, exist_ok=True)
            solid = Image.new("RGB", (12, 10), colour)
            frames = {"save_all": True, "append_images": [Image.new("RGB", (12, 10))]} if kind == "GIF" else {}
            solid.save(tmp_path / "train" / name / file, kind.partition(",")[0], **frames)
    for number in range(7):
        (tmp_path / "train" / "red" / f"{number}.txt").write_text("P3 is no picture here")
    os.mkfifo(tmp_path / "train" / "blue" / "pipe")
    dataset = load(tmp_path)
    images = np.concatenate([part.images for part in (dataset.train, dataset.validation, dataset.test)])
    labels = np.concatenate([part.labels for part in (dataset.train, dataset.validation, dataset.test)])
    assert len(images) == 2 * len(FORMATS)
    for image, label in zip(images, labels, strict=True):
        assert abs(image.astype(int) - COLOURS[dataset.class_names[label]]).max() <= 2
    (line,) = caplog.messages
    names = "train/blue/pipe, train/red/0.txt, train/red/1.txt, train/red/2.txt, train/red/3.txt and 3 more"
    assert line == f"{tmp_path}: 8 files in class folders are no pictures and not read: {names}"


def test_training_and_testing_are_understood(tmp_path: Path) -> None:
    write(tmp_path / "training", {"a": 5, "b": 5})
    write(tmp_path / "testing", {"a": 1, "b": 2})
    write(tmp_path / "val", {"a": 2, "b": 2})
    dataset = load(tmp_path)
    assert [len(part) for part in (dataset.train, dataset.validation, dataset.test)] == [10, 4, 3]


def test_classes_are_in_natural_order(tmp_path: Path) -> None:
    write(tmp_path / "train", dict.fromkeys(["10", "9", "1", "class 2", "class 10", "猫", "2"], 3))
    assert load(tmp_path).class_names == ("1", "2", "9", "10", "class 2", "class 10", "猫")


def test_accents_of_two_systems_are_one_class(tmp_path: Path) -> None:
    write(tmp_path / "train", {unicodedata.normalize("NFC", "café"): 4, "tea": 4})
    write(tmp_path / "test", {unicodedata.normalize("NFD", "café"): 1})
    dataset = load(tmp_path)
    assert dataset.class_names == (unicodedata.normalize("NFC", "café"), "tea")
    assert dataset.test.labels.tolist() == [0]


def test_links_are_followed(tmp_path: Path) -> None:
    write(tmp_path / "elsewhere", {"a": 4})
    write(tmp_path / "data" / "train", {"b": 4})
    (tmp_path / "data" / "train" / "a").symlink_to(tmp_path / "elsewhere" / "a")
    assert load(tmp_path / "data").class_names == ("a", "b")


def test_grey(tmp_path: Path) -> None:
    write(tmp_path / "train", {"red": 4, "blue": 4})
    dataset = load(tmp_path, channels=1, image_size=(6, 9))
    assert dataset.input_shape == (6, 9, 1)
    assert set(np.unique(dataset.train.images)) == {29, 76}


def nothing(_: Path) -> None:
    pass


def no_train(root: Path) -> None:
    write(root, {"cat": 2, "dog": 2})


def two_trains(root: Path) -> None:
    for name in ("cats", "dogs"):
        write(root / name / "train", {"a": 2, "b": 2})


def two_validations(root: Path) -> None:
    for name in ("train", "val", "valid"):
        write(root / name, {"a": 2, "b": 2})


def one_class(root: Path) -> None:
    write(root / "train", {"cat": 5})


def no_class(root: Path) -> None:
    (root / "train").mkdir()


def empty_classes(root: Path) -> None:
    write(root / "train", {"cat": 5})
    for name in ("dog", "eel"):
        (root / "train" / name).mkdir()


def empty_test(root: Path) -> None:
    write(root / "train", {"cat": 5, "dog": 5})
    (root / "test").mkdir()


def strange_class(root: Path) -> None:
    write(root / "train", {"cat": 5, "dog": 5})
    write(root / "test", {"cat": 1, "cow": 1})


def too_few(root: Path) -> None:
    write(root / "train", {"cat": 5, "dog": 2})


def strays(root: Path) -> None:
    write(root / "train", {"cat": 5, "dog": 5})
    picture(root / "train" / "1.jpg")


def nested(root: Path) -> None:
    write(root / "train", {"cat": 5, "dog": 5, "dog/more": 1})


def other_format(root: Path) -> None:
    write(root / "train", {"cat": 5, "dog": 5})
    for number in (5, 6):
        (root / "train" / "cat" / f"{number}.HEIC").write_bytes(b"")


def packed(root: Path) -> None:
    (root / "pets.zip").write_bytes(b"")


def unprintable(root: Path) -> None:
    write(root / "train", {"cat": 5, "do\ng": 5})


WRONG: dict[Callable[[Path], None], list[str]] = {
    nothing: ["{0}: expected train/<class>/*.jpg or *.png, there or one folder below, found no folders"],
    no_train: ["{0}: expected train/<class>/*.jpg or *.png, there or one folder below, found the folders cat, dog"],
    two_trains: ["{0}: expected one folder with train/, found cats, dogs: say which as data.directory"],
    two_validations: ["{0}: expected one validation folder, found val, valid"],
    one_class: ["{0}/train: expected at least two class folders with pictures, found only cat"],
    no_class: ["{0}/train: expected at least two class folders with pictures, found none"],
    empty_classes: [
        "{0}/train/dog: expected pictures (jpg, png, bmp, gif, webp, tiff, ppm), found none",
        "{0}/train/eel: expected pictures (jpg, png, bmp, gif, webp, tiff, ppm), found none",
    ],
    empty_test: ["{0}/test: expected class folders, found none; without test/ its share comes from train/"],
    strange_class: ["{0}/test/cow: expected one of the classes in train/ (cat, dog), found cow"],
    too_few: [
        "{0}: expected at least 3 pictures in train/dog, one for each split that has no folder of its own, found 2"
    ],
    strays: ["{0}/train/1.jpg: expected pictures in class folders only, found 1 directly in {0}/train"],
    nested: ["{0}/train/dog/more: expected pictures directly in the class folder dog, found a folder"],
    other_format: [
        "{0}/train/cat/5.HEIC: expected jpg, png, bmp, gif, webp, tiff, ppm, "
        "found 2 of .HEIC and the like in its folder; convert them"
    ],
    packed: [
        "{0}: expected train/<class>/*.jpg or *.png, there or one folder below, found no folders and the files "
        "pets.zip; unpack them; MNIST and its kin are read by data=mnist, zipped too"
    ],
    unprintable: ["{0}/train: expected class folders with printable names, found 'do\\ng'"],
}


@pytest.mark.parametrize("make, expected", WRONG.items(), ids=[make.__name__ for make in WRONG])
def test_folders_that_can_not_be_used(make: Callable[[Path], None], expected: list[str], tmp_path: Path) -> None:
    make(tmp_path)
    assert mistakes(tmp_path) == [line.format(tmp_path) for line in expected]


def test_no_directory(tmp_path: Path) -> None:
    path = tmp_path / "data"
    assert mistakes(path) == [f"{path}: expected a readable folder, found: No such file or directory"]
    path.write_text("a file")
    assert mistakes(path) == [f"{path}: expected a readable folder, found: Not a directory"]


def test_a_class_that_may_not_be_read(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    write(tmp_path / "train", {"cat": 5, "dog": 5})
    (tmp_path / "train" / "dog").chmod(0)
    request.getfixturevalue("unprivileged")
    assert mistakes(tmp_path) == [f"{tmp_path}/train/dog: expected a readable folder, found: Permission denied"]


def test_a_folder_beside_that_may_not_be_read_is_passed_over(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    no_train(tmp_path / "data")
    (tmp_path / "data" / "lost+found").mkdir()
    (tmp_path / "data" / "lost+found").chmod(0)
    request.getfixturevalue("unprivileged")
    (mistake,) = mistakes(tmp_path / "data")
    assert mistake.endswith(", found the folders cat, dog, lost+found")


def test_pictures_that_do_not_decode(tmp_path: Path) -> None:
    write(tmp_path / "train", {"cat": 5, "dog": 5})
    write(tmp_path / "test", {"cat": 1})
    (tmp_path / "test" / "cat" / "1.png").write_bytes(b"")
    (tmp_path / "test" / "cat" / "2.jpg").symlink_to(tmp_path / "nowhere")
    assert mistakes(tmp_path) == [
        f"{tmp_path}/test/cat/1.png: expected a JPEG, PNG, BMP, GIF, WEBP, TIFF or PPM picture, found something else",
        f"{tmp_path}/test/cat/2.jpg: expected a readable file, found: No such file or directory",
    ]


def test_many_pictures_that_do_not_decode(tmp_path: Path) -> None:
    write(tmp_path / "train", {"cat": 5, "dog": 5})
    write(tmp_path / "test", {"cat": 1})
    for number in range(1, 13):
        (tmp_path / "test" / "cat" / f"{number}.jpg").write_bytes(b"not a picture")
    lines = mistakes(tmp_path)
    assert [line.split(":")[0] for line in lines[:5]] == [f"{tmp_path}/test/cat/{n}.jpg" for n in range(1, 6)]
    assert lines[5:] == ["and 7 more of 23 pictures"]


def test_too_much_memory_is_refused_before_decoding(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        for number in range(5):
            (tmp_path / "train" / name).mkdir(parents=True, exist_ok=True)
            (tmp_path / "train" / name / f"{number}.png").write_bytes(b"never decoded")
    assert mistakes(tmp_path, image_size=(20_000, 20_000)) == [
        "10 pictures of 20000 x 20000 x 3 bytes take 12.0 GB of memory, expected at most 8.0 GB; "
        "choose a smaller data.height and data.width"
    ]


def test_a_terminal_shows_a_bar_if_it_takes_long() -> None:
    code = (
        "import time\nfrom trialmaker.platform.progress_bar import progress_bar\n"
        "with progress_bar(text='decoding', total=3, unit=' pictures', delay_seconds=0.1) as bar:\n"
        "    for _ in range(3):\n        time.sleep(0.11)\n        bar.update()\n"
    )
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 100))
    try:
        subprocess.run([sys.executable, "-c", code], env=os.environ, stderr=theirs, check=True, timeout=HANG_SECONDS)
        os.set_blocking(ours, False)
        assert b"decoding:" in os.read(ours, 100_000)
    finally:
        os.close(ours)
        os.close(theirs)
