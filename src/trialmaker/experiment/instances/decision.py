"""What instances compare before a run, and the first one's decision on where it begins: at which checkpoint, if any."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from trialmaker.config.incidental import is_incidental
from trialmaker.config.run_schema import PRECISIONS
from trialmaker.config.schema import Config
from trialmaker.experiment import startup
from trialmaker.experiment.context import RunContext
from trialmaker.platform import paths, source_code
from trialmaker.training.checkpoint_files import read_checkpoint, write_checkpoint

if TYPE_CHECKING:
    from trialmaker.experiment.resume.resumption import Resumption
    from trialmaker.training.snapshot import Snapshot

NOT_COMPARED = ("processor", "trialmaker")  # instances may be of several kinds; the code itself is compared


def compared(config: Config, context: RunContext) -> dict[str, str]:
    """Return what must be the same at all instances, as texts by name: config, code and versions."""
    params = {name: text for name, text in startup.params(config).items() if not is_incidental(name)}
    versions: Mapping[str, str] = context.versions
    others = {name: text for name, text in versions.items() if name not in NOT_COMPARED}
    return params | others | {source_code.CODE_DIGEST: source_code.digest(paths.PROJECT)}


def packed(resumption: "Resumption | None") -> bytes:
    """Return a checkpoint as bytes, the same as in a file; without one the precision that the run was begun in.

    Args:
        resumption: of the run; None for one that begins, which is no bytes.
    """
    if resumption is None or resumption.snapshot is None:
        return resumption.precision.encode() if resumption else b""
    with tempfile.TemporaryDirectory() as folder:
        return write_checkpoint(Path(folder), resumption.snapshot).read_bytes()


def unpacked(content: bytes) -> "tuple[Snapshot | None, str]":
    """Return the checkpoint that ``packed`` was given, and the precision that the run was begun in; "" for none."""
    if content in (b"", *(one.encode() for one in PRECISIONS)):
        return None, content.decode()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "checkpoint-1.npz").write_bytes(content)
        snapshot = read_checkpoint(Path(folder))
    return snapshot, str(snapshot.values["loop"]["precision"]) if snapshot else ""
