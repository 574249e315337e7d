"""Train image classifiers on a ModelMaker-style platform or a laptop, track them, compare them, deploy the best.

In Python: ``trialmaker.train``, ``trialmaker.study``, ``trialmaker.runs``, ``trialmaker.load_model``.
"""

__all__ = ["Classifier", "Study", "TrainedRun", "UserError", "load_model", "runs", "study", "train"]


def __getattr__(name):
    # type: (str) -> object
    """Import the Python interface when it is first used: every process of the project imports this package.

    An old Python reads this file too; types are in ``__init__.pyi``.
    """
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from trialmaker.api import names

    return getattr(names, name)


def __dir__():
    # type: () -> list[str]
    return sorted(set(globals()) | set(__all__))
