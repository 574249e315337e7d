"""What instances compare before a run, and the first one's decision on where it begins: a checkpoint, or nothing."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from trialmaker.config.incidental import is_incidental
from trialmaker.config.schema import Config
from trialmaker.experiment import startup
from trialmaker.experiment.context import RunContext
from trialmaker.platform import paths, source_code
from trialmaker.training.checkpoint_files import read_checkpoint, write_checkpoint

if TYPE_CHECKING:
    from trialmaker.training.snapshot import Snapshot

NOT_COMPARED = ("processor", "trialmaker")  # instances may be of several kinds; the code itself is compared


def compared(config: Config, context: RunContext) -> dict[str, str]:
    """Return what must be the same at all instances, as texts by name: config, code and versions."""
    params = {name: text for name, text in startup.params(config).items() if not is_incidental(name)}
    versions: Mapping[str, str] = context.versions
    others = {name: text for name, text in versions.items() if name not in NOT_COMPARED}
    return params | others | {source_code.CODE_DIGEST: source_code.digest(paths.PROJECT)}


def packed(snapshot: "Snapshot | None") -> bytes:
    """Return a checkpoint as bytes, the same as in a file; none for a run that begins."""
    if snapshot is None:
        return b""
    with tempfile.TemporaryDirectory() as folder:
        return write_checkpoint(Path(folder), snapshot).read_bytes()


def unpacked(content: bytes) -> "Snapshot | None":
    """Return the checkpoint that ``packed`` was given."""
    if not content:
        return None
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "checkpoint-1.npz").write_bytes(content)
        return read_checkpoint(Path(folder))
