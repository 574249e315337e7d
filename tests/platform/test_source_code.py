"""What counts as a difference of code between two machines."""

from pathlib import Path

from trialmaker.platform.source_code import digest


def test_the_modules_count_and_nothing_beside_them(tmp_path: Path) -> None:
    digests = set()
    for number, name in enumerate(["src/a.py", "output/b.py", "src/notes.txt", ".git/c.py"]):
        project = tmp_path / str(number)
        for one in ("train.py", "src/a.py", name):
            (project / one).parent.mkdir(parents=True, exist_ok=True)
            (project / one).write_text("x = 1\n")
        digests.add(digest(project))
    assert len(digests) == 1
    for one in ("train.py", "src/a.py", "src/new.py"):
        (project / one).write_text("x = 2\n")
        digest.cache_clear()
        digests.add(digest(project))
    assert len(digests) == 4
