"""CONTRIBUTING.md: what it sends people to is there, and what it shows can be read."""

import ast
import re
import textwrap

import yaml

from support.entry import PROJECT

TEXT = (PROJECT / "CONTRIBUTING.md").read_text(encoding="utf-8")
ADDED = ("sweeps/linear.yaml", "conf/model/linear.yaml", "conf/optimizer/muon.yaml", "conf/data/stripes.yaml")


def blocks(language: str) -> list[str]:
    return [
        textwrap.dedent(one) for one in re.findall(rf"^ *```{language}\n(.*?)^ *```$", TEXT, re.MULTILINE | re.DOTALL)
    ]


def test_each_file_that_it_names_is_there() -> None:
    names = {name.partition("::")[0] for name in re.findall(r"[\w.]+(?:/[\w.]+)+\.(?:py|md|yaml|json)[\w:]*", TEXT)}
    roots = (PROJECT, PROJECT / "src" / "trialmaker")
    assert len(names) > 25
    assert not [name for name in sorted(names - set(ADDED)) if not any((root / name).exists() for root in roots)]


def test_each_test_that_it_names_is_there() -> None:
    for path, name in re.findall(r"(tests/\S+\.py)::(\w+)", TEXT):
        assert f"def {name}(" in (PROJECT / path).read_text(encoding="utf-8")


def test_its_examples_can_be_read() -> None:
    assert len([ast.parse(one) for one in blocks("python")]) == 4
    (sweep,) = blocks("yaml")
    assert set(yaml.safe_load(sweep)["hydra"]["sweeper"]) >= {"study_name", "storage", "params"}
