"""README's commands work, it shows what they print, and its Chinese version is in step."""

import os
import re
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token
from PIL import Image, ImageDraw

from support.entry import PROJECT, Train
from support.servers import free_port, run_server
from support.waiting import wait_until
from trialmaker.cli.main import main

README = (PROJECT / "README.md").read_text(encoding="utf-8")
CHINESE = (PROJECT / "README.zh-CN.md").read_text(encoding="utf-8")
COMMANDS = [line for block in re.findall(r"```bash\n(.*?)```", README, re.DOTALL) for line in block.splitlines()]
SHORT = ("training.max_examples=1000", "training.epochs=2")  # the same command, for a test's patience
SHAPES = {"circle": "ellipse", "square": "rectangle", "triangle": "regular_polygon"}

NOT_UNDER_MAKE = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}


def run(command: list[str], root: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"AI_ROOT": str(root)}
    return subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=180)


def assert_shown(command: str, printed: str) -> None:
    """Assert that the lines which README shows below a command were printed: any numbers, anything for ``…``."""
    (block,) = re.findall(
        r"```bash\n(?:[^`]*\n)?" + re.escape(command) + r"\n```.*?```text\n(.*?)```", README, re.DOTALL
    )
    left = iter(printed.splitlines())
    for line in block.splitlines():
        pattern = re.sub(r"\d+(?:\\\.\d+)?(?:e-?\d+)?", r"[\\d.e-]+", re.escape(line)).replace("…", ".*")
        assert any(re.fullmatch(re.sub(r"(?:\\ )+", " +", pattern), printed_line) for printed_line in left), line


@pytest.mark.parametrize("line", [line for line in COMMANDS if re.match(r"python train.py .*(mnist|model=cnn)", line)])
def test_a_command_runs(line: str, train: Train, tmp_path: Path, real_mnist: Path) -> None:
    words = line.split()[2:]
    if "data=images" in line:
        draw_shapes(tmp_path / "shapes")
        words[words.index("data.directory=shapes")] = f"data.directory={tmp_path / 'shapes'}"
    else:
        (tmp_path / "input").mkdir()
        (tmp_path / "input" / "data").symlink_to(real_mnist)
    words += [word for word in SHORT if word.split("=")[0] not in line]
    if "schedule" not in line and "experiment=mnist" in line:
        words.append("schedule=constant")
    result = train(*words)
    assert result.code == 0, result.err
    if "data=images" in line:
        assert_pictures_are_answered(result.output)


def draw_shapes(folder: Path) -> None:
    """Draw what README's own pictures show."""
    for number in range(30):
        for name, method in SHAPES.items():
            picture = Image.new("RGB", (32, 32), (200, 220, 255 - number))
            place = (16, 16, 6 + number % 6)
            box = (6, 6, 20 + number % 8, 20 + number % 8)
            options = {"n_sides": 3} if name == "triangle" else {}
            getattr(ImageDraw.Draw(picture), method)(place if options else box, fill=(90, 20, number), **options)
            path = folder / ("test" if number < 5 else "train") / name / f"{number + 1:03}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            picture.save(path)


def assert_pictures_are_answered(output: Path) -> None:
    """Serve the model, and send a picture as README does."""
    serve, ask = "python predict.py", next(line for line in COMMANDS if line.startswith("curl"))
    assert COMMANDS.count(serve) == 2
    port, root = str(free_port()), output.parent
    command = [sys.executable, *serve.split()[1:], "--port", port]
    words = ask.replace(":10000/", f":{port}/").split()
    with run_server(command, output, os.environ | {"AI_ROOT": str(root)}):

        def answer() -> str:
            return subprocess.run(words, cwd=root, capture_output=True, text=True, check=True).stdout

        wait_until(lambda: "the model is being loaded" not in answer())
        assert_shown(ask, answer())


def test_a_study_runs_and_its_best_trial_is_a_command(train: Train, tmp_path: Path) -> None:
    study, best = (line for line in COMMANDS if line.endswith((" sweeps=mlp", " best mlp")))
    result = train(*study.split()[2:], "data=digits", "hydra.sweeper.n_trials=3")
    assert result.code == 0, result.err
    done = run([sys.executable, *best.split()[1:]], tmp_path)
    assert done.returncode == 0 and done.stdout.startswith("python train.py sweeps=mlp"), done.stderr


def test_a_rehearsal_of_a_job_ends_with_a_model(tmp_path: Path, real_mnist: Path) -> None:
    (line,) = (line for line in COMMANDS if line.startswith("python -m trialmaker job"))
    words = [word.replace("workspace/input/data", str(real_mnist)) for word in shlex.split(line)[1:]]
    words[words.index("--args") + 1] += " --max-examples 4000 --log-every-steps 20"
    done = run([sys.executable, *words, "--output", str(tmp_path / "workspace" / "jobs")], tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert_shown(line, done.stdout)
    assert done.stdout.splitlines()[-2].endswith("] FINISH / 已完成")
    assert (tmp_path / "workspace" / "jobs" / "V0001" / "model" / "1" / "saved_model.pb").exists()


def test_make_train_trains_on_the_embedded_digits(train: Train) -> None:
    """What ``make train`` runs, whole: the one command of a newcomer."""
    plan = subprocess.run(
        ["make", "--no-print-directory", "-n", "-o", ".venv/runtime", "train"],
        cwd=PROJECT, env=NOT_UNDER_MAKE, capture_output=True, text=True, check=True,
    )  # fmt: skip
    words = plan.stdout.split()
    assert words[:3] == [".venv/bin/python", "train.py", "data=digits"]
    done = train(*words[2:])
    assert done.code == 0, done.err
    assert_shown("make train", done.out.replace(str(done.output), "/workspace/output"))
    accuracy = re.search(r"test_accuracy=([\d.]+)$", done.out, re.MULTILINE)
    assert accuracy and float(accuracy[1]) >= 0.97
    assert (done.output / "model" / "best.json").exists()


def test_outputs_are_compared(jobs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The three commands, on a folder of outputs."""
    compare, page, ui = (line.split()[3:] for line in COMMANDS if re.match(r"python -m trialmaker (compare|ui)", line))
    places = [str(jobs), "--store", str(tmp_path / "store")]
    assert main([*compare, *places]) == 0
    assert re.search(r"^best of digits: .*\n(  .*\n)*  deploy: ", capsys.readouterr().out, re.MULTILINE)
    assert main([word.replace("workspace", str(tmp_path)) for word in page] + places) == 0
    assert "plotly" in (tmp_path / "comparison.html").read_text(encoding="utf-8")
    command = [sys.executable, "-m", "trialmaker", *ui, *places, "--port", str(free_port())]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        printed = list(iter(process.stdout.readline, "Ctrl-C ends it\n"))
        process.terminate()
    assert any(re.search(r"best 3 compared: http://127.0.0.1:\d+/#/compare-runs", line) for line in printed), printed


def test_its_pictures_are_there_and_small() -> None:
    names = re.findall(r"!\[.*?\]\((.*?)\)", README + CHINESE)
    assert len(names) == 4 and all(1_000 < (PROJECT / name).stat().st_size < 60_000 for name in names)
    assert {path.name for path in (PROJECT / "docs" / "pictures").glob("*.png")} == {Path(name).name for name in names}


def test_every_command_is_run_by_a_test() -> None:
    tested = ("python train.py", "python predict.py", "curl ", "python -m trialmaker job", "python -m trialmaker best")
    tested += ("python -m trialmaker ui", "python -m trialmaker compare", "make train")
    assert [line for line in COMMANDS if not line.startswith(tested)] == ["source .venv/bin/activate"]


def test_the_example_of_a_mistake(tmp_path: Path) -> None:
    command, *lines = re.findall(r"^(?:\$ python )?(train.py.*)$", README.partition("A mistake")[2], re.MULTILINE)[:3]
    done = run([sys.executable, *command.split()], tmp_path)
    assert done.returncode == 2
    for said, written in zip(done.stderr.splitlines(), lines, strict=True):
        start, _, end = written.partition("…")
        assert said.startswith(start) and said.endswith(end)


def test_it_is_short() -> None:
    assert len(README.splitlines()) <= 200


def test_the_map_names_every_room_and_every_place_that_people_are_sent_to_is_there() -> None:
    """In CONTRIBUTING.md, since README is for those who use the project."""
    source = PROJECT / "src" / "trialmaker"
    text = (PROJECT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rooms = text.partition("## Where things are")[2].partition("Each room")[2]
    assert set(re.findall(r"^\| `(\w+)/` \|", rooms, re.MULTILINE)) == {
        path.name for path in source.iterdir() if path.is_dir() and path.name != "__pycache__"
    }
    places = re.findall(r"`((?:\w+/)+[\w.]+\.(?:py|md|json))`", text)
    assert len(places) >= 12
    assert [place for place in places if not any((folder / place).is_file() for folder in (source, PROJECT))] == []
    for constant, place in re.findall(r"`([A-Z_]+)` (?:in|of) `([\w/.]+)`", text):
        assert f"\n{constant}" in (source / place).read_text()


# ---- the Chinese version


def flat_tokens(text: str) -> Iterator[Token]:
    """Yield the document's tokens in order, those within paragraphs and cells too."""
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        yield from token.children if token.type == "inline" and token.children else [token]


def outline(text: str) -> list[str]:
    """Return what two versions of a document share: headings by level, code, tables' shape, links and pictures."""
    other = {"README.zh-CN.md": "README.md", "zh": "en"}
    parts = []
    for token in flat_tokens(text):
        if token.type in {"heading_open", "bullet_list_open", "list_item_open", "tr_open", "th_open", "td_open"}:
            parts.append(token.tag)
        elif token.type == "fence":
            lines = token.content.splitlines()
            parts += [token.info, *(line for line in lines if not line.startswith("#"))]
        elif token.type in {"link_open", "image"}:
            address = str(token.attrs.get("href") or token.attrs["src"])
            parts.append(re.sub(r"README.zh-CN.md|(?<=\.)zh(?=\.png$)", lambda match: other[match[0]], address))
    return parts


def code_by_section(text: str) -> list[Counter[str]]:
    """Return the code within the sentences and tables of each section; a language has an order of its own."""
    sections: list[Counter[str]] = [Counter()]
    for token in flat_tokens(text):
        if token.type == "heading_open":
            sections.append(Counter())
        elif token.type == "code_inline":
            sections[-1][token.content] += 1
    return sections


def test_the_chinese_version_is_in_step() -> None:
    assert outline(CHINESE) == outline(README)
    assert code_by_section(CHINESE) == code_by_section(README)


def test_the_chinese_version_has_the_platforms_words_and_no_english_sentence() -> None:
    for word in re.findall(r"\(([\u4e00-\u9fff]+)\)", README):
        assert word in CHINESE, word
    tokens = list(flat_tokens(CHINESE))
    assert "softbreak" not in {token.type for token in tokens}  # it would be shown as a blank within a sentence
    prose = "\n".join(token.content for token in tokens if token.type == "text")
    assert not re.search(r"[A-Za-z]+(?: [A-Za-z]+){4}", prose)
