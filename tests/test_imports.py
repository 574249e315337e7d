"""The rooms of the house, which way imports go between them, and what keeps them small and plain."""

import ast
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src"
# What a room may import beside itself: rooms, or single modules of a room; and errors.py, but for STANDING_ALONE.
ROOMS: dict[str, tuple[str, ...]] = {
    "api": ("cli.output_arguments", "analysis", "model_store.versions", "serving.predictor", "platform"),
    "cli": (
        *("serving", "experiment", "analysis", "model_store", "tracking", "data", "config", "platform"),
        "optuna_sweep",
    ),
    "serving": ("model_store", "data.image_decoding", "data.files", "platform"),
    "experiment": ("model_store", "tracking", "training", "data", "config", "platform", "optuna_sweep"),
    "analysis": (
        "tracking.sqlite_store",
        "tracking.settings",
        "tracking.run_list",
        "training.objective",
        "config",
        "platform",
        "optuna_sweep",
    ),
    "model_store": ("training.events", "training.objective", "platform"),
    "tracking": ("training.events", "config.incidental", "platform", "optuna_sweep"),
    "training": ("models", "data", "platform"),
    "data": ("platform",),
    "config": ("platform",),
    "models": (),
    "platform": (),
    "optuna_sweep": (),
    "hydra_plugins": ("optuna_sweep",),
}
PER_MODULE = {"HELP", "EXAMPLES", "XLA_IS_FASTER_ON_CPU"}  # what each command, or each model, says of itself
IMPORTERS_BY_NAME = {"cli.main"}  # of what a table in it names; no room of ours but its own
STANDING_ALONE = ("optuna_sweep", "hydra_plugins")
BESIDE_ROOMS: dict[str, tuple[str, ...]] = {
    "api": ("cli.output_arguments", "analysis", "model_store.versions", "serving.predictor", "platform"),
    "trialmaker": ("api.names",),
    "errors": (),
    "__main__": ("cli.main", "platform.interpreter"),
}


def modules() -> dict[str, Path]:
    """Every module of ``src/``, by its name without ``trialmaker.``."""
    paths = {path: path.relative_to(SOURCE).with_suffix("").parts for path in sorted(SOURCE.rglob("*.py"))}
    return {".".join(parts).removesuffix(".__init__").removeprefix("trialmaker."): p for p, parts in paths.items()}


MODULES = modules()


def imports(name: str) -> Iterator[str]:
    """The modules of ``src/`` that a module imports, inside of functions and for type checkers too."""
    for node in ast.walk(ast.parse(MODULES[name].read_text(encoding="utf-8"))):
        full = []
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"{name}: a relative import"
            full = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            full = [alias.name for alias in node.names]
        for inner in (one.removeprefix("trialmaker.") for one in full):
            if found := next((one for one in (inner, inner.rpartition(".")[0]) if one in MODULES), None):
                yield found


def room(name: str) -> str:
    return name.partition(".")[0]


def test_a_room_imports_what_stands_in_its_row() -> None:
    wrong = []
    for name in MODULES:
        errors = () if room(name) in STANDING_ALONE else ("errors",)
        allowed = (room(name), *errors, *{**ROOMS, **BESIDE_ROOMS}[room(name)])
        wrong += [
            f"{name} imports {other}"
            for other in imports(name)
            if not any(f"{other}.".startswith(f"{prefix}.") for prefix in allowed)
        ]
    assert not wrong


def test_each_entry_of_the_table_is_made_use_of() -> None:
    used = {(room(name), other) for name in MODULES for other in imports(name)}
    unused = {
        (own, entry)
        for own, entries in ROOMS.items()
        for entry in entries
        if not any(one == own and f"{other}.".startswith(f"{entry}.") for one, other in used)
    }
    assert not unused


def test_modules_are_imported_by_name_in_one_place_alone() -> None:
    found = {
        name
        for name, path in MODULES.items()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if {getattr(node, "attr", ""), getattr(node, "id", "")} & {"import_module", "__import__"}
    }
    assert found == IMPORTERS_BY_NAME


def test_a_package_holds_a_docstring_only() -> None:
    for path in SOURCE.rglob("__init__.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert ast.get_docstring(tree), path
        assert len(tree.body) == 1 or path == SOURCE / "trialmaker" / "__init__.py", path  # the Python interface


def test_no_import_leads_back_to_where_it_began() -> None:
    done: set[str] = set()

    def follow(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join([*path[path.index(name) :], name])
        if name not in done:
            for other in imports(name):
                if other != name:
                    follow(other, (*path, name))
            done.add(name)

    for name in MODULES:
        follow(name, ())


def test_a_constant_means_one_thing() -> None:
    values: dict[str, set[str]] = {}
    for path in MODULES.values():
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            targets = node.targets if isinstance(node, ast.Assign) else []
            if isinstance(node, ast.AnnAssign) and node.value:
                targets = [node.target]
            for target in targets:
                if isinstance(target, ast.Name) and target.id.isupper() and target.id not in PER_MODULE:
                    values.setdefault(target.id, set()).add(ast.unparse(node.value))
    assert not {name for name, meanings in values.items() if len(meanings) > 1}


def test_functions_and_files_stay_small() -> None:
    for name, path in MODULES.items():
        text = path.read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 250, name
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
                assert node.end_lineno - node.lineno < 40, f"{name}.{node.name}"
