"""The precision that training computes in: float32, or bfloat16 with weights, statistics and loss in float32."""

from collections.abc import Callable, Mapping
from typing import Any

import keras
import tensorflow as tf

from trialmaker.models import registry

FLOAT32, BFLOAT16 = "float32", "bfloat16"


def gains_from_bfloat16(model: Mapping[str, Any], jit_compile: bool | None) -> bool:
    """Return whether bfloat16 makes a model's step faster on a CPU that computes in it: with XLA it makes none.

    Args:
        model: fields of ``conf/model/<name>.yaml``.
        jit_compile: as for a program.
    """
    return registry.gains_from_bfloat16(**model) and not jit_compile


def in_bfloat16(model: keras.Model) -> keras.Model:
    """Return a model with the same layers and weights of its own, which computes in bfloat16 but for its outputs.

    Weights are float32; each layer rounds them where it uses them (Micikevicius and others, "Mixed precision training",
    2018, arXiv:1710.03740; bfloat16 has the range of float32, and its loss needs no scale).

    Args:
        model: a functional model in float32.
    """

    def copy(layer: keras.Layer) -> keras.Layer:
        policy = FLOAT32 if layer.output is model.output else f"mixed_{BFLOAT16}"
        return type(layer).from_config({**layer.get_config(), "dtype": policy})

    return keras.models.clone_model(model, clone_function=copy)


def inference(model: keras.Model) -> Callable[[tf.Tensor], tf.Tensor]:
    """Return a function from images to a model's logits."""
    return lambda images: model(images, training=False)


def borrowed_inference(exact_model: keras.Model, model: keras.Model) -> Callable[[tf.Tensor], tf.Tensor]:
    """Return a function from images to the logits that a model's weights give with another model's layers.

    Args:
        exact_model: the same in float32; its own weights count nothing.
        model: one that ``in_bfloat16`` returned.
    """

    def logits(images: tf.Tensor) -> tf.Tensor:
        weights = ([one.value for one in some] for some in (model.trainable_variables, model.non_trainable_variables))
        outputs, _ = exact_model.stateless_call(*weights, images, training=False)
        return outputs

    return logits
