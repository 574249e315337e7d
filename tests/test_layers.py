"""Imports point downwards only: DESIGN's table, held."""

import ast
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src" / "trialmaker"
# A module may import those of its own layer and of the layers before it.
LAYERS = (
    {"errors", "objective", "files", "platform", "stopping", "checkout", "monitors"},
    {"schema", "events", "data", "description", "sandbox", "tracking.messages"},
    {"config", "progress", "job", "brought"},
    {"arguments", "names", "overrides", "values", "words", "tracking.client", "tracking.worker", "serving"},
    {"manual", "best", "asking", "comparing"},
    {"commands"},
    {"__main__"},
    # ---- the seam: TensorFlow and MLflow are imported only below this line ----
    {"augment", "models", "optimizers", "reports", "saved_models", "tensorboard", "steps"},
    {"building", "initial_weights", "training", "publisher", "tracking.database", "tracking.model", "tracking.study"},
    {"tracking.pushing"},
    {"tracking.run"},
    {"experiment"},
    {"launch"},
    {"studies"},
    {"cli"},
)
SEAM = 7
# Imported inside a function, by the process that has to have it.
LAZY = {
    ("serving", "saved_models"),
    ("tracking.worker", "tracking.run"),
    ("tracking.worker", "tracking.study"),
    ("comparing", "tracking.database"),
    ("commands", "tracking.database"),
    ("commands", "tracking.pushing"),
}
HEAVY = {"tensorflow", "keras", "mlflow", "matplotlib"}


def modules() -> dict[str, tuple[Path, str]]:
    found = {}
    for path in sorted(SOURCE.rglob("*.py")):
        name = ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix("__init__").rstrip(".")
        top = name if name.startswith("tracking.") else name.partition(".")[0]
        if name not in ("", "tracking"):
            found[name] = (path, top)
    return found


def layer(top: str) -> int:
    return next(number for number, names in enumerate(LAYERS) if top in names)


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names


def test_every_module_has_its_layer() -> None:
    assert {top for _, top in modules().values()} == set().union(*LAYERS)


def test_imports_point_downwards() -> None:
    tops = set().union(*LAYERS)
    for name, (path, top) in modules().items():
        for full in imported(path):
            inner = full.removeprefix("trialmaker.")
            target = next((t for t in tops if inner == t or inner.startswith(f"{t}.")), None)
            if full.startswith("trialmaker.") and target and (top, target) not in LAZY:
                assert layer(target) <= layer(top), f"{name} imports {inner}"


def test_heavy_packages_are_imported_below_the_seam() -> None:
    for name, (path, top) in modules().items():
        if layer(top) < SEAM:
            assert not {full.partition(".")[0] for full in imported(path)} & HEAVY, name
