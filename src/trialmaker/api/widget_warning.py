"""A warning of tqdm, which MLflow and Optuna import: it asks for widgets where a notebook has none."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def ignored_widget_warning() -> Iterator[None]:
    """Ignore that warning, in a block that imports one of them."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="tqdm")
        yield
