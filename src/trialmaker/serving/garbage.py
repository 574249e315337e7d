"""Python's garbage, which is collected when a model has been loaded and not, at length, while callers wait."""

import gc


def collect_and_freeze() -> None:
    """Collect garbage, also of what was exempt; exempt what is left from later collections, which take less time so."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()
