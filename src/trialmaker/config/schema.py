"""Every field of the config: its type, range, unit and meaning. Values live in ``conf/`` alone.

One class a choice: ``conf/optimizer/adam.yaml`` holds the values of ``Adam``. The field ``name`` tells the choices of a
group apart; it is written by the YAML file and not meant to be overridden (choose with ``optimizer=adam``).
"""

from typing import Annotated, Any, Literal, TypeVar, cast, dataclass_transform

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
Rate = Annotated[float, Field(ge=0, lt=1)]
T = TypeVar("T")
Activation = Literal["relu", "leaky_relu", "elu", "selu", "gelu", "silu", "mish", "tanh", "sigmoid"]


def about(meaning: str, **bounds: Any) -> Any:
    """A required field, its meaning (with unit) and its bounds (``ge``, ``gt``, ``le``, ``lt``, ``min_length``)."""
    return Field(description=meaning, **bounds)


@dataclass_transform(kw_only_default=True, frozen_default=True)
def fields(cls: type[T]) -> type[T]:
    """A frozen, keyword-only dataclass whose values are checked."""
    return cast(type[T], dataclass(cls, config=STRICT, kw_only=True, frozen=True))


# ---- data -----------------------------------------------------------------------------------------------------------


@fields
class Data:
    split_seed: int = about(
        "seed of the split into training, validation and test examples; not tied to seed, so that runs compare",
        ge=0,
        lt=2**31,
    )
    validation_fraction: float = about("share of the training examples held out for validation", gt=0, le=0.5)


@fields
class Mnist(Data):
    name: Literal["mnist"]
    directory: str = about(
        "folder that holds the four MNIST files or mnist.npz, or a sub-folder with them", min_length=1
    )
    download: bool = about("fetch the files into the directory when they are not there")
    mirrors: tuple[str, ...] = about("base addresses to fetch from, tried in turn")


@fields
class Digits(Data):
    name: Literal["digits"]
    test_fraction: float = about("share of all examples held out for the final test", gt=0, le=0.5)


@fields
class Images(Data):
    name: Literal["images"]
    directory: str = about("folder that holds train/<class>/*.jpg|png and perhaps validation/ and test/", min_length=1)
    height: int = about("pictures are resized to this many pixels from top to bottom", ge=4, le=1024)
    width: int = about("and to this many pixels from left to right", ge=4, le=1024)
    channels: Literal[1, 3] = about("1 for grey, 3 for colour")
    test_fraction: float = about("share of train/ held out for the final test where there is no test/", gt=0, le=0.5)


# ---- model ----------------------------------------------------------------------------------------------------------


@fields
class Mlp:
    name: Literal["mlp"]
    hidden_units: tuple[Annotated[int, Field(ge=1, le=65536)], ...] = about(
        "units of each hidden layer, input to output"
    )
    activation: Activation = about("activation of the hidden layers")
    dropout_rate: Rate = about("share of hidden activations dropped in training, after each hidden layer")
    batch_norm: bool = about("normalize over the batch before each activation")


@fields
class Cnn:
    name: Literal["cnn"]
    filters: tuple[Annotated[int, Field(ge=1, le=4096)], ...] = about("filters of each block", min_length=1)
    convolutions: int = about("convolutions in each block, before its pooling", ge=1, le=8)
    kernel_size: int = about("side of the square convolution kernels, pixels", ge=1, le=15)
    padding: Literal["same", "valid"] = about("whether a convolution keeps the picture's size")
    pooling: Literal["max", "average"] = about("how each block ends")
    pool_size: int = about("side and stride of the pooling window, pixels; 1 for none", ge=1, le=8)
    dense_units: tuple[Annotated[int, Field(ge=1, le=65536)], ...] = about("units of the layers after the last block")
    activation: Activation = about("activation of every layer but the last")
    dropout_rate: Rate = about("share of activations dropped in training, before each dense layer")
    batch_norm: bool = about("normalize over the batch before each activation")


# ---- optimizer: the fields are those of the Keras class of that name ------------------------------------------------


@fields
class Optimizer:
    learning_rate: float = about("step size, the highest of the schedule", gt=0)
    weight_decay: float | None = about("decoupled weight decay of kernels (not biases or norms), or null", ge=0)
    global_clipnorm: float | None = about("gradients are scaled down to this global norm, or null", gt=0)


@fields
class Sgd(Optimizer):
    name: Literal["sgd"]
    momentum: Rate = about("share of the last update that is kept")
    nesterov: bool = about("look ahead along the momentum before the gradient")


@fields
class RmsProp(Optimizer):
    name: Literal["rmsprop"]
    rho: Rate = about("share of the squared gradients' mean that is kept")
    momentum: Rate = about("share of the last update that is kept")
    epsilon: float = about("added to the denominator", gt=0)
    centered: bool = about("divide by the gradients' variance instead of their uncentered second moment")


@fields
class AdamFamily(Optimizer):
    name: Literal["adam", "adamw", "nadam", "adamax", "lamb"]
    beta_1: Rate = about("share of the gradients' mean that is kept")
    beta_2: Rate = about("share of the squared gradients' mean that is kept")
    epsilon: float = about("added to the denominator", gt=0)


@fields
class Lion(Optimizer):
    name: Literal["lion"]
    beta_1: float = about("share of the mean in the update", gt=0, lt=1)
    beta_2: Rate = about("share of the gradients' mean that is kept")


@fields
class Adagrad(Optimizer):
    name: Literal["adagrad"]
    initial_accumulator_value: float = about("first value of the sum of squared gradients", ge=0)
    epsilon: float = about("added to the denominator", gt=0)


@fields
class Adadelta(Optimizer):
    name: Literal["adadelta"]
    rho: Rate = about("share of the squared gradients' mean that is kept")
    epsilon: float = about("added to the denominator", gt=0)


# ---- schedule and augment -------------------------------------------------------------------------------------------


@fields
class Constant:
    name: Literal["constant"]


@fields
class Cosine:
    name: Literal["cosine"]
    warmup_epochs: float = about("epochs of linear rise from zero; then half a cosine down", ge=0)
    final_fraction: float = about("share of the learning rate left at the end", ge=0, le=1)


@fields
class Exponential:
    name: Literal["exponential"]
    decay_rate: float = about("factor by which an epoch multiplies the learning rate", gt=0, le=1)


@fields
class OneCycle:
    name: Literal["one_cycle"]
    warmup_fraction: float = about("share of all steps in which the learning rate rises", gt=0, lt=1)
    initial_fraction: float = about("share of the learning rate at the first step", gt=0, le=1)
    final_fraction: float = about("share of the learning rate at the last step", ge=0, le=1)


@fields
class NoAugment:
    name: Literal["none"]


@fields
class Shift:
    name: Literal["shift"]
    pixels: int = about("largest shift along each axis, whole pixels", ge=1, le=1024)


@fields
class Affine:
    name: Literal["affine"]
    degrees: float = about("largest rotation either way, degrees", ge=0, le=180)
    scale: float = about("largest relative change of size, 0.1 for 0.9 to 1.1", ge=0, lt=1)
    shear: float = about("largest horizontal shear, pixels a pixel", ge=0, le=1)
    pixels: float = about("largest shift along each axis, pixels", ge=0, le=1024)


# ---- the run --------------------------------------------------------------------------------------------------------


@fields
class Training:
    epochs: int = about("passes over the training examples", ge=1, le=1_000_000)
    batch_size: int = about("examples a step; what is left of an epoch's last batch is dropped", ge=1, le=1_000_000)
    label_smoothing: Rate = about("share of each label spread evenly over all classes")
    max_examples: int | None = about(
        "use only so many of the training examples, drawn by data.split_seed, or null for all", ge=1
    )
    patience: int | None = about(
        "stop after so many epochs without a better objective (a tie: val_loss), or null", ge=1
    )
    early_validation: float | None = about(
        "share of the first epoch after which a study first asks whether a trial is hopeless, or null", gt=0, lt=1
    )
    max_seconds: float | None = about(
        "longest time from the start of the process to its end, seconds; training ends before, or null", gt=0
    )
    margin_seconds: float = about("end so many seconds before max_seconds, which may kill without a signal", ge=0)
    jit_compile: bool | None = about("compile with XLA; null for where it is known to be faster")
    log_every_steps: int = about("steps between two 'step' lines", ge=1)


@fields
class Tracking:
    uri: str | None = about("MLflow tracking URI, or null for SQLite in the output directory")
    experiment: str = about("MLflow experiment that the run belongs to", min_length=1)
    system_metrics_seconds: float = about("seconds between two samples of the machine's load", gt=0)


@fields
class Config:
    """One run, whole."""

    data: Annotated[Mnist | Digits | Images, Field(discriminator="name")]
    model: Annotated[Mlp | Cnn, Field(discriminator="name")]
    optimizer: Annotated[Sgd | RmsProp | AdamFamily | Lion | Adagrad | Adadelta, Field(discriminator="name")]
    schedule: Annotated[Constant | Cosine | Exponential | OneCycle, Field(discriminator="name")]
    augment: Annotated[NoAugment | Shift | Affine, Field(discriminator="name")]
    training: Training
    tracking: Tracking
    init_model: str | None = about(
        "weights to start from: a published model, a folder or an output with one, .weights.h5 or .keras, or null",
        min_length=1,
    )
    output: str = about("folder for everything that the run leaves; the platform keeps it", min_length=1)
    objective: Literal["val_accuracy", "val_loss"] = about("metric that decides what is best")
    direction: Literal["maximize", "minimize"] = about("which way the objective is better")
    trial_values: tuple[Literal["val_accuracy", "val_loss", "parameters"], ...] | None = about(
        "what a study with several objectives optimizes, or null for the objective", min_length=2
    )
    seed: int = about("seed of initial weights, data order, augmentation and dropout", ge=0, lt=2**31)
