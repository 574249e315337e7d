"""The page of ``compare --html`` in a real browser: on a desk, on a phone, in the dark, on paper, in two languages."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.outputs import copy_outputs, create_store
from support.runs import make_run
from support.waiting import expect_value

pytest.importorskip("playwright.sync_api", reason="needs playwright")
from playwright.sync_api import Browser, Page, expect

from support.browser import open_browser, open_page, save_screenshot
from trialmaker.analysis import html_report
from trialmaker.analysis.headline import headlines
from trialmaker.analysis.sections import split
from trialmaker.cli.main import main
from trialmaker.platform.bilingual_texts import read_texts

DARK, LIGHT = "rgb(20, 23, 28)", "rgb(255, 255, 255)"
A4_PIXELS = 700  # between the margins


@pytest.fixture(scope="module")
def comparison(jobs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of two runs and a study, whose outputs do not lie where they were made."""
    folder = tmp_path_factory.mktemp("down loads")
    words = [*map(str, copy_outputs(jobs, folder)), "--store", str(folder / "store")]
    assert main(["compare", *words, "--html", str(folder / "page.html")]) == 0
    return folder / "page.html"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as opened:
        yield opened


def expect_colors(page: Page, color: str) -> None:
    """Expect this background of the page and of its first plot."""
    expect(page.locator("body")).to_have_css("background-color", color)
    expect_plot_color(page, color)


def expect_plot_color(page: Page, color: str) -> None:
    plot = page.locator("[data-plot] .main-svg").first  # which may be drawn anew
    expect_value(lambda: plot.evaluate("node => node.style.background"), color)


def is_wider_than_the_window(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth > innerWidth"))


def box(page: Page, selector: str) -> dict[str, float]:
    return dict(page.locator(selector).last.bounding_box() or {})


def test_the_page_on_a_desk(comparison: Path, browser: Browser) -> None:
    with open_page(1280, 900, browser, locale="en-US", color_scheme="light") as page:
        page.goto(comparison.as_uri())
        assert page.title() == "Comparison of runs"
        expect(page.locator("tbody tr")).to_have_count(3)
        expect(page.locator("tr.best")).to_have_count(1)
        expect(page.locator(".curves .scatterlayer").first.locator(".trace")).to_have_count(3)
        expect(page.locator(".parcoords")).not_to_have_count(0)
        expect_colors(page, LIGHT)
        card = page.locator(".card").inner_text()
        assert card.startswith("Best on digits\n") and "\npython train.py data=digits" in card
        assert re.search(r"\nDeploy it\npython predict.py --model-dir '.*/V000\d/model/\d+'", card), card
        best = page.locator("tr.best td").nth(1).inner_text()
        assert best == max(page.locator("tbody td:nth-child(2)").all_inner_texts())
        axes = page.evaluate("[...document.querySelectorAll('.curves')].map(div => div.layout.yaxis.type)")
        assert axes == ["log", "log", "linear", "linear"]  # losses, accuracies
        assert box(page, ".legend")["y"] >= box(page, ".curves")["y"] + box(page, ".curves")["height"]
        save_screenshot(page, "page")
        page.locator("tbody a").first.click()
        expect(page.get_by_text("pictures/")).to_be_visible()


def test_the_page_on_a_phone_in_the_dark_in_chinese(comparison: Path, browser: Browser) -> None:
    with open_page(390, 844, browser, locale="zh-CN", color_scheme="dark") as page:
        page.goto(comparison.as_uri())
        expect(page.locator("[data-plot] .main-svg")).not_to_have_count(0)
        assert not is_wider_than_the_window(page)
        expect_colors(page, DARK)
        assert page.title() == "训练运行对比"
        expect(page.locator('[lang="en"]').filter(visible=True)).to_have_count(0)
        expect(page.get_by_role("heading", name="digits 上的最佳运行")).to_be_visible()
        assert page.evaluate("document.querySelector('.curves').layout.xaxis.title.text") == "轮次"
        page.emulate_media(color_scheme="light")
        expect_plot_color(page, LIGHT)


def test_the_page_on_paper(comparison: Path, browser: Browser) -> None:
    with open_page(A4_PIXELS, 1000, browser, locale="en-US", color_scheme="dark") as page:
        page.goto(comparison.as_uri())
        expect_colors(page, DARK)
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        page.emulate_media(media="print", color_scheme="dark")
        assert page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--paper')").strip() == "#fff"
        expect_plot_color(page, LIGHT)
        assert not is_wider_than_the_window(page)
        assert box(page, ".curves .main-svg")["width"] * 2 < A4_PIXELS
        assert page.pdf(format="A4").startswith(b"%PDF")


def test_a_page_of_two_thousand_runs_is_small_and_escapes_their_names(tmp_path: Path, browser: Browser) -> None:
    create_store(tmp_path)
    name = "</script><script>document.title = 'x'</script><b>\x1b[31m"
    runs = [
        make_run(f"{at:04d}", at / 2000, name=name, seed=str(at), model__hidden_units=f"<{at % 50}>")
        for at in range(2000)
    ]
    sections = split(runs, {})
    text = html_report.render_page(sections, headlines(sections, {}, {}, []), tmp_path, {})
    assert len(text) < 8_000_000 and "\x1b" not in text.replace("\\x1b", "")
    (tmp_path / "page.html").write_text(text, encoding="utf-8")
    with open_page(390, 844, browser, locale="en-US") as page:
        page.goto((tmp_path / "page.html").as_uri())
        expect(page.locator("tbody tr")).to_have_count(2000)
        expect(page.locator("tbody tr").filter(visible=True)).to_have_count(html_report.SHOWN_ROWS)
        assert page.title() == "Comparison of runs" and page.locator("tbody td b").count() == 0
        assert page.locator(".name").inner_text().startswith(name.replace("\x1b", r"\x1b"))
        expect(page.locator(".parcoords .axis .tick text").filter(has_text="<0>")).not_to_have_count(0)
        assert not is_wider_than_the_window(page)


def test_two_objectives_of_a_data_set_have_headings_of_their_own_and_a_note_is_shown(tmp_path: Path) -> None:
    create_store(tmp_path)
    noted = make_run("1", 0.9, tags={"mlflow.note.content": "why <b>"})
    sections = split([noted, make_run("2", 0.1, objective="val_loss", direction="minimize")], {})
    text = html_report.render_page(sections, headlines(sections, {}, {}, []), tmp_path, {})
    headings = re.findall(r"<h2>(.*?)</h2>", text)
    assert [re.sub(r"<span lang=.zh.*?</span>|<.*?>", "", heading) for heading in headings] == [
        "Best on digits · val_accuracy",
        "Best on digits · val_loss",
        "digits · val_accuracy",
        "digits · val_loss",
    ]
    assert ">Runs: 1 · best by val_accuracy<" in text and ">Runs: 1 · best by val_loss (the lowest)<" in text
    assert '<p class="name">why &lt;b&gt;</p>' in text


def test_the_page_has_no_words_but_its_texts() -> None:
    template = html_report.TEMPLATE.read_text(encoding="utf-8")
    body = re.sub(r"<(style|script)\b.*?</\1>|\{\{.*?\}\}|\{%.*?%\}|<[^>]*>", "", template, flags=re.DOTALL)
    assert re.findall(r"[^\W\d]+", body.replace("()", "")) == []  # no text outside of the table
    script = "".join(re.findall(r"<script>(.*?)</script>", template, flags=re.DOTALL))
    assert not re.search(r"[\u4e00-\u9fff]", template) and "TEXTS.epoch[language]" in script
    expected = set(re.findall(r't\("(\w+)"[,)]', template)) | set(
        re.findall(r'"(no_model\w*)"', Path(html_report.__file__).read_text())
    )
    assert expected <= read_texts(html_report.TEMPLATE).keys()


def test_ticks_of_epochs_are_the_first_and_round_numbers() -> None:
    assert html_report.epoch_ticks(1) == [1]
    assert html_report.epoch_ticks(8) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert html_report.epoch_ticks(20) == [1, *range(2, 21, 2)]
    assert html_report.epoch_ticks(500) == [1, *range(50, 501, 50)]
    assert html_report.epoch_ticks(567) == [1, 100, 200, 300, 400, 500]


def test_ticks_of_a_logarithmic_axis() -> None:
    assert html_report.log_ticks(0.03, 2.5) == [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0]
    assert html_report.log_ticks(1e-7, 1.0) == [10.0**power for power in range(-7, 1)]
    assert html_report.log_ticks(0.31, 0.42) == []
