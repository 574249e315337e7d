"""The page of a study's plots, in a real browser: it needs no network, and its texts name things and do not overlap."""

import random
from pathlib import Path

import optuna
import pytest

pytest.importorskip("playwright.sync_api", reason="needs playwright")
from playwright.sync_api import Page

from optuna_sweep.importance import counted_study, importances
from support.browser import open_page, save_screenshot
from trialmaker.tracking.study_page import StudyPage

HIDDEN_UNITS = ["[128,128]", "[256,128,64]", "[32,64,128,256]"]
# (a, b) texts of one plot whose boxes have more than a pixel in common
OVERLAPS = """plots => plots.flatMap(plot => {
    const texts = [...plot.querySelectorAll("text")].filter(one => one.textContent.trim())
    const boxes = texts.map(one => [one.textContent, one.getBoundingClientRect()])
    return boxes.flatMap(([a, p], at) => boxes.slice(at + 1).filter(([b, q]) =>
        Math.min(p.right, q.right) - Math.max(p.left, q.left) > 1 &&
        Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top) > 1).map(([b]) => [a, b]))
})"""


def objective(trial: optuna.Trial) -> float:
    """Suggest parameters with long names, and be pruned often."""
    rate = trial.suggest_float("optimizer.learning_rate", 1e-5, 1e-1, log=True)
    dropout = trial.suggest_float("model.dropout_rate", 0.0, 0.5)
    trial.suggest_categorical("model.hidden_units", HIDDEN_UNITS)
    trial.suggest_float("optimizer.weight_decay", 1e-6, 1e-2, log=True)
    trial.suggest_float("training.label_smoothing", 0.0, 0.1)
    for epoch in range(1, 31):
        value = 1 - abs(rate - 0.01) * 5 / epoch**0.3 - dropout / 5
        trial.report(value, epoch)
        if trial.should_prune():
            raise optuna.TrialPruned
    return value


@pytest.fixture(scope="module")
def study() -> optuna.Study:
    sampler = optuna.samplers.RandomSampler(seed=0)
    study = optuna.create_study(direction="maximize", pruner=optuna.pruners.MedianPruner(), sampler=sampler)
    study.optimize(objective, n_trials=30)
    return study


def open_study(page: Page, folder: Path, study: optuna.Study, name: str, *objectives: str) -> None:
    shares = importances(counted_study(study.trials, study.directions))
    html = StudyPage(name, study.trials, study.directions, objectives, shares).render()
    (folder / "plots.html").write_text(html)
    page.goto((folder / "plots.html").as_uri())
    assert page.locator(".js-plotly-plot .main-svg").count() > 0


def test_the_plots_count_pruned_trials_and_name_the_objective(study: optuna.Study, tmp_path: Path) -> None:
    states = [trial.state.name for trial in study.trials]
    with open_page(1280, 800) as page:
        open_study(page, tmp_path, study, "mlp <b>digits</b>", "val_accuracy")
        assert page.locator("h1").inner_text() == "mlp <b>digits</b>"
        assert page.locator("p").inner_text() == (
            f"30 trials, {states.count('PRUNED')} of them pruned, which count by their last value."
            " Pruned trials are crosses, grey, or dotted lines."
        )
        plots = page.locator(".js-plotly-plot")
        data = plots.evaluate_all("all => all.map(one => one.data)")
        layouts = plots.evaluate_all("all => all.map(one => one.layout)")
        history, importances, slices, parallel, epochs = data
        points = {trace["name"]: len(trace["x"]) for trace in history}
        assert points == {"val_accuracy": states.count("COMPLETE"), "best": 30, "pruned": states.count("PRUNED")}
        assert len(importances[0]["y"]) == 5
        assert [trace["marker"]["symbol"].count("x") for trace in slices] == [states.count("PRUNED")] * 5
        assert sum(trace["mode"] == "lines" and len(trace["x"]) == 6 for trace in parallel) == 30
        assert set(slices[0]["x"]) | set(slices[1]["x"]) >= set(HIDDEN_UNITS)  # without quotes
        formats = {axis["exponentformat"] for name, axis in layouts[2].items() if name.startswith("xaxis")}
        assert formats == {"power", "e"} and layouts[4]["xaxis"]["tickvals"] == list(range(1, 31, 3))
        assert len(epochs) == 30
        assert [layouts[at]["yaxis"]["title"]["text"] for at in (0, 2, 4)] == ["val_accuracy"] * 3
        assert layouts[1]["xaxis"]["title"]["text"] == "share of the importance for val_accuracy"
        assert layouts[3]["xaxis"]["ticktext"][0] == "val_accuracy"
        assert "Objective Value" not in page.content().partition("plotly.js v")[0] and states.count("PRUNED") > 5
        save_screenshot(page, "study")


@pytest.mark.parametrize("width", [390, 1280])
def test_no_text_of_a_plot_covers_another(study: optuna.Study, tmp_path: Path, width: int) -> None:
    with open_page(width, 800) as page:
        open_study(page, tmp_path, study, "mlp_digits", "val_accuracy")
        assert page.locator(".js-plotly-plot").evaluate_all(OVERLAPS) == []
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_several_objectives_have_their_front(tmp_path: Path) -> None:
    draw = random.Random(0)
    study = optuna.create_study(directions=["maximize", "minimize"])
    study.optimize(lambda trial: (trial.suggest_float("x", 0.0, 1.0), draw.random()), n_trials=12)
    with open_page() as page:
        open_study(page, tmp_path, study, "tradeoff", "val_accuracy", "parameters")
        assert page.locator("p").inner_text() == "12 trials."
        titles = page.locator(".js-plotly-plot .xtitle, .js-plotly-plot .ytitle").all_text_contents()
        assert titles == ["val_accuracy", "parameters"]


def test_trials_that_an_early_validation_prunes() -> None:
    study = optuna.create_study(direction="maximize")
    for _ in range(12):
        trial = study.ask({"x": optuna.distributions.FloatDistribution(0, 1)})
        trial.report(trial.params["x"], 0)
        study.tell(trial, state=optuna.trial.TrialState.PRUNED)
    page = StudyPage("mlp", study.trials, study.directions, ["val_accuracy"], {})
    history, *_, epochs = page._plots("val_accuracy")
    assert [trace.name for trace in history.data if trace.showlegend] == ["Infeasible Trial"]  # no best
    axis = epochs.layout.xaxis
    assert (axis.title.text, axis.tickvals) == ("epoch (0: part of epoch 1)", (0,))
