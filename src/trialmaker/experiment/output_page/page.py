"""The page's content, gathered while a run goes on, and its file."""

import logging
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trialmaker.config.schema import Config
from trialmaker.errors import UserError
from trialmaker.experiment.output_page import folder
from trialmaker.experiment.output_page.scores import duration, metric_text, score_texts, shortened
from trialmaker.experiment.output_page.study_page import study_line, study_values
from trialmaker.model_store.card import Card
from trialmaker.model_store.catalog import read_best
from trialmaker.platform.atomic_files import write_text
from trialmaker.platform.failure_causes import by_language
from trialmaker.platform.paths import serve_command
from trialmaker.platform.run_result import RunResult
from trialmaker.training.objective import Objective

if TYPE_CHECKING:  # NumPy's import, which --help need not wait for
    from trialmaker.data.splits import Dataset
    from trialmaker.experiment.output_page.test_report import TestReport

log = logging.getLogger(__name__)
SHOWN_APART = ("name=", "note=", "tags.")  # differences that have a place of their own
PAGE_FILE = "index.html"
# What the template needs of a run or a study, where it has nothing to say.
NOTHING: Mapping[str, Any] = {
    **dict.fromkeys(("test", "sizes", "own_model", "model", "is_study"), None),
    **dict.fromkeys(("best_command", "objective", "data_name"), ""),
    **dict.fromkeys(("charts", "trials", "runs", "scores", "trial_counts"), ()),
}


@dataclass
class RunPage:
    """The page of an output whose last run it tells of.

    Attributes:
        result: the run's, as far as it is known.
        config: the run's; None before it is validated, when there is no page.
        dataset: None before it is read.
        test: None before the best weights were tested.
        history: (epoch, metrics) of the epochs that have ended.
    """

    result: RunResult
    config: Config | None = None
    dataset: "Dataset | None" = None
    test: "TestReport | None" = None
    history: list[tuple[int, Mapping[str, float]]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    has_ended: bool = False

    def begin(self) -> None:
        """Replace the page of whatever was before, while other things begin."""
        threading.Thread(target=self.write, daemon=True).start()

    def write(self, *, is_running: bool = True) -> None:
        """Replace the page by that of the run, of a trial by that of its study; see ``write_page``."""
        with self.lock:
            self.has_ended |= not is_running
            if self.config is None or (is_running and self.has_ended):
                return
            if self.result.study:
                write_study_page(self.config, self.result.study, replace(self.result, status="finished"))
            else:
                values = self._values(self.config) | {"is_running": is_running, "result": self.result}
                write_page(Path(self.config.output).absolute(), values)

    def _values(self, config: Config) -> dict[str, Any]:
        result, output = self.result, Path(config.output).absolute()
        epoch, results = self.history[-1][0] if self.history else 0, folder.all_results(output)
        is_own = result.status == "finished" and result.model_version is None
        return {
            "title": result.name,
            "objective": config.objective,
            "model": config.model.name,
            "data_name": result.data,
            "sizes": data_sizes(self.dataset) if self.dataset else None,
            "progress": ("epochs_done", {"epoch": epoch, "epochs": config.training.epochs}),
            "scores": score_texts(result, config.training.epochs),
            "charts": self._charts(),
            "test": self.test,
            "own_model": result.model_directory if is_own else None,
            "results": results,
            "runs": folder.other_runs(results, result),
        }

    def _charts(self) -> list[tuple[str, dict[str, str], str]]:
        """Return (key of the title, its values, SVG) of the curves by epoch."""
        from trialmaker.experiment.output_page.charts import line_chart

        if not self.history:
            return []
        wrong, loss = (
            {
                "training": [(epoch, base + sign * metrics[name]) for epoch, metrics in self.history],
                "validation": [(epoch, base + sign * metrics[f"val_{name}"]) for epoch, metrics in self.history],
            }
            for name, base, sign in (("accuracy", 1.0, -1.0), ("loss", 0.0, 1.0))
        )
        best = self.result.best_epoch
        return [
            ("error_by_epoch", {}, line_chart(wrong, log=True, percent=True, marked_x=best)),
            ("loss_by_epoch", {}, line_chart(loss, log=True, marked_x=best)),
        ]


def write_study_page(
    config: Config, study: str, trial: RunResult | None = None, summary: RunResult | None = None, **values: Any
) -> str:
    """Replace the page by that of a study, see ``write_page``; return a line on its result.

    Args:
        config: what the trials have in common.
        study: the study's name.
        trial: the one that has ended and not yet left its result; None at the study's end.
        summary: of the study; None as long as it goes on.
        values: to show beside those of the trials.
    """
    output = Path(config.output).absolute()
    results = folder.all_results(output)
    trials = [*folder.trials_of(results, study), *([trial] if trial else [])]
    objective, test_metrics = Objective(config.objective, config.direction), summary.test_metrics if summary else {}
    of_study = {
        "title": config.name or study,
        "is_study": True,
        "results": results,
        "runs": folder.other_runs(results, None),
        "model": config.model.name,
        "data_name": config.data.name,
        "result": summary or RunResult("", note=config.note or "", tags=dict(config.tags)),
        "is_running": summary is None,
        **study_values(trials, objective, config.training.epochs, test_metrics),
    }
    write_page(output, of_study | values)
    return study_line(config.name or study, trials, objective, test_metrics)


def write_refusal_page(output: Path, command: str, message: str) -> None:
    """Replace an output's page by that of a command that failed, or of whose runs one did; see ``write_page``.

    Args:
        output: the folder.
        command: what was typed.
        message: why it failed.
    """
    result, results = RunResult(command, status="failed", message=message), folder.all_results(output)
    runs = folder.other_runs(results, None)
    write_page(output, {"title": command, "result": result, "is_running": False, "results": results, "runs": runs})


def write_page(output: Path, values: Mapping[str, Any]) -> None:
    """Replace an output's page; where it can't be written to, a run that has finished says so, and others go on.

    Args:
        output: the folder.
        values: of the names in the template, beside those that are of the folder itself.
    """
    try:
        write_text(output / PAGE_FILE, render(output, values))
    except OSError as error:
        if values["result"].status == "finished":
            log.warning(f"{output / PAGE_FILE}: {error.strerror}; the run has finished without it")


def render(output: Path, values: Mapping[str, Any]) -> str:
    """Return the page's HTML; see ``write_page``."""
    best = None
    with suppress(UserError):  # of a damaged record, which the run itself reports
        best = read_best(output / "model")
    of_folder = {
        "best": best,
        "served_metric": f"{best.objective} {metric_text(best.objective, best.metrics[best.objective])}"
        if best
        else "",
        "served_run": folder.run_of(values.get("results", ()), best.run_id) if best else "",
        "best_run": folder.best_run(values.get("runs", ())),
        "message": by_language(values["result"].message),
        "serve_command": serve_command(),
        "metric_text": metric_text,
        "shortened": shortened,
        "files": folder.entries(output),
        "differences": [one for one in values["result"].differences if not one.startswith(SHOWN_APART)],
        "duration": duration,
        "time": time.strftime("%Y-%m-%d %H:%M:%S %Z"),
    }
    return str(_template().render({**NOTHING, **of_folder, **values}))


def _served_metric(best: Card) -> str:
    return f"{best.objective} {metric_text(best.objective, best.metrics[best.objective])}"


@lru_cache
def _template() -> Any:
    from trialmaker.platform.bilingual_pages import load_template  # Jinja, which most trials of a study do without

    return load_template(Path(__file__).with_name("page.html"))


def data_sizes(dataset: "Dataset") -> dict[str, Any]:
    """Return the numbers of a data set, for the text of that key."""
    return {
        "name": dataset.name,
        **{name: f"{len(getattr(dataset, name)):,}" for name in ("train", "validation", "test")},
        "shape": "x".join(map(str, dataset.input_shape)),
        "classes": dataset.num_classes,
    }
