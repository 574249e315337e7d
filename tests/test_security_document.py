"""SECURITY.md: each row of its tables names tests, and these exist; the packages are those whose holes are mended."""

import ast
import re
import tomllib
from importlib.metadata import version
from pathlib import Path

from packaging.requirements import Requirement

from support.entry import PROJECT

TEXT = (PROJECT / "SECURITY.md").read_text(encoding="utf-8")
TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
MAX_LINES = 80
# Of whoever sends pictures, models and requests, or reads a page of ui's.
EXPOSED = ("mlflow", "starlette", "python-multipart", "pillow", "keras", "orjson")
# The first versions without holes that matter here: https://osv.dev/list?ecosystem=PyPI
MENDED = {
    "mlflow": "3.16",
    "starlette": "1.3.1",
    "python-multipart": "0.0.31",
    "pillow": "12.3",
    "keras": "3.13.2",
    "orjson": "3.11.6",
    "hydra-core": "1.3.4",
}


def rows() -> list[list[str]]:
    """The cells of the tables' rows, without their heads."""
    lines = [line for line in TEXT.splitlines() if line.startswith("|")]
    rules = {number for number, line in enumerate(lines) if set(line) <= set("|-")}
    left_out = rules | {number - 1 for number in rules}
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for number, line in enumerate(lines)
        if number not in left_out
    ]


def functions(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_each_row_has_a_test_that_exists() -> None:
    assert len(rows()) > 20
    for *what, tests in rows():
        assert len(what) == 2 and all(what), tests
        named = TEST.findall(tests)
        assert named and TEST.sub("", tests).replace(",", "").strip() == "", f"{what}: {tests}"
        for file, name in named:
            assert (PROJECT / file).is_file() and name in functions(PROJECT / file), f"{what}: {file}::{name}"


def test_it_stays_short() -> None:
    assert len(TEXT.splitlines()) < MAX_LINES


def test_what_is_installed_has_none_of_the_holes_that_bounds_name() -> None:
    text = (PROJECT / "pyproject.toml").read_text(encoding="utf-8")
    requirements = [Requirement(one) for one in tomllib.loads(text)["project"]["dependencies"]]
    allowed = {one.name: one.specifier for one in requirements}
    frozen = dict(re.findall(r"^([\w-]+)==(\S+)", (PROJECT / "requirements.txt").read_text(), re.MULTILINE))
    for requirement in requirements:
        assert requirement.specifier.contains(version(requirement.name)), requirement
    for name, mended in MENDED.items():
        assert allowed[name].contains(frozen[name]), name
        lowest = next(one.version for one in allowed[name] if one.operator == ">=")
        assert _parts(lowest) >= _parts(mended), f"{name}>={lowest} allows versions before {mended}"


def test_each_exposed_package_names_the_holes_that_its_bound_excludes() -> None:
    lines = (PROJECT / "pyproject.toml").read_text(encoding="utf-8").splitlines()
    for name in EXPOSED:
        at = next(number for number, line in enumerate(lines) if line.startswith(f'    "{name}>='))
        comment = lines[at]
        while lines[at - 1].lstrip().startswith("#"):
            at -= 1
            comment += lines[at]
        assert re.search(r"CVE-\d{4}-\d{4,}", comment), name


def _parts(text: str) -> list[int]:
    return [*map(int, text.split(".")), 0, 0][:3]
