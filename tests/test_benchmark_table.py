"""The table of the benchmarks: what a row says, and that rows of several benchmarks come together."""

from pathlib import Path

import pytest

import run
from support import table
from support.table import Row, markdown, record

EPOCH = Row("an epoch", "s", [0.2, 0.25, 0.3], {"fit": [1.0, 1.0, 0.9], "JAX": [0.2, 0.2, 0.2]}, 0.18, "the peak")
SERVICE = Row("requests", "requests/s", [6000.0], {"Flask": [600.0, 500.0]}, 12000, more_is_better=True)


def test_a_row_says_how_many_times_as_good_ours_is() -> None:
    assert EPOCH.cells() == (
        "an epoch",
        "0.25 s (0.2 to 0.3), best 0.2",
        "fit: 4.00 times (3.00 to 5.00)<br>JAX: 0.8 times (0.667 to 1.00)",
        "72% of the peak",
    )
    assert SERVICE.cells() == ("requests", "6,000 requests/s", "Flask: 10.91 times", "50% of it")


def test_rows_of_several_benchmarks_are_one_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "RESULTS", tmp_path / "benchmarks")
    assert markdown(["epoch", "serving"]) == ""
    record("epoch", [EPOCH, EPOCH])
    record("epoch", [EPOCH])
    record("serving", [SERVICE])
    lines = markdown(["epoch", "memory", "serving"]).splitlines()
    assert lines[:2] == ["| work | ours | others | of the limit |", "|---|---|---|---|"]
    assert [line.split(" | ")[0] for line in lines[2:4]] == ["| an epoch", "| requests"]
    assert len(lines) == 6 and lines[5].startswith("Measured on ")


def test_a_benchmark_that_fails_has_no_rows_of_an_earlier_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "RESULTS", tmp_path)
    record("epoch", [EPOCH])
    record("serving", [SERVICE])
    (tmp_path / "epoch.py").write_text('"""A benchmark."""\nraise SystemExit(3)\n')
    assert run.run(["epoch"], {"epoch": tmp_path / "epoch.py"}) == ["epoch"]
    assert "| an epoch" not in markdown(["epoch", "serving"]) and "| requests" in markdown(["epoch", "serving"])


def test_the_table_is_of_benchmarks_that_there_are() -> None:
    assert set(run.QUESTIONS) <= set(run.find_benchmarks())
