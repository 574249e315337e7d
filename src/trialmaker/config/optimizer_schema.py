"""Every field of the config groups ``optimizer`` and ``schedule``.

The fields of an optimizer are the arguments of the Keras class of that name.
"""

from typing import Literal

from trialmaker.config.config_dataclass import Rate, config_dataclass, field


@config_dataclass
class Optimizer:
    """The fields of every optimizer."""

    learning_rate: float = field("step size, the highest of the schedule", gt=0)
    weight_decay: float | None = field("decoupled weight decay of kernels (not biases or norms), or null", ge=0)
    global_clipnorm: float | None = field("gradients are scaled down to this global norm, or null", gt=0)


@config_dataclass
class Sgd(Optimizer):
    """Stochastic gradient descent with momentum."""

    name: Literal["sgd"]
    momentum: Rate = field("share of the last update that is kept")
    nesterov: bool = field("look ahead along the momentum before the gradient")


@config_dataclass
class RmsProp(Optimizer):
    """RMSprop (Hinton 2012, lecture 6e)."""

    name: Literal["rmsprop"]
    rho: Rate = field("share of the squared gradients' mean that is kept")
    momentum: Rate = field("share of the last update that is kept")
    epsilon: float = field("added to the denominator", gt=0)
    centered: bool = field("divide by the gradients' variance instead of their uncentered second moment")


@config_dataclass
class AdamFamily(Optimizer):
    """Adam, and the optimizers with the same fields."""

    name: Literal["adam", "adamw", "nadam", "adamax", "lamb"]
    beta_1: Rate = field("share of the gradients' mean that is kept")
    beta_2: Rate = field("share of the squared gradients' mean that is kept")
    epsilon: float = field("added to the denominator", gt=0)


@config_dataclass
class Lion(Optimizer):
    """Lion (Chen et al. 2023, arXiv:2302.06675)."""

    name: Literal["lion"]
    beta_1: float = field("share of the mean in the update", gt=0, lt=1)
    beta_2: Rate = field("share of the gradients' mean that is kept")


@config_dataclass
class Adagrad(Optimizer):
    """Adagrad (Duchi et al. 2011)."""

    name: Literal["adagrad"]
    initial_accumulator_value: float = field("first value of the sum of squared gradients", ge=0)
    epsilon: float = field("added to the denominator", gt=0)


@config_dataclass
class Adadelta(Optimizer):
    """Adadelta (Zeiler 2012, arXiv:1212.5701)."""

    name: Literal["adadelta"]
    rho: Rate = field("share of the squared gradients' mean that is kept")
    epsilon: float = field("added to the denominator", gt=0)


@config_dataclass
class Ftrl(Optimizer):
    """FTRL-Proximal (McMahan et al. 2013, "Ad Click Prediction")."""

    name: Literal["ftrl"]
    initial_accumulator_value: float = field(
        "first value of the sum of squared gradients; a large one sets all weights close to 0 at the first step", gt=0
    )
    l1_regularization_strength: float = field("penalty on the size of weights; makes small ones exactly 0", ge=0)
    l2_regularization_strength: float = field("penalty on the square of weights, as if there from the start", ge=0)
    l2_shrinkage_regularization_strength: float = field("penalty on the square of weights, in the gradient", ge=0)
    beta: float = field("added to the denominator", ge=0)


# ---- schedule --------------------------------------------------------------------------------------------------------


@config_dataclass
class Constant:
    """A constant learning rate."""

    name: Literal["constant"]


@config_dataclass
class Cosine:
    """A linear warmup, then a cosine decay (Loshchilov and Hutter 2016, arXiv:1608.03983)."""

    name: Literal["cosine"]
    warmup_epochs: float = field("epochs of linear rise from zero; then half a cosine down", ge=0)
    final_fraction: float = field("share of the learning rate left at the end", ge=0, le=1)


@config_dataclass
class Exponential:
    """An exponential decay, by epoch."""

    name: Literal["exponential"]
    decay_rate: float = field("factor by which an epoch multiplies the learning rate", gt=0, le=1)


@config_dataclass
class OneCycle:
    """A rise to the highest learning rate, then a fall (Smith and Topin 2017, arXiv:1708.07120)."""

    name: Literal["one_cycle"]
    warmup_fraction: float = field("share of all steps in which the learning rate rises", gt=0, lt=1)
    initial_fraction: float = field("share of the learning rate at the first step", gt=0, le=1)
    final_fraction: float = field("share of the learning rate at the last step", ge=0, le=1)
