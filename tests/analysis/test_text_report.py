"""The tables and the last lines of ``compare`` on terminals of different widths."""

import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wcwidth import wcswidth

from support.runs import make_run
from trialmaker.analysis import latex_table, text_report
from trialmaker.analysis.headline import Headline, headlines
from trialmaker.analysis.sections import Difference, Section, split, unlike_most
from trialmaker.analysis.store.runs import Run
from trialmaker.analysis.studies import as_best_trials
from trialmaker.analysis.text_table import output_width, shorten
from trialmaker.cli.main import main
from trialmaker.model_store.versions import find_version

RUNS = [
    make_run("a", 0.9912, test=0.9861, name="cnn adamw lr=0.01 · 11-25 03:35", model__name="cnn", training__epochs="20",
             optimizer__learning_rate="0.01", optimizer__name="adamw", model__filters="[8, 16]"),
    make_run("b", 0.981, test=0.9805, name="基线 模型", training__epochs="10", optimizer__name="adam",
             model__hidden_units="[128, 128]", tags={"team": "红队", "mlflow.user": "root"}),
    make_run("c", 0.97, test=0.9712, name="mlp\x1b[31m \u202ered", training__epochs="10", optimizer__name="adam",
             model__hidden_units="[512, 256, 128]", optimizer__learning_rate="0.00449152", seed="1"),
    make_run("d", None, name="failed before its first epoch", training__epochs="10", optimizer__name="adam",
             model__hidden_units="[128, 128]"),
]  # fmt: skip
DIGESTS = {run.run_id: "1a2b3c4d5e" for run in RUNS}

AT_80 = r"""digits: 4 runs, best by val_accuracy
                                                                       learning_
id        run                      best    test  seconds  team  model       rate
aaaaaaaa  cnn adamw lr=0… 03:35  0.9912  0.9861     61.5        cnn         0.01
bbbbbbbb  基线 模型              0.9810  0.9805     61.5  红队  mlp        0.001
cccccccc  mlp\x1b[31m \u202ered  0.9700  0.9712     61.5        mlp     0.004492
dddddddd  failed before … epoch                     61.5        mlp        0.001
4 more: --columns all"""
AT_120 = r"""digits: 4 runs, best by val_accuracy
                                                                             learning_                     hidden_
id        run                            best    test  seconds  team  model       rate  optimizer  epochs  units
aaaaaaaa  cnn adamw lr=0.01 · … 03:35  0.9912  0.9861     61.5        cnn         0.01  adamw          20
bbbbbbbb  基线 模型                    0.9810  0.9805     61.5  红队  mlp        0.001  adam           10  [128,128]
cccccccc  mlp\x1b[31m \u202ered        0.9700  0.9712     61.5        mlp     0.004492  adam           10  [512,256,128]
dddddddd  failed before its fi… epoch                     61.5        mlp        0.001  adam           10  [128,128]
1 more: --columns all"""
IN_FULL = (
    r"cccccccc  mlp\x1b[31m \u202ered            0.9700  0.9712     61.5    "
    "    mlp     0.004492  adam           10  [512,256,128]     1"
)
BEST_AT_80 = r"""best of digits: aaaaaaaa cnn adamw lr=0.01 · 11-25 03:35
  val_accuracy 0.9912, test_accuracy 0.9861
  differs in: model=cnn (mostly mlp),
    optimizer.learning_rate=0.01 (mostly 0.001), optimizer=adamw (mostly adam),
    training.epochs=20 (mostly 10)
  repeat: python train.py data=digits model=cnn optimizer=adamw \
    optimizer.learning_rate=0.01 training.epochs=20 'model.filters=[8, 16]'
  deploy: python predict.py --model-dir "/downloads/V 1/output/model/3"
"""
COMMAND = "python train.py data=digits model=cnn optimizer=adamw optimizer.learning_rate=0.01 training.epochs=20 "
COMMAND += "'model.filters=[8, 16]'"


def sections(runs: list[Run]) -> list[Section]:
    return split(runs, DIGESTS)


def tables(runs: list[Run], width: int | None) -> str:
    return "\n\n".join(text_report.render_section(one, DIGESTS, width) for one in sections(runs))


def test_a_table_fits_its_width() -> None:
    assert tables(RUNS, 80) == AT_80
    assert tables(RUNS, 120) == AT_120
    assert tables(RUNS, None).splitlines()[5] == IN_FULL


def test_the_best_run_its_command_and_its_deployment() -> None:
    (section,) = sections(RUNS)
    run = section.best
    assert run is RUNS[0]
    serve = shlex.join(["python", "predict.py", "--model-dir", "/downloads/V 1/output/model/3"])
    best = Headline(
        section, run, {"val_accuracy": 0.9912, "test_accuracy": 0.9861}, unlike_most(run, section), COMMAND, serve
    )
    text = text_report.render_headline(best, 80)
    assert text == BEST_AT_80.replace('"/downloads/V 1/output/model/3"', "'/downloads/V 1/output/model/3'").rstrip()
    command = text.partition("repeat: ")[2].partition("\n  deploy: ")[0]
    assert shlex.split(command.replace("\\\n", "")) == shlex.split(COMMAND)  # as the shell reads it
    (best,) = headlines([section], {}, {}, [Path("V 1")])  # without an output to look into
    assert text_report.render_headline(best, 120).splitlines()[-2:] == [
        "  repeat: python -m trialmaker rerun aaaaaaaa 'V 1'",
        "  deploy: no model of this run is published here: with --dry-run, the command above prints one that trains it",
    ]


def test_each_data_set_and_objective_has_a_section() -> None:
    runs = [make_run("1", 0.9), make_run("2", 0.8, data__name="mnist"), make_run("3", 0.7, data__name="mnist"),
            make_run("4", 0.1, objective="val_loss", direction="minimize"), make_run("5", None)]  # fmt: skip
    digests = {runs[0].run_id: "aa", runs[1].run_id: "bb", runs[2].run_id: "cc"}
    titles = [text_report.title(one) for one in split(runs, digests)]
    assert titles == [
        "digits: 2 runs, best by val_accuracy",  # and one that failed before it had data
        "digits: 1 run, best by val_loss (the lowest)",
        "mnist (bb): 1 run, best by val_accuracy",
        "mnist (cc): 1 run, best by val_accuracy",
    ]


def test_a_study_is_shown_as_its_best_trial() -> None:
    tags = {"trialmaker.best_run_id": "7" * 8, "trialmaker.trials.COMPLETE": "4", "trialmaker.trials.PRUNED": "2"}
    tags |= {"trialmaker.study": "mlp_digits", "trialmaker.trials.RUNNING": "many"}
    study = replace(make_run("5", 0.97, name="mlp_digits", tags=tags), params={})
    trials = [make_run(digit, best, tags={"mlflow.parentRunId": study.run_id}, model__hidden_units=units)
              for digit, best, units in (("6", 0.9, "[8]"), ("7", 0.97, "[64]"))]  # fmt: skip
    (section,) = split(as_best_trials([make_run("1", 0.9, model__hidden_units="[8]"), study], trials), {})
    table = text_report.render_section(section, {}, 80).splitlines()
    assert table[-1] == "77777777  mlp_digits: best of 6 trials  0.9700     61.5  [64]"
    (section,) = split(as_best_trials([study, *trials], trials), {})
    assert [run.run_id[0] for run in section.runs] == ["6", "7"]  # once


def study_of(ends: dict[str, tuple[str, float | None, float]], **params: str) -> list[Run]:
    """Return a study's run without a best trial, and its trials by the digit of their id: state, best, last value."""
    study = replace(make_run("5", None, name="two", tags={"trialmaker.study": "two"}), params={})
    trials = []
    for digit, (state, best, last) in ends.items():
        tags = {"mlflow.parentRunId": study.run_id, "trialmaker.trial_state": state}
        status = "FINISHED" if state == "COMPLETE" else "KILLED"
        run = make_run(digit, best, name=f"two/{digit}", tags=tags, **params)
        trials.append(replace(run, status=status, metrics={run.objective.name: last}))
    return [study, *trials]


def test_a_study_that_names_no_best_trial_is_shown_as_the_best_of_its_trials() -> None:
    ends = {"6": ("COMPLETE", 0.8, 0.7), "7": ("COMPLETE", 0.9, 0.6), "8": ("PRUNED", 0.95, 0.9)}
    (row,) = as_best_trials(study_of(ends)[:1], study_of(ends))
    assert (row.run_id[0], row.name, row.best) == ("7", "two: best of 3 trials", 0.9)
    minimized = {"objective": "val_loss", "direction": "minimize"}
    (row,) = as_best_trials(study_of(ends)[:1], study_of(ends, **minimized))
    assert (row.run_id[0], row.best, row.objective.name) == ("6", 0.8, "val_loss")
    pruned = {"6": ("PRUNED", 0.8, 0.7), "7": ("PRUNED", 0.9, 0.6)}
    (row,) = as_best_trials(study_of(pruned)[:1], study_of(pruned))
    assert (row.run_id[0], row.name, row.best) == ("6", "two: best of 2 trials, all pruned", 0.8)
    (best,) = headlines(split([row], {}), {}, {row.run_id: Path("/model/1")}, [])
    assert best.deployment == "python predict.py --model-dir /model/1"
    (row,) = as_best_trials(study_of({})[:1], study_of({}))
    assert (row.name, row.best) == ("two", None)


def test_the_status_is_shown_where_a_run_is_not_finished() -> None:
    failed = replace(make_run("1", None), status="FAILED")
    assert tables([failed], 80).splitlines()[1:] == [
        "id        run    best  seconds  status",
        "11111111  run 1           61.5  failed",
    ]
    rows = tables([failed, make_run("2", 0.9)], 80).splitlines()[1:]
    assert [line.split()[3:] for line in rows] == [["seconds", "status"], ["61.5", "failed"], ["0.9000", "61.5"]]
    assert "status" not in tables([make_run("2", 0.9)], 80)


def test_the_model_comes_before_the_output() -> None:
    where = {"trialmaker.output": "V0001"}, {"trialmaker.output": "V0002 of a long name"}
    runs = [
        replace(make_run("1", 0.9, test=0.9, name="n" * 30, model__name="cnn", tags=where[0]), status="RUNNING"),
        make_run("2", 0.8, test=0.8, name="m" * 30, training__epochs="3", tags=where[1]),
        make_run("3", 0.7, training__epochs="2", tags=where[1]),
    ]
    (section,) = sections(runs)
    assert section.default_columns() == [
        *("id", "run", "best", "test_accuracy", "seconds", "status", "model.name", "output", "training.epochs")
    ]
    head = tables(runs, 80).splitlines()[1]
    assert head.split() == ["id", "run", "best", "test", "seconds", "status", "model", "epochs"]


def test_what_the_best_run_has_that_most_others_have_not() -> None:
    def differences(*epochs: str, **params: str) -> list[Difference]:
        runs = [make_run(str(at), 0.9 - at / 100, training__epochs=value, seed=str(at), **params)
                for at, value in enumerate(epochs)]  # fmt: skip
        (section,) = sections(runs)
        assert "seed" in section.columns
        return unlike_most(runs[0], section)

    assert differences("1", "2") == [Difference("training.epochs", "1", "other", "2")]
    assert differences("1", "2", "2", "3") == [Difference("training.epochs", "1", "mostly", "2")]
    assert differences("1", "10", "2", "2", "1") == [Difference("training.epochs", "1", "others", "2, 10")]
    assert differences("1", "1", "1", "3") == []  # most have it
    assert differences("1", "2", "3", "4", "5") == []  # too many to name


def test_the_best_run_has_a_note() -> None:
    note = "why\n" + "a long reason " * 20
    (section,) = sections([make_run("1", 0.9, tags={"mlflow.note.content": note})])
    (best,) = headlines([section], {}, {}, [])
    assert len(best.note) <= 160 and best.note.startswith("why a long reason") and best.note.endswith(" …")
    assert text_report.render_headline(best, 300).splitlines()[2] == f"  note: {best.note}"


def test_a_name_is_cut_in_its_middle() -> None:
    assert shorten("a_long_study/12", 12) == "a_lon…udy/12"
    assert shorten("研究研究研究研究/12", 14) == "研究…究研究/12"
    assert shorten("short/12", 12) == "short/12"


def test_columns_come_in_the_order_in_which_they_tell_runs_apart() -> None:
    runs = [
        make_run(
            str(at), 0.9, model__hidden_units=units, schedule__name=schedule, seed=str(at), training__epochs=epochs
        )
        for at, (units, schedule, epochs) in enumerate(
            [("[8]", "constant", "1"), ("[16]", "constant", "1"), ("[32]", "constant", "1"), ("[32]", "cosine", "2")]
        )
    ]
    assert sections(runs)[0].columns == ["model.hidden_units", "schedule.name", "training.epochs", "seed"]
    older = replace(runs[0], run_id="older", params={**runs[0].params, "model.gelu": "False"})
    assert sections([runs[0], older])[0].columns == ["model.gelu"]  # nothing else tells them apart


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=70) | st.sampled_from(
    ["汉字" * 20, "\x1b[2J", "|&%"]
)


@settings(deadline=None, max_examples=60, derandomize=True)
@given(
    rows=st.lists(st.tuples(TEXTS, TEXTS, st.floats(0, 1) | st.none(), TEXTS), min_size=1, max_size=6),
    width=st.integers(40, 200),
)
def test_no_line_is_wider_than_the_terminal(rows: list[tuple[str, str, float | None, str]], width: int) -> None:
    runs = [
        make_run(str(at), best, name=name, model__activation=param, data__name=data[:8], tags={"team": name})
        for at, (name, param, best, data) in enumerate(rows)
    ]
    parts = sections(runs)
    best = headlines(parts, {}, {}, [])
    text = "\n".join([tables(runs, width), *(text_report.render_headline(one, width) for one in best)])
    assert text.replace("\n", "").isprintable()
    assert max(map(wcswidth, text.split("\n"))) <= width


@pytest.mark.parametrize(("columns", "width"), [("72", 72), ("9", 40), ("", 120), ("wide", 120), ("0", 120)])
def test_the_width_of_text_without_a_terminal(columns: str, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setattr("os.get_terminal_size", raise_os_error)
    assert output_width() == width


def raise_os_error(_: int) -> None:
    raise OSError


def test_latex_is_escaped_and_balanced() -> None:
    runs = [
        make_run("a", 0.99, name=r"a_b & c% \x {#} $x^2$ ~ <|>", model__filters="[8]"),
        make_run("b", 0.9, name="[b] first", model__filters="[16]"),
        make_run("c", 0.8, name="*", model__filters="[16]"),
    ]
    (section,) = sections(runs)
    table = section.table(DIGESTS, section.default_columns()[1:])
    text = latex_table.render(text_report.title(section), text_report.display_columns(table))
    assert text.splitlines() == [
        "% digits: 3 runs, best by val_accuracy",
        r"\begin{tabular}{lrrl}",
        r"\toprule",
        r"run & best & seconds & filters \\",
        r"\midrule",
        r"a\_b \& c\% \textbackslash{}x \{\#\} \$x\textasciicircum{}2\$ \textasciitilde{} \textless{}\textbar{}"
        r"\textgreater{} & 0.9900 & 61.5 & [8] \\",
        r"{}[b] first & 0.9000 & 61.5 & [16] \\",
        r"{}* & 0.8000 & 61.5 & [16] \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]


def test_the_best_trial_of_a_study_is_repeated_and_deployed(
    jobs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.chdir(jobs)
    assert main(["compare", str(jobs / "V0003"), "--store", str(tmp_path / "store")]) == 0
    repeat, deploy = capsys.readouterr().out.splitlines()[-2:]
    assert repeat.startswith("  repeat: python train.py sweeps=mlp ") and repeat.endswith(" hydra.mode=RUN")
    folder = deploy.removeprefix("  deploy: python predict.py --model-dir ")
    assert re.fullmatch(r"V0003/output/model/\d+", folder) and find_version(Path(folder)).directory.is_dir()
