"""``index.html`` of an output: what a person learns who opens the folder and has nothing else."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser

from support.browser import open_browser, open_page, save_screenshot
from support.entry import SMALL, Train
from trialmaker.data.splits import Split
from trialmaker.experiment.output_page import folder
from trialmaker.experiment.output_page import page as pages
from trialmaker.experiment.output_page.charts import line_chart
from trialmaker.experiment.output_page.scores import duration, metric_text, shortened
from trialmaker.experiment.output_page.study_page import study_line, study_values
from trialmaker.experiment.output_page.test_report import report_on
from trialmaker.platform.bilingual_texts import read_texts
from trialmaker.platform.run_result import RunResult, run_results
from trialmaker.training.objective import Objective

ACCURACY = Objective("val_accuracy", "maximize")
RUN: dict[str, Any] = {
    "title": "cnn lr=0.01",
    "model": "cnn",
    "data_name": "digits",
    "is_running": False,
    "progress": ("epochs_done", {"epoch": 3, "epochs": 5}),
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as running:
        yield running


def rendered(output: Path, **values: Any) -> str:
    return pages.render(output, RUN | values)


def seen(html: str) -> str:
    """The text of a page in English, with its words one blank apart."""
    text = re.sub(r"<(style|script)>.*?</\1>", "", html, flags=re.DOTALL)
    for _ in range(2):  # a text may be within a text
        text = re.sub(r'<span lang="zh-CN">[^<]*</span>', "", text)
        text = re.sub(r'<span lang="en">([^<]*)</span>', r"\1", text)
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


def trial(number: int, value: float, status: str = "finished", **differences: str) -> RunResult:
    words = ["sweeps=mlp", *(f"{name}={text}" for name, text in differences.items())]
    metrics = {"val_accuracy": value}
    return RunResult(f"train {number}", study="s", trial=number, status=status, objective="val_accuracy",
                     best_epoch=2, best_metrics=metrics, differences=words)  # fmt: skip


# ---- the whole page


def test_who_opens_the_folder_sees_the_result_and_what_to_do_with_it(published: Path, browser: Browser) -> None:
    ((_, result),) = run_results(published)
    assert (published / "success").read_text() == f"{result.name}: {result}\n"
    with open_page(1280, 900, browser) as page:
        page.goto((published / "index.html").as_uri())
        save_screenshot(page, "output")
        words = page.locator("body").inner_text()
        for name in ("val_accuracy", "test_accuracy", "test_loss"):
            assert metric_text(name, {**result.best_metrics, **result.test_metrics}[name]) in words
        best = json.loads((published / "model" / "best.json").read_text())
        for expected in (result.name, result.command, f"--model-dir PATH/model/{best['version']}", "1,168 training"):
            assert expected in words
        errors = round((1 - result.test_metrics["test_accuracy"]) * 359)
        assert f"{errors} of 359 answers are wrong" in words and "训练" not in words
        assert page.locator(".mistakes img").count() == errors
        assert page.locator("svg").count() == 2
        for path in published.iterdir():
            assert path.name.startswith(".") or path.suffix == ".log" or path.name in words, path
        page.get_by_role("button", name="中文").click()
        assert "测试准确率" in page.locator("body").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_a_phone_in_chinese(published: Path, browser: Browser, scheme: Any) -> None:
    with open_page(390, 844, browser, locale="zh-CN", color_scheme=scheme) as page:
        page.goto((published / "index.html").as_uri())
        save_screenshot(page, f"output_390_{scheme}")
        words = page.locator("body").inner_text()
        assert "模型组件路径" in words and "Deploy" not in words
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 24, 31)"
        assert dark == (scheme == "dark")
        box = page.get_by_role("button").bounding_box()
        assert box and box["height"] >= 44


# ---- how a run may end


@pytest.mark.parametrize(
    ("result", "values", "expected"),
    [
        (RunResult("c"), {"is_running": True}, "epoch 3 of 5 has ended"),
        (RunResult("c", status="failed", message="a loss is not finite"), {}, ": a loss is not finite"),
        (RunResult("c", status="stopped", message="by SIGTERM"), {}, "Stopped at "),
        (RunResult("c", status="finished", seconds=125), {}, ", after 2 min 5 s."),
        (RunResult("c", status="finished"), {"own_model": "logs/a/saved_model"}, "It lies in logs/a/saved_model."),
        (RunResult("c"), {}, "No model has been published."),
    ],
)
def test_it_says_how_the_run_ended(tmp_path: Path, result: RunResult, values: dict[str, Any], expected: str) -> None:
    assert expected in seen(rendered(tmp_path, result=result, **values))


def test_the_cause_is_in_chinese_on_the_chinese_page(tmp_path: Path) -> None:
    html = rendered(tmp_path, result=RunResult("c", status="failed", message="--lr x: must be a number"))
    assert "失败：--lr x：必须是数字（--lr x: must be a number）" in html
    assert "失败：whatever" in rendered(tmp_path, result=RunResult("c", status="failed", message="whatever"))


def test_what_people_typed_is_shown_and_not_executed(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>"
    result = RunResult(evil, note=evil, tags={evil: evil}, differences=[evil], status="failed", message=evil)
    scores = [("val_accuracy", evil)]
    report = report_on(Split(np.zeros((2, 1, 1, 1), np.uint8), np.array([0, 1])), np.eye(2)[[1, 1]], (evil, "b"))
    page = rendered(tmp_path, result=result, title=evil, model=evil, data_name=evil, scores=scores, test=report,
                    runs=[RunResult(evil, name=evil), result], best_command=evil)  # fmt: skip
    assert page.count("<script>") == 1 and "&lt;script&gt;alert" in page


def test_a_run_that_is_refused_leaves_a_page_with_the_reason(train: Train) -> None:
    result = train("data=images", "data.directory=/nowhere", "name=lost")
    assert result.code == 2
    words = seen((result.output / "index.html").read_text())
    assert "result page" not in result.out
    assert "lost" in words and "/nowhere" in words and "Failed at" in words


def test_the_page_is_of_what_ran_last(train: Train) -> None:
    """Not of a better run before it, nor of the last of a multirun alone."""
    page = train(*SMALL, "training.epochs=3", "name=better").output / "index.html"
    assert "Finished" in seen(page.read_text())
    assert train("lr=abc").code == 2
    words = seen(page.read_text())
    assert "Failed at" in words and "python train.py lr=abc" in words and "Finished" not in words
    result = train("-m", *SMALL, "training.epochs=1", "schedule.warmup_epochs=0,1", "schedule=cosine", "name=half")
    assert result.code == 2
    words = seen(page.read_text())  # the second run was refused before it began
    assert "Failed at" in words and "schedule.warmup_epochs" in words and "Finished" not in words
    result = train("-m", *SMALL, "training.epochs=1", "optimizer=sgd", "lr=1e-9,1e30", "name=worse")
    assert result.code == 2
    words = seen(page.read_text())
    assert "Failed at" in words and "loss became" in words
    assert re.search(r"better digits finished val_accuracy .* worse/0 digits finished val_accuracy .*worse/1", words), (
        words
    )
    assert "The best of these is better. To repeat it: python train.py" in words
    assert re.search(r"Version \d+ is served: val_accuracy \S+ %\. It is of better\.", words)


def test_a_study_and_runs_of_one_output_do_not_hide_each_other(tmp_path: Path) -> None:
    for number, one in enumerate([trial(0, 0.8), trial(1, 0.9), RunResult("r", name="a run", objective="val_accuracy",
                                  best_metrics={"val_accuracy": 0.85}, status="finished")]):  # fmt: skip
        (tmp_path / "logs" / str(number)).mkdir(parents=True)
        one.write(tmp_path / "logs" / str(number))
    own, results = RunResult("o", name="own", objective="val_accuracy"), folder.all_results(tmp_path)
    assert [run.name for run in folder.other_runs(results, own)] == ["s (2)", "a run", "own"]
    assert [run.name for run in folder.other_runs(results, None)] == ["s (2)", "a run"]
    assert folder.best_run(folder.other_runs(results, own)).command == "train 1"


# ---- the test split


def test_many_classes_are_told_by_the_worst_of_them(tmp_path: Path) -> None:
    labels = np.arange(200) % 100
    answers = np.where(labels == 7, 8, labels)
    names = tuple(f"c{at}" for at in range(100))
    report = report_on(Split(np.zeros((200, 4, 4, 3), np.uint8), labels), np.eye(100)[answers], names)
    assert (report.errors, report.images, report.confused()) == (2, 200, [("c7", "c8", 2)])
    assert [row[0] for row in report.rows()[:2]] == ["c7", "c8"] and len(report.rows()) == 20
    words = seen(rendered(tmp_path, result=RunResult("c"), test=report))
    assert "c7 c8 2" in words and "The 20 classes with the lowest F1:" in words and "Rows: the true" not in words


def test_a_run_without_mistakes_shows_none(tmp_path: Path) -> None:
    report = report_on(Split(np.zeros((2, 1, 1, 1), np.uint8), np.array([0, 1])), np.eye(2), ("a", "b"))
    words = seen(rendered(tmp_path, result=RunResult("c"), test=report))
    assert "All 2 answers are right." in words and "<img" not in words


# ---- studies


def test_a_studys_page_ranks_its_trials(tmp_path: Path) -> None:
    trials = [
        trial(0, 0.9, lr="0.0012345678", seed="1"),
        trial(1, 0.95, "pruned", lr="0.2", seed="1"),
        trial(2, 0.93, lr="0.05", seed="1"),
        RunResult("x", study="s", trial=3, status="failed", differences=["sweeps=mlp", "seed=1", "lr=9"]),
    ]
    values = study_values(trials, ACCURACY, 5, {"test_accuracy": 0.92})
    words = seen(rendered(tmp_path, result=RunResult("go on", status="finished"), is_study=True, **values))
    assert "93.00 % validation accuracy 92.00 % test accuracy" in words and "2 best trial" in words
    assert "2 finished · 1 pruned · 1 failed" in words
    assert "1 95.00 % pruned lr=0.2 2 93.00 % finished lr=0.05 0 90.00 % finished lr=0.001235" in words
    assert "go on" in words and "train 2" in words
    line = study_line("s", trials, ACCURACY, {"test_accuracy": 0.92})
    assert line == "finished study=s trials=4 best trial=2 val_accuracy=0.9300 test_accuracy=0.9200"


def test_of_equal_trials_the_one_whose_model_is_published_is_the_best() -> None:
    """The lower val_loss decides, as it does when a model is published."""
    equal = [trial(number, 0.93) for number in range(3)]
    for one, val_loss in zip(equal, (0.3, 0.2, 0.4), strict=True):
        one.best_metrics["val_loss"] = val_loss
    assert "best trial=1 " in study_line("s", equal, ACCURACY, {})


def test_a_study_leaves_its_page_and_its_line(jobs: Path) -> None:
    (output,) = [path.parent for path in jobs.glob("*/output/studies")]
    line = (output / "success").read_text()
    assert re.fullmatch(r"finished study=\w+ trials=\d+ best trial=\d+ val_accuracy=0\.\d{4} test_loss=.*\n", line)
    words = seen((output / "index.html").read_text())
    assert "hydra.mode=RUN" in words and "10 classes" in words and "trial best so far" in words


# ---- charts, numbers, words


def test_a_chart_shows_the_last_tenth_of_a_percent() -> None:
    chart = str(line_chart({"training": [(1, 0.2), (2, 0.001), (3, 0.0)]}, log=True, percent=True, marked_x=2))
    assert "0.1 %" in chart and "20 %" in chart and 'class="marked"' in chart
    ys = [float(pair.split(",")[1]) for pair in re.findall(r'points="([^"]+)"', chart)[0].split()]
    assert ys == sorted(ys) and ys[0] < ys[1] <= ys[2]  # 0 lies at the bottom
    assert re.findall(r'text-anchor="middle">(\d+)<', chart) == ["1", "2", "3"]


def test_a_chart_of_one_epoch_is_a_point_and_of_many_stays_small() -> None:
    assert "<circle" in line_chart({"validation": [(1, 0.5)]}, log=True)
    many = line_chart({"validation": [(at, 1 / at) for at in range(1, 100_001)]}, log=True)
    assert len(many) < 20_000
    assert len(re.findall(r'text-anchor="middle"', many)) <= 9
    assert line_chart({"validation": [(1, float("nan"))]}) == ""


def test_numbers_are_those_of_people() -> None:
    texts = [duration(seconds) for seconds in (0.4, 59.4, 59.6, 65, 5e4)]
    assert texts == [
        ("seconds", {"seconds": 0}),
        ("seconds", {"seconds": 59}),
        ("minutes", {"minutes": 1, "seconds": 0}),
        ("minutes", {"minutes": 1, "seconds": 5}),
        ("hours", {"hours": 13, "minutes": 53}),
    ]
    assert (metric_text("val_accuracy", 0.98765), metric_text("val_loss", 0.1)) == ("98.77 %", "0.1000")
    assert shortened("a" * 24) == "a" * 24 and shortened("b" * 90 + "/final") == "b" * 17 + "…/final"


def test_the_page_has_no_words_but_its_texts() -> None:
    template = Path(pages.__file__).with_name("page.html")
    texts = read_texts(template)
    html = template.read_text(encoding="utf-8")
    body = html[html.index("<body>") : html.index("<script>")]
    outside = re.sub(r"{#.*?#}|{%.*?%}|{{.*?}}|<pre>.*?</pre>|<button.*?</button>|<[^>]+>", " ", body, flags=re.DOTALL)
    assert re.findall(r"\w{2,}", outside) == ["TrialMaker"]
    source = html + "".join(path.read_text(encoding="utf-8") for path in template.parent.glob("*.py"))
    by_name = {"val_accuracy", "val_loss", "test_accuracy", "test_loss", "stopped", "failed"}
    by_name |= {f"status_{status}" for status in ("finished", "pruned", "stopped", "failed")}
    assert {key for key in texts if not re.search(rf"['\"]{key}['\"]", source)} <= by_name
