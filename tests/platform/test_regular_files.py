"""A pipe or a device in place of a file that is read: an answer, and no wait for a writer."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from optuna_sweep.storage import open_storage
from trialmaker.analysis.store import snapshots
from trialmaker.config import config_files
from trialmaker.errors import UserError
from trialmaker.model_store import catalog, versions, weights_source
from trialmaker.platform.regular_files import read_text
from trialmaker.platform.run_result import read_result

pytestmark = pytest.mark.timeout(20)


@pytest.fixture
def pipe(tmp_path: Path) -> Callable[[str], Path]:
    """A function that makes a pipe of a name; one more of every other kind is not needed: none is a regular file."""

    def make(name: str) -> Path:
        os.mkfifo(tmp_path / name)
        return tmp_path / name

    return make


def test_only_regular_files_are_read(pipe: Callable[[str], Path], tmp_path: Path) -> None:
    for path in (pipe("pipe"), Path("/dev/zero"), Path("/dev/tty0")):
        if path.exists():
            with pytest.raises(OSError, match=r"is no regular file|Permission denied|No such device"):
                read_text(path)
    (tmp_path / "file").write_text("é", encoding="utf-8")
    assert read_text(tmp_path / "file") == "é"


def test_a_pipe_holds_no_record(pipe: Callable[[str], Path]) -> None:
    assert read_result(pipe("result.json")) is None
    assert versions.read_record(pipe("card.json")) == {}


def test_a_pipe_is_a_line(pipe: Callable[[str], Path], tmp_path: Path) -> None:
    best, config, weights = pipe("best.json"), pipe("mine.yaml"), pipe("weights.keras")
    with pytest.raises(UserError, match=rf"^{best}: is not the record of a best model \(.*is no regular file"):
        catalog.read_best(tmp_path)
    with pytest.raises(UserError, match=rf"^{config}: cannot be read as YAML: .*is no regular file"):
        config_files.read(config)
    with pytest.raises(UserError, match=rf"^init_model={weights}: there is no such file or folder$"):
        weights_source.find_weights(weights)
    with pytest.raises(UserError, match=r", found none$"):
        weights_source.find_weights(tmp_path)
    with pytest.raises(snapshots.UnreadableError, match=r"^is no regular file$"):
        snapshots._uri_in_place(pipe("mlflow.db"))
    with pytest.raises(Exception, match="is no regular file; name another one"):
        open_storage(str(pipe("study.log")))
