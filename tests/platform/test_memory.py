"""Memory limits of containers, as the kernel writes them."""

from pathlib import Path

import pytest

from trialmaker.platform import memory

GIB = 2**30
# Files below the control groups' folder.
V2 = {
    "memory.max": "4294967296\n",
    "memory.current": "3221225472\n",
    "memory.stat": "anon 1\ninactive_file 1073741824\n",
}
V1 = {
    "memory/memory.limit_in_bytes": "4294967296\n",
    "memory/memory.usage_in_bytes": "3221225472\n",
    "memory/memory.stat": "inactive_file 5\ntotal_inactive_file 1073741824\n",
}


@pytest.mark.parametrize(
    ("files", "free", "limit"),
    [
        (V2, 2 * GIB, 4 * GIB),
        (V1, 2 * GIB, 4 * GIB),
        (V2 | {"memory.max": "max\n"}, None, None),
        ({}, None, None),
    ],
    ids=["version 2", "version 1", "no limit", "no control group"],
)
def test_a_container_s_limit_counts(
    files: dict[str, str], free: int | None, limit: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    monkeypatch.setattr(memory, "CGROUPS", tmp_path)
    if free is None:
        assert memory.free_memory() > 0 and memory.memory_limit() > 0
    else:
        assert memory.free_memory() == free and memory.memory_limit() == limit
