"""Checkpoints on the disk: what is written comes back bit for bit, and what is damaged is not taken."""

import io
import json
import os
import pickle
import resource
import signal
import struct
import subprocess
import sys
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from trialmaker.platform.paths import PROJECT
from trialmaker.training.checkpoint_files import read_checkpoint, write_checkpoint
from trialmaker.training.snapshot import Snapshot, numbered_arrays

ARRAYS = {
    "weights/0": np.array([[0.0, -0.0], [np.inf, 1e-45]], np.float32),
    "nan": np.array([0x7FC00001, 0xFFC12345, 0x7F800001], np.uint32).view(np.float32),
    "step": np.array(2**62 + 1, np.int64),
    "seed": np.array([0xFFFFFFFF, 1], np.uint32),
    "flag": np.array(True),
    "none": np.zeros((0, 3), np.float32),
    "double": np.array([0.1, 5e-324]),
    "big-endian": np.array([1.5, 2.5], ">f4"),
    "columns": np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3)),
    "every/second": np.arange(10, dtype=np.int32)[::2],
}
VALUES = {"a": {"b": [1, 2.5, None, True, "é\ud800"]}, "nan": float("nan"), "inf": float("-inf"), "0.1": 0.1 + 0.2}
SMALL = Snapshot({"step": 1}, {"w": np.array([1, 2], np.int16)})
LATER = Snapshot({"step": 2}, {"w": np.array([3, 4], np.int16)})


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def step(directory: Path) -> int | None:
    snapshot = read_checkpoint(directory)
    return snapshot and snapshot.values["step"]


def test_what_is_written_comes_back_bit_for_bit(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path / "checkpoints" / "run", Snapshot(VALUES, ARRAYS))
    snapshot = read_checkpoint(path.parent)
    assert snapshot and json.dumps(snapshot.values) == json.dumps(VALUES)
    assert list(snapshot.arrays) == list(ARRAYS)
    for name, array in snapshot.arrays.items():
        assert (array.dtype, array.shape) == (ARRAYS[name].dtype, ARRAYS[name].shape), name
        assert array.tobytes() == ARRAYS[name].tobytes(), name
    with np.load(path, allow_pickle=False) as archive:  # the format is NumPy's
        assert archive["arrays/seed"].tolist() == [0xFFFFFFFF, 1]


def test_snapshots_join_and_part() -> None:
    parts = {"loop": Snapshot({"step": 1}, numbered_arrays(best=[np.ones(2), np.zeros(1)])), "loop2": SMALL}
    joined = Snapshot.join(parts)
    assert list(joined.arrays) == ["loop/best/0", "loop/best/1", "loop2/w"]
    assert joined.part("loop") == parts["loop"] and joined.part("loop2") == SMALL
    assert [array.size for array in joined.part("loop").numbered("best")] == [2, 1]


def test_equal_snapshots_are_equal_files(tmp_path: Path) -> None:
    one, other = (write_checkpoint(tmp_path / name, Snapshot(VALUES, ARRAYS)) for name in ("a", "b"))
    assert one.read_bytes() == other.read_bytes()


def test_a_new_one_takes_the_place_of_those_before(tmp_path: Path) -> None:
    assert read_checkpoint(tmp_path / "absent") is None and read_checkpoint(tmp_path) is None
    (tmp_path / ".checkpoint-1.npz.0123456789abcdef").write_bytes(b"of a process that was killed")
    (tmp_path / "notes.txt").write_text("not ours")
    assert write_checkpoint(tmp_path, SMALL).name == "checkpoint-1.npz"
    assert write_checkpoint(tmp_path, LATER).name == "checkpoint-2.npz"
    assert names(tmp_path) == ["checkpoint-2.npz", "notes.txt"]
    assert step(tmp_path) == 2


@pytest.mark.parametrize(
    ("array", "name"),
    [
        (np.array([None]), "w"),
        (np.zeros(1, [("a", object)]), "w"),
        (np.zeros(1), "../w"),
        (np.zeros(1), "/w"),
        (np.zeros(1), "a//w"),
        (np.zeros(1), "é"),
        (np.zeros(1), ""),
    ],
)
def test_what_could_not_be_read_back_is_not_written(array: np.ndarray, name: str, tmp_path: Path) -> None:
    write_checkpoint(tmp_path, SMALL)
    with pytest.raises(ValueError, match=r"in a checkpoint$"):
        write_checkpoint(tmp_path, Snapshot({}, {name: array}))
    with pytest.raises(TypeError):
        write_checkpoint(tmp_path, Snapshot({"set": {1}}, {}))
    assert names(tmp_path) == ["checkpoint-1.npz"]


def test_a_file_that_was_cut_or_changed_anywhere_gives_way_to_the_one_before(tmp_path: Path) -> None:
    content = write_checkpoint(tmp_path / "new", LATER).read_bytes()
    write_checkpoint(tmp_path, SMALL)
    newest = tmp_path / "checkpoint-2.npz"
    for size in range(len(content)):
        newest.write_bytes(content[:size])
        assert step(tmp_path) == 1, size
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= 0x55
        newest.write_bytes(changed)
        snapshot = read_checkpoint(tmp_path)
        assert snapshot, place
        if snapshot.values["step"] == 2:  # a byte that means nothing, such as a date: nothing else may differ
            assert snapshot.arrays["w"].tobytes() == LATER.arrays["w"].tobytes() and snapshot.values == LATER.values
    newest.write_bytes(content)
    assert step(tmp_path) == 2
    newest.write_bytes(content[:-1])
    assert write_checkpoint(tmp_path, LATER).name == "checkpoint-3.npz"
    assert names(tmp_path) == ["checkpoint-3.npz", "new"]


def npy(array: np.ndarray, **changes: object) -> bytes:
    """An npy file; its header may say something else than what follows."""
    file = io.BytesIO()
    header = {"descr": array.dtype.str, "fortran_order": False, "shape": array.shape} | changes
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue() + array.tobytes()


class Bomb:
    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, ...]]:
        return os.mkdir, ("executed",)


def objects() -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "|O", "fortran_order": False, "shape": (1,)})
    return file.getvalue() + pickle.dumps([Bomb()])


def contents(values: object, *arrays: str) -> tuple[str, bytes]:
    text = json.dumps({"values": values, "arrays": arrays})
    return "values.npy", npy(np.frombuffer(text.encode(), np.uint8))


FINE = contents({"step": 2}, "w")
ENTRIES = {
    "fine": [FINE, ("arrays/w.npy", npy(np.zeros(2)))],
    "objects": [FINE, ("arrays/w.npy", objects())],
    "a pickle": [FINE, ("arrays/w.npy", pickle.dumps(Bomb()))],
    "a pickle as values": [("values.npy", pickle.dumps(Bomb()))],
    "way out": [FINE, ("arrays/../../w.npy", npy(np.zeros(2)))],
    "absolute": [FINE, ("/tmp/w.npy", npy(np.zeros(2)))],
    "huge shape": [FINE, ("arrays/w.npy", npy(np.zeros(2), shape=(10**12,)))],
    "more than counts": [FINE, ("arrays/w.npy", npy(np.zeros(2), shape=(2**62, 8)))],
    "negative shape": [FINE, ("arrays/w.npy", npy(np.zeros(2), shape=(-2, -1)))],
    "less than there is": [FINE, ("arrays/w.npy", npy(np.zeros(2), shape=(1,)))],
    "no values": [("arrays/w.npy", npy(np.zeros(2)))],
    "values are no dict": [contents([1])],
    "no contents": [("values.npy", npy(np.frombuffer(b"[1]", np.uint8)))],
    "fewer arrays": [FINE],
    "other arrays": [FINE, ("arrays/v.npy", npy(np.zeros(2)))],
    "more arrays": [FINE, *(("arrays/w.npy", npy(np.zeros(2))), ("arrays/v.npy", npy(np.zeros(2))))],
    "names are no list": [contents({"step": 2}), ("arrays/w.npy", npy(np.zeros(2)))],
    "values are no text": [("values.npy", npy(np.frombuffer(b"\xff\xfe{", np.uint8)))],
    "deep": [("values.npy", npy(np.frombuffer(b"[" * 200_000, np.uint8)))],
    "another file": [FINE, ("arrays/w.py", b"import os")],
    "nothing": [],
}


@pytest.mark.parametrize("kind", ENTRIES)
def test_a_hostile_file_counts_as_damaged(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_checkpoint(tmp_path, SMALL)
    with zipfile.ZipFile(tmp_path / "checkpoint-2.npz", "w") as archive:
        for name, content in ENTRIES[kind]:
            archive.writestr(name, content)
    assert step(tmp_path) == (2 if kind == "fine" else 1)
    assert names(tmp_path) == ["checkpoint-1.npz", "checkpoint-2.npz"]


def test_a_zip_bomb_counts_as_damaged(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, SMALL)
    with zipfile.ZipFile(tmp_path / "checkpoint-2.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(*FINE)
        archive.writestr("arrays/w.npy", npy(np.zeros(10**6)))
    assert step(tmp_path) == 1


def nested(payload: bytes, names: list[str]) -> bytes:
    """A zip archive of arrays, each of which holds all those after it, so that they are more than the file."""
    infos: list[tuple[bytes, int]] = []
    for name in reversed(names):
        header = npy(np.zeros(0, np.uint8), shape=(len(payload),))
        content = header + payload
        sizes = struct.pack("<III", zlib.crc32(content), len(content), len(content))
        fields = struct.pack("<HHHHH", 20, 0, 0, 0, 33) + sizes + struct.pack("<HH", len(name), 0)
        payload = b"PK\3\4" + fields + name.encode() + content
        infos.append((name.encode(), len(payload)))
        infos[-1] = (fields, infos[-1][1])
    size, directory = len(payload), b""
    for name, (fields, length) in zip(names, reversed(infos), strict=True):
        directory += b"PK\1\2" + struct.pack("<H", 20) + fields + struct.pack("<HHHII", 0, 0, 0, 0, size - length)
        directory += name.encode()
    return payload + directory + b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, len(names), len(names),
                                                         len(directory), size, 0)  # fmt: skip


def test_entries_that_lie_within_others_count_as_damaged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_checkpoint(tmp_path, SMALL)
    content = nested(bytes(1 << 20), [f"arrays/{number}.npy" for number in range(20)])
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert sum(len(archive.read(name)) for name in archive.namelist()) > 20 << 20
    (tmp_path / "checkpoint-2.npz").write_bytes(content)
    assert step(tmp_path) == 1 and "its entries say to be larger than the file" in caplog.text


def test_one_that_memory_has_no_room_for_counts_as_damaged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_checkpoint(tmp_path, SMALL)
    with (tmp_path / "checkpoint-2.npz").open("w") as file:
        file.truncate(1 << 42)
    assert step(tmp_path) == 1 and "its 4398.0 GB are more than the memory that is free" in caplog.text


def test_a_damaged_one_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_checkpoint(tmp_path, SMALL).write_bytes(b"nothing")
    assert read_checkpoint(tmp_path) is None
    path = tmp_path / "checkpoint-1.npz"
    assert caplog.messages == [
        f"{path}: a damaged checkpoint (File is not a zip file) is left out: the one before it counts, if there is one"
    ]


def test_what_is_no_file_counts_as_damaged(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, SMALL)
    os.mkfifo(tmp_path / "checkpoint-2.npz")
    (tmp_path / "checkpoint-3.npz").mkdir()
    (tmp_path / "checkpoint-4.npz").symlink_to("/dev/zero")
    assert step(tmp_path) == 1
    (tmp_path / "checkpoint-5.npz").write_bytes(b"")
    assert write_checkpoint(tmp_path, LATER).name == "checkpoint-6.npz"
    assert names(tmp_path) == ["checkpoint-3.npz", "checkpoint-6.npz"]  # a folder is not removed


@contextmanager
def limited_files(size: int) -> Iterator[None]:
    """Have the kernel refuse to write more than so many bytes to a file, as on a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_write_that_fails_at_any_byte_leaves_what_was_there(tmp_path: Path) -> None:
    whole = write_checkpoint(tmp_path / "whole", LATER).stat().st_size
    write_checkpoint(tmp_path, SMALL)
    for size in range(0, whole, 7):
        with limited_files(size), pytest.raises(OSError, match="File too large"):
            write_checkpoint(tmp_path, LATER)
        assert names(tmp_path) == ["checkpoint-1.npz", "whole"], size
    assert step(tmp_path) == 1


WRITER = """
import sys
from pathlib import Path
import numpy as np
from trialmaker.training.checkpoint_files import write_checkpoint
from trialmaker.training.snapshot import Snapshot

assert "tensorflow" not in sys.modules
for step in range(1, 10**6):
    write_checkpoint(Path(sys.argv[1]), Snapshot({"step": step}, {"w": np.full(10**6, step)}))
    print(step, flush=True)
"""


def test_a_writer_may_be_killed_at_any_instant(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    for _ in range(5):
        with subprocess.Popen(
            command, env=os.environ | {"PYTHONPATH": str(PROJECT / "src")}, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout
            last = int(process.stdout.readline())
            time.sleep(draw.uniform(0, 0.1))
            process.send_signal(signal.SIGKILL)
            last = max([last, *map(int, process.stdout)])
        snapshot = read_checkpoint(tmp_path)
        assert snapshot and snapshot.values["step"] in (last, last + 1)
        assert (snapshot.arrays["w"] == snapshot.values["step"]).all()
    write_checkpoint(tmp_path, SMALL)
    assert len(names(tmp_path)) == 1
