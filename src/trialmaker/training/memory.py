"""Memory that a model takes, estimated from the shapes of its layers' outputs."""

import math

import keras

VALUE_BYTES = 4  # float32
MAX_EVALUATION_BATCH = 500
EVALUATION_BYTES = 32 * 2**20  # of the largest layer's input and output in one call; more of them make it no faster


def activation_bytes(model: keras.Model) -> int:
    """Return the bytes of all layers' outputs for one image, float32; a Flatten only names its input anew."""
    return sum(_output_bytes(model))


def held_bytes(model: keras.Model) -> int:
    """Return the bytes for one image of those outputs that a training step must hold for its backward pass.

    An activation may take the place of its input, and a dropout's output may be computed anew.
    """
    return sum(_output_bytes(model, without=(keras.layers.Activation, keras.layers.Dropout)))


def weight_bytes(model: keras.Model) -> int:
    """Return the bytes of a model's weights; their gradients take as much."""
    return VALUE_BYTES * int(model.count_params())


def evaluation_batch(model: keras.Model) -> int:
    """Return how many images to evaluate in one call: at most 500, fewer where their layers' outputs are large."""
    return max(1, min(MAX_EVALUATION_BATCH, EVALUATION_BYTES // (2 * max(_output_bytes(model)))))


def _output_bytes(model: keras.Model, without: tuple[type, ...] = ()) -> list[int]:
    layers = [layer for layer in model.layers if not isinstance(layer, (keras.layers.Flatten, *without))]
    return [VALUE_BYTES * math.prod(layer.output.shape[1:]) for layer in layers]
