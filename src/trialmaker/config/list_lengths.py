"""The lengths of lists that have a value for each layer."""

from collections.abc import Iterator

from trialmaker.config.schema import Cnn, Mlp

BLOCK_FIELDS = ("convolutions", "kernel_size", "padding", "pooling", "pool_size")


def mistakes(model: object) -> Iterator[str]:
    """Yield a line for each list of the model's fields whose length is not the number of layers that it is for.

    Args:
        model: the fields of an architecture; one that is not named here has no such lists.
    """
    if isinstance(model, Mlp):
        yield from _mistakes("dropout_rate", model, len(model.hidden_units), "layer of model.hidden_units")
    elif isinstance(model, Cnn):
        blocks, dense_layers = len(model.filters), len(model.dense_units)
        for name in BLOCK_FIELDS:
            yield from _mistakes(name, model, blocks, "block of model.filters")
        places = "block of model.filters and each layer of model.dense_units"
        yield from _mistakes("dropout_rate", model, blocks + dense_layers, places)


def _mistakes(name: str, model: Mlp | Cnn, count: int, places: str) -> Iterator[str]:
    value = getattr(model, name)
    if isinstance(value, tuple) and len(value) != count:
        yield f"model.{name}=[{','.join(map(str, value))}]: must be one value, or {count}, one for each {places}"
