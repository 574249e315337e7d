"""The figures of a run. Warnings of matplotlib, such as of a missing glyph, fail a test; findfont's are log records."""

import io
import itertools
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from PIL import Image

from support.fonts import make_font
from trialmaker.tracking.classification import per_class
from trialmaker.tracking.figures.artifacts import write_figures
from trialmaker.tracking.figures.canvas import Canvas, settings
from trialmaker.tracking.figures.class_labels import ClassLabels, class_labels
from trialmaker.tracking.figures.class_scores import class_scores
from trialmaker.tracking.figures.confident_errors import confident_errors, percent
from trialmaker.tracking.figures.confusion import confusion_figure
from trialmaker.tracking.figures.fonts import find_fonts
from trialmaker.tracking.figures.learning_curves import learning_curves
from trialmaker.tracking.messages import Metrics, Predictions, surest_errors

FIGURES = {"learning_curves.png", "confusion_matrix.png", "per_class.png"}


def epoch(number: int, *, accuracy: float = 0.5) -> Metrics:
    loss = 2.0 / number
    values = {"loss": loss, "accuracy": accuracy, "val_loss": loss, "val_accuracy": accuracy, "learning_rate": 0.01}
    return Metrics(number, values)


def predictions(names: tuple[str, ...], answers: list[int]) -> Predictions:
    """Predictions of one picture of each class."""
    images = np.arange(len(names) * 16, dtype=np.uint8).reshape(len(names), 4, 4, 1)
    probabilities = np.eye(len(names), dtype=np.float32)[answers]
    return Predictions(1, images, np.arange(len(names)), probabilities, names)


def texts(canvas: Canvas) -> list[Text]:
    return [one for one in canvas.figure.findobj(Text) if one.get_text() and one.get_visible()]


def test_names_are_no_formulas_nor_escape_codes(tmp_path: Path) -> None:
    write_figures(tmp_path, "$^$ \x1b[31m\n", [epoch(1)], predictions(("$^$", r"$\frac$"), [1, 0]), [])
    assert {path.name for path in tmp_path.iterdir()} == FIGURES | {"confident_errors.png"}


def test_without_mistakes_there_is_no_picture_of_them(tmp_path: Path) -> None:
    write_figures(tmp_path, "run", [epoch(1, accuracy=1.0)], predictions(("a", "b"), [0, 1]), [])
    assert {path.name for path in tmp_path.iterdir()} == FIGURES


def test_chinese_names_are_drawn_where_a_font_has_them(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Else the classes are numbers in the pictures, and a page says which."""
    found = predictions(("猫", "狗"), [1, 0])
    fonts = {"with": [make_font(tmp_path / "OfChineseNames.ttf", "猫狗试验")], "without": []}
    pixels = {}
    for name, files in fonts.items():
        (tmp_path / name).mkdir()
        write_figures(tmp_path / name, "试验", [epoch(1)], found, files)
        pixels[name] = np.asarray(Image.open(tmp_path / name / "per_class.png").convert("L"))
    assert {path.name for path in (tmp_path / "with").iterdir()} == FIGURES | {"confident_errors.png"}
    assert "<td>#1<td>狗" in (tmp_path / "without" / "classes.html").read_text()
    squares = {
        name: np.lib.stride_tricks.sliding_window_view(one < 50, (8, 8)).all((2, 3)) for name, one in pixels.items()
    }
    assert squares["with"].any() and not squares["without"].any()  # which are the test font's glyphs
    assert caplog.records == []


@pytest.mark.parametrize("classes", [2, 10, 26, 62, 100, 101])
def test_the_confusion_matrix_can_be_read(classes: int) -> None:
    """All texts lie inside the picture, and no two of the names overlap; above 100 classes it shows the worst."""
    names = [f"{index} a rather long name" for index in range(classes)]
    labels = class_labels(names, find_fonts(names, []))
    counts = np.diag(np.full(classes, 50)) + np.eye(classes, k=1, dtype=np.int64)
    with matplotlib.rc_context(settings(labels.fonts)):
        canvas = confusion_figure("a run", counts, labels)
        renderer = FigureCanvasAgg(canvas.figure).get_renderer()
        boxes = {text: text.get_window_extent(renderer) for text in texts(canvas)}
    width, height = canvas.figure.bbox.size
    assert all(box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height for box in boxes.values())
    shown = [box for text, box in boxes.items() if text.get_text() in labels.texts]
    assert len(shown) == 2 * min(classes, 100)
    assert not any(one.overlaps(other) for one, other in itertools.pairwise(shown[::2]))
    assert not any(one.overlaps(other) for one, other in itertools.pairwise(shown[1::2]))
    assert ("the 100 of 101 classes" in boxes_text(boxes)) == (classes == 101)
    assert f"test split: {50 * classes} of {51 * classes - 1} right" in boxes_text(boxes)


def boxes_text(boxes: dict[Text, object]) -> str:
    return "\n".join(text.get_text() for text in boxes)


def test_scores_are_in_order_of_f1() -> None:
    names = [f"class {index}" for index in range(41)]
    labels = class_labels(names, find_fonts(names, []))
    counts = np.diag(np.full(41, 9))
    counts[7, 8] = 1
    with matplotlib.rc_context(settings(labels.fonts)):
        shown = [text.get_text() for text in texts(class_scores("a run", per_class(counts), labels))]
    assert "test split, means over classes: precision 99.76 %, recall 99.76 %, F1 99.74 %" in shown
    assert any(text.startswith("the 40 lowest of 41 classes, by F1;") for text in shown)
    assert [text for text in shown if text.startswith("class ")][:3] == [
        "class 7  (10)",
        "class 8  (9)",
        "class 0  (9)",
    ]


def test_the_surest_errors_are_enough_pictures() -> None:
    """Of 60 answers, 30 wrong ones: the 24 surest are drawn, and no other picture is needed."""
    labels = np.arange(60) % 2
    probabilities = np.stack([np.linspace(0.99, 0.51, 60), np.linspace(0.01, 0.49, 60)], axis=1).astype(np.float32)
    indices = surest_errors(labels, probabilities)
    assert indices == list(range(1, 48, 2))
    images = {index: np.zeros((4, 6, 3), np.uint8) for index in indices}
    canvas = confident_errors("a run", Predictions(1, images, labels, probabilities, ("a", "b")), latin("a", "b"))
    shown = [text.get_text() for text in texts(canvas)]
    assert "mistakes on the test split: the 24 most confident of 30, among 60 pictures" in shown
    assert [shown.count(text) for text in ("b", "→ a", "98.2 %")] == [24, 24, 1]
    canvas.figure.savefig(io.BytesIO())


def latin(*names: str) -> ClassLabels:
    return class_labels(names, find_fonts(names, []))


@pytest.mark.parametrize(("probability", "text"), [(1.0, "100 %"), (0.99999, ">99.9 %"), (0.5, "50 %")])
def test_a_probability_is_100_percent_only_if_it_is_1(probability: float, text: str) -> None:
    assert percent(probability) == text


@pytest.mark.parametrize("epochs", [1, 3, 100])
def test_learning_curves_have_whole_epochs_and_the_best_one(epochs: int) -> None:
    history = [epoch(number, accuracy=1 - 0.5 / number) for number in range(1, epochs + 1)]
    canvas = learning_curves("run 7", [*history, Metrics(epochs, {"best_epoch": epochs})], epochs, latin("a").fonts)
    for axes in canvas.figure.axes:
        ticks = axes.get_xticks()
        assert np.array_equal(ticks, ticks.round()) and any(1 <= tick <= epochs for tick in ticks)
        assert [line for line in axes.lines if list(line.get_xdata()) == [epochs, epochs]]  # the dashed one
    shown = [text.get_text() for text in texts(canvas)]
    best = f"{100 - 50 / epochs:.4g} %, loss {2 / epochs:.4g}"
    assert f"best epoch {epochs} (dashed line): validation accuracy {best}" in shown
    assert {"run 7", "learning rate", "accuracy (log scale of 1 − accuracy)", "loss (log scale)"} <= set(shown)
