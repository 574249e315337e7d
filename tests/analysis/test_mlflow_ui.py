"""``trialmaker ui`` in a real browser: a person compares outputs that were made elsewhere."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.entry import PROJECT
from support.outputs import copy_outputs
from support.servers import free_port
from support.waiting import HANG_SECONDS, expect_value, wait_until

pytest.importorskip("playwright.sync_api", reason="needs playwright")
from playwright.sync_api import Browser, Locator, Page, expect

from support.browser import open_browser, open_page, save_screenshot
from trialmaker.analysis.store.runs import Run
from trialmaker.cli.main import main
from trialmaker.cli.ui import _show_addresses


class Ui:
    """A process of ``python -m trialmaker ui``, and the lines that it printed until it was ready."""

    def __init__(self, *words: str) -> None:
        self.port = free_port()
        command = [sys.executable, "-m", "trialmaker", "ui", *words, "--port", str(self.port)]
        self.process = subprocess.Popen(
            command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        timeout = threading.Timer(120, self.process.kill)
        timeout.start()
        self.lines: list[str] = []
        for line in self.process.stdout or ():
            self.lines.append(line.rstrip("\n"))
            if "Ctrl-C" in line:
                break
        timeout.cancel()

    def address(self, beginning: str) -> str:
        (line,) = (line for line in self.lines if line.startswith(beginning))
        return line.partition(": ")[2]

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(number)
        self.process.communicate(timeout=HANG_SECONDS)
        return self.process.returncode


@pytest.fixture(scope="module")
def outputs(jobs: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return copies of the outputs; the place where they were made no longer exists."""
    return copy_outputs(jobs, tmp_path_factory.mktemp("down loads"))


@pytest.fixture(scope="module")
def ui(outputs: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ui]:
    process = Ui(*map(str, outputs), "--store", str(tmp_path_factory.mktemp("merged") / "store"))
    yield process
    assert process.stop() == 0


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as running:
        yield running


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with open_page(1500, 1000, browser) as new_page:
        yield new_page


def runs(page: Page) -> Locator:
    """Return the links to runs in the list; a model bears its run's name, in another column."""
    names = page.locator(".ag-cell[col-id='attributes.`Run Name`']")
    return names.get_by_role("link", name=re.compile(r"^mlp hidden_units.* · \S+ \S+$"))


def headers(page: Page) -> list[str]:
    """Return the headings of the columns that fit the window, from left to right."""
    return page.locator(".ag-header-cell").evaluate_all(
        "all => all.filter(one => one.innerText.trim())"
        ".sort((a, b) => a.getBoundingClientRect().x - b.getBoundingClientRect().x).map(one => one.innerText.trim())"
    )


def cells(page: Page, column: str) -> list[str]:
    """Return a column's texts, from top to bottom."""
    return page.locator(f".ag-cell[col-id='{column}']").evaluate_all(
        "all => all.sort((a, b) => a.getBoundingClientRect().y - b.getBoundingClientRect().y)"
        ".map(one => one.innerText.split('\\n').at(-1))"  # what follows the color of a name
    )


def close_assistant(page: Page) -> None:
    """Close MLflow's assistant, which takes a third of the window."""
    if (close := page.get_by_role("button", name="Close")).count():
        close.last.click()


def test_the_addresses_that_are_printed(ui: Ui) -> None:
    page = f"http://127.0.0.1:{ui.port}/#"
    view = "workflowType=machine_learning&viewStateShareKey=best_first"
    assert ui.lines[:3] == [
        f"MLflow's UI: {page}/experiments?workflowType=machine_learning",
        f"digits, 6 runs, best first: {page}/experiments/1/runs?{view}",
        f"digits, curves of the best: {page}/experiments/1/runs?{view}&compareRunsMode=CHART",
    ]
    comparison = ui.address("digits, the best 3 compared")
    assert comparison.startswith(f"{page}/compare-runs?runs=%5B%22")
    assert comparison.endswith("&experiments=%5B%221%22%5D&workflowType=machine_learning")
    assert ui.lines[-1] == "Ctrl-C ends it"


def test_each_objective_has_its_addresses(capsys: pytest.CaptureFixture[str]) -> None:
    objectives = [("val_accuracy", "maximize"), ("val_loss", "minimize"), ("val_loss", "minimize")]
    params = [{"objective": name, "direction": direction} for name, direction in objectives]
    runs = [Run("id", "run", "digits", 1, "FINISHED", 0.0, 1.0, "", one, {}, {}, 0.5) for one in params]
    _show_addresses(runs, 5000, in_browser=False)
    page, views = "http://127.0.0.1:5000/#/experiments/1/runs?workflowType=machine_learning&viewStateShareKey=", {}
    for line in capsys.readouterr().out.splitlines():
        title, _, address = line.partition(": ")
        views[title] = address.partition(page)[2]
    assert {title: view for title, view in views.items() if view} == {
        "digits, 3 runs, best first by val_accuracy": "best_first_val_accuracy",
        "digits, curves of the best by val_accuracy": "best_first_val_accuracy&compareRunsMode=CHART",
        "digits, 3 runs, best first by val_loss": "best_first",
        "digits, curves of the best by val_loss": "best_first&compareRunsMode=CHART",
    }


def test_one_run_is_not_called_runs(capsys: pytest.CaptureFixture[str]) -> None:
    _show_addresses([Run("id", "run", "digits", 1, "FINISHED", 0.0, 1.0, "", {}, {}, {}, None)], 5000, in_browser=False)
    assert "digits, 1 run: http" in capsys.readouterr().out


def test_the_run_list_is_sorted_and_has_the_columns_that_tell_runs_apart(ui: Ui, page: Page) -> None:
    """From the home page, as a person without an address finds it: by the experiment's description."""
    page.set_viewport_size({"width": 1280, "height": 800})
    page.goto(f"http://127.0.0.1:{ui.port}/")
    page.get_by_role("link", name="digits", exact=True).click()
    with page.expect_popup() as popup:
        page.get_by_role("button", name="Got it").click()  # of MLflow's tour
        page.get_by_role("link", name="list", exact=True).click()
    page = popup.value
    expect(runs(page)).to_have_count(2)
    close_assistant(page)
    first = [
        *("Run Name", "Created", "best_val_accuracy", "test_accuracy", "Duration", "model.name", "model.hidden_units"),
    ]
    expect_value(lambda: headers(page)[:7], first)
    expect_value(lambda: len(cells(page, "metrics.`best_val_accuracy`")), 6)
    best = [float(text) for text in cells(page, "metrics.`best_val_accuracy`")]
    assert best == sorted(best, reverse=True)
    assert cells(page, "params.`model.name`").count("mlp") == 5  # all but the study's own row
    save_screenshot(page, "run_list")
    page.set_viewport_size({"width": 2200, "height": 800})
    expect(page.locator(".ag-header-cell").filter(has_text="test_loss")).to_be_visible()
    others = [
        *("model.dropout_rate", "optimizer.learning_rate", "schedule.name", "training.epochs"),
        *("training.max_examples", "seed", "test_loss"),
    ]
    expect_value(lambda: headers(page)[7:], others)


def test_the_curves_are_those_of_epochs(ui: Ui, page: Page) -> None:
    page.goto(ui.address("digits, curves of the best"))
    heading = page.get_by_text("Model metrics").first.locator("..")
    expect(heading).to_have_text(re.compile(r"Model metrics\s*\(4\)"))
    close_assistant(page)
    for name in ("accuracy", "loss", "val_accuracy", "val_loss"):
        expect(page.get_by_text(name, exact=True).first).to_be_visible()
    save_screenshot(page, "best_curves")


def test_the_experiments_are_those_with_runs(ui: Ui, page: Page) -> None:
    page.goto(ui.address("MLflow's UI"))
    expect(page.get_by_role("link", name="digits", exact=True)).to_be_visible()
    expect(page.get_by_text("Default")).to_have_count(0)


def test_a_person_selects_two_runs_and_compares_them(ui: Ui, page: Page) -> None:
    page.goto(ui.address("digits, 6 runs"))
    expect(runs(page)).to_have_count(2)
    for link in runs(page).all():
        row = page.get_by_role("row").filter(has_text=link.inner_text())
        row.get_by_role("checkbox", name=re.compile("toggle row selection")).click()
    page.get_by_role("button", name="Compare", exact=True).click()
    expect(page.get_by_text("Comparing 2 Runs from 1 Experiment")).to_be_visible()
    page.get_by_role("switch", name="Parameters - Show diff only").click()
    expect(page.get_by_text("model.hidden_units").last).to_be_visible()
    for value in ("0.001", "0.01"):
        expect(page.get_by_role("cell", name=value, exact=True).first).to_be_visible()
    expect(page.get_by_text("optimizer.beta_1")).to_have_count(0)
    page.get_by_role("link", name="accuracy", exact=True).click()
    expect(page.get_by_text(re.compile(r" · \S+ \S+ \(accuracy\)$"))).to_have_count(2)
    plot = page.locator(".js-plotly-plot")
    wait_until(lambda: {3, 4} <= set(plot.evaluate("plot => plot.data.map(line => line.y.length)")))  # one an epoch
    save_screenshot(page, "curves")


def test_the_comparison_whose_address_is_printed(ui: Ui, page: Page) -> None:
    page.goto(ui.address("digits, the best 3 compared"))
    expect(page.get_by_text("Comparing 3 Runs from 1 Experiment")).to_be_visible()
    expect(page.locator(".js-plotly-plot")).to_be_visible()
    close_assistant(page)
    save_screenshot(page, "comparison")


def test_a_run_shows_its_pictures_data_and_model(ui: Ui, page: Page) -> None:
    page.goto(ui.address("digits, 6 runs"))
    runs(page).first.click()
    expect(page.get_by_text(re.compile(r"digits \([0-9a-f]{8}")).first).to_be_visible()
    page.get_by_role("tab", name="Artifacts").click()
    page.get_by_text("pictures", exact=True).click()
    page.get_by_text("confusion_matrix.png").click()
    picture = page.locator("img[src^=blob]").first
    expect(picture).to_be_visible()
    wait_until(lambda: picture.evaluate("image => image.naturalWidth") > 300)
    close_assistant(page)
    save_screenshot(page, "picture")
    page.get_by_role("tab", name="Overview").click()
    address = page.get_by_role("link", name=re.compile(r"^mlp hidden_units.*_\d\d$")).last.get_attribute("href")
    page.goto(f"http://127.0.0.1:{ui.port}/{address}/artifacts")
    page.get_by_text("MLmodel", exact=True).click()
    expect(page.get_by_text("tf2-module")).to_be_visible()
    page.get_by_text("saved_model", exact=True).first.click()
    expect(page.get_by_text("saved_model.pb")).to_be_visible()
    save_screenshot(page, "model")


def test_a_study_is_listed_with_its_trials(ui: Ui, page: Page) -> None:
    page.goto(ui.address("digits, 6 runs"))
    expect(page.get_by_role("link", name=re.compile(r"^mlp_digits.\d$"))).to_have_count(3)
    expect(page.get_by_role("link", name="mlp_digits", exact=True)).to_be_visible()
    names, best = cells(page, "attributes.`Run Name`"), cells(page, "metrics.`best_val_accuracy`")
    study = names.index("mlp_digits")
    assert best[study] == max(value for name, value in zip(names, best, strict=True) if name.startswith("mlp_digits/"))
    assert float(cells(page, "metrics.`test_accuracy`")[study]) > 0


def test_watch_shows_a_run_that_is_added(outputs: list[Path], page: Page, tmp_path: Path) -> None:
    (tmp_path / "all").mkdir()
    (tmp_path / "all" / "V0001").symlink_to(outputs[0])
    ui = Ui(str(tmp_path / "all"), "--watch", "0.5", "--store", str(tmp_path / "store"))
    try:
        page.goto(ui.address("digits, 1 run,"))
        expect(runs(page)).to_have_count(1)
        (tmp_path / "all" / "V0002").symlink_to(outputs[1])
        for _ in range(2 * HANG_SECONDS):
            page.wait_for_timeout(500)
            page.reload()
            expect(runs(page).first).to_be_visible()
            if runs(page).count() == 2:
                break
        expect(runs(page)).to_have_count(2)
    finally:
        code = ui.stop(signal.SIGTERM)
    assert code == 143


@pytest.mark.parametrize(
    ("environment", "is_terminal", "is_opened"),
    [
        ({"DISPLAY": ":0"}, True, True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, True, True),
        ({"DISPLAY": ":0"}, False, False),
        ({}, True, False),
        ({"DISPLAY": ":10", "SSH_CONNECTION": "10.0.0.1 1 10.0.0.2 22"}, True, False),
    ],
)
def test_a_browser_is_opened_from_a_terminal_of_a_desktop(
    environment: dict[str, str], is_terminal: bool, is_opened: bool, tmp_path: Path
) -> None:
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/address\n')
    browser.chmod(0o755)
    inherited = {key: value for key, value in os.environ.items() if key not in ("DISPLAY", "WAYLAND_DISPLAY")}
    code = "from trialmaker.analysis import mlflow_ui; mlflow_ui.open_in_browser('http://127.0.0.1:5000/#/x')"
    master, terminal = os.openpty()
    subprocess.run(
        [sys.executable, "-c", code],
        env=inherited | environment | {"BROWSER": str(browser)},
        stdout=terminal if is_terminal else subprocess.PIPE,
        check=True,
    )
    os.close(master), os.close(terminal)
    assert (tmp_path / "address").exists() == is_opened
    assert not is_opened or (tmp_path / "address").read_text() == "http://127.0.0.1:5000/#/x\n"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["/nowhere"], "/nowhere: there is no such directory"),
        (["--port", "70000"], "--port 70000: must be 1 to 65535"),
        (["EMPTY"], "skipped EMPTY: holds no mlflow.db, so no job's output"),
    ],
)
def test_a_mistake_is_one_line(words: list[str], line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "none").mkdir()
    words = [word.replace("EMPTY", str(tmp_path / "none")) for word in words]
    assert main(["ui", *words]) == 2
    assert capsys.readouterr().err == f"trialmaker: error: {line.replace('EMPTY', str(tmp_path / 'none'))}\n"


def test_a_port_in_use_is_one_line(ui: Ui, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ui", "--port", str(ui.port)]) == 2
    assert capsys.readouterr().err.startswith(
        f"trialmaker: error: --port {ui.port}: cannot be listened on: address already"
    )
