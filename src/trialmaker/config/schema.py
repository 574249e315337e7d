"""Every field of the config: its type, range, unit and meaning. The values are in ``conf/`` alone.

Each choice of a config group has a class here or in ``optimizer_schema.py``: ``conf/model/cnn.yaml`` has the values of
``Cnn``. The field ``name`` tells the choices of a group apart; only the YAML file sets it (choose with ``model=cnn``).
"""

from typing import Annotated, Literal

from pydantic import Field

from trialmaker.config.config_dataclass import OneOrEach, Rate, Received, config_dataclass, field
from trialmaker.config.optimizer_schema import (
    Adadelta,
    Adagrad,
    AdamFamily,
    Constant,
    Cosine,
    Exponential,
    Ftrl,
    Lion,
    OneCycle,
    RmsProp,
    Sgd,
)
from trialmaker.config.run_schema import Checkpoint, Resume, Tracking, Training

Activation = Literal["relu", "leaky_relu", "elu", "selu", "gelu", "silu", "mish", "tanh", "sigmoid"]
Initializer = Literal[
    "glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "lecun_uniform", "lecun_normal", "truncated_normal"
]

INITIALIZER = "what draws the first kernels; truncated_normal has a standard deviation of 0.1"


# ---- data ------------------------------------------------------------------------------------------------------------


@config_dataclass
class Data:
    """The fields of every data set."""

    split_seed: int = field(
        "seed of the split into training, validation and test examples; not tied to seed, so that runs compare",
        ge=0,
        lt=2**31,
    )
    validation_fraction: float = field(
        "share of the examples held out for validation; of MNIST, of its training files", gt=0, le=0.5
    )


@config_dataclass
class Mnist(Data):
    """MNIST, and data sets published in its form: EMNIST, Fashion-MNIST, KMNIST, QMNIST, tables of pixels."""

    name: Literal["mnist"]
    directory: str = field(
        "folder with the data set's published files, mnist.npz, train.csv or a zip of them, there or below; or the zip",
        received=Received.OWN_PLACE,
        min_length=1,
    )
    variant: str | None = field(
        "which data set, where the folder holds several, such as letters of EMNIST; or null", min_length=1
    )
    download: bool = field("fetch MNIST's files into the directory when no data set is there")
    mirrors: tuple[str, ...] = field("base addresses to fetch from, tried in turn", received=Received.NO_VALUE)
    test_fraction: float = field(
        "share of all examples held out for the final test where there are no labelled test files", gt=0, le=0.5
    )


@config_dataclass
class Digits(Data):
    """scikit-learn's digits: 1,797 grey pictures of 8 x 8 pixels."""

    name: Literal["digits"]
    test_fraction: float = field("share of all examples held out for the final test", gt=0, le=0.5)


@config_dataclass
class Images(Data):
    """A folder of pictures (jpg, png, bmp, gif, webp, tiff, ppm), a sub-folder for each class."""

    name: Literal["images"]
    directory: str = field(
        "folder with train/<class>/, and perhaps validation/ and test/", received=Received.OWN_PLACE, min_length=1
    )
    height: int = field("pictures are resized to this many pixels from top to bottom", ge=4, le=1024)
    width: int = field("and to this many pixels from left to right", ge=4, le=1024)
    channels: Literal[1, 3] = field("1 for grey, 3 for colour")
    test_fraction: float = field("share of train/ held out for the final test where there is no test/", gt=0, le=0.5)


# ---- model -----------------------------------------------------------------------------------------------------------


@config_dataclass
class Mlp:
    """A multi-layer perceptron."""

    name: Literal["mlp"]
    hidden_units: tuple[Annotated[int, Field(ge=1, le=65536)], ...] = field(
        "units of each hidden layer, input to output"
    )
    activation: Activation = field("activation of the hidden layers")
    dropout_rate: OneOrEach[Rate] = field(
        "share of hidden activations dropped in training, after all hidden layers or each"
    )
    batch_norm: bool = field("normalize over the batch before each activation")
    initializer: Initializer = field(INITIALIZER)


@config_dataclass
class Cnn:
    """A convolutional network: blocks of convolutions and a pooling, then dense layers."""

    name: Literal["cnn"]
    filters: tuple[Annotated[int, Field(ge=1, le=4096)], ...] = field("filters of each block", min_length=1)
    convolutions: OneOrEach[Annotated[int, Field(ge=1, le=8)]] = field(
        "convolutions in all blocks or each, before the pooling"
    )
    kernel_size: OneOrEach[Annotated[int, Field(ge=1, le=15)]] = field(
        "side of the square convolution kernels of all blocks or each, pixels"
    )
    padding: OneOrEach[Literal["same", "valid"]] = field(
        "whether a convolution keeps the picture's size, in all blocks or each"
    )
    pooling: OneOrEach[Literal["max", "average", "none"]] = field("how a block ends, of all blocks or each")
    pool_size: OneOrEach[Annotated[int, Field(ge=1, le=8)]] = field(
        "side and stride of the pooling window of all blocks or each, pixels; 1 for none"
    )
    pool_after: Literal["activation", "convolution"] = field(
        "what a block's pooling follows: the activation, as in published networks, or the last convolution, before"
        " normalization and activation, which then cost a fraction"
    )
    dense_units: tuple[Annotated[int, Field(ge=1, le=65536)], ...] = field("units of the layers after the last block")
    activation: Activation = field("activation of every layer but the last")
    dropout_rate: OneOrEach[Rate] = field(
        "share of activations dropped in training, before all dense layers; or a list: after each block, then after"
        " each layer of dense_units"
    )
    batch_norm: bool = field("normalize over the batch before each activation")
    initializer: Initializer = field(INITIALIZER)


# ---- augment ---------------------------------------------------------------------------------------------------------


@config_dataclass
class NoAugment:
    """No augmentation."""

    name: Literal["none"]


@config_dataclass
class Shift:
    """Random shifts by whole pixels."""

    name: Literal["shift"]
    pixels: int = field("largest shift along each axis, whole pixels", ge=1, le=1024)


@config_dataclass
class Affine:
    """Random rotation, scaling, shear and shift."""

    name: Literal["affine"]
    degrees: float = field("largest rotation either way, degrees", ge=0, le=180)
    scale: float = field("largest relative change of size, 0.1 for 0.9 to 1.1", ge=0, lt=1)
    shear: float = field("largest horizontal shear, pixels a pixel", ge=0, le=1)
    pixels: float = field("largest shift along each axis, pixels", ge=0, le=1024)
    elastic_pixels: float = field("largest shift of a point by which the image is bent, pixels", ge=0, le=1024)


@config_dataclass
class Config:
    """The config of one run."""

    data: Annotated[Mnist | Digits | Images, Field(discriminator="name")]
    model: Annotated[Mlp | Cnn, Field(discriminator="name")]
    optimizer: Annotated[Sgd | RmsProp | AdamFamily | Lion | Adagrad | Adadelta | Ftrl, Field(discriminator="name")]
    schedule: Annotated[Constant | Cosine | Exponential | OneCycle, Field(discriminator="name")]
    augment: Annotated[NoAugment | Shift | Affine, Field(discriminator="name")]
    training: Training
    checkpoint: Checkpoint
    tracking: Tracking
    init_model: str | None = field(
        "weights to start from: a published model, a folder or an output with one, .weights.h5 or .keras, or null",
        received=Received.OWN_PLACE,
        min_length=1,
    )
    output: str = field(
        "folder for everything that the run leaves; the platform keeps it", received=Received.NO_VALUE, min_length=1
    )
    resume: Resume = field(
        "auto: go on with an interrupted run of the same config and data; never: start anew; or the run to go on with,"
        " a folder under logs/ or a run id, also a finished one with a higher training.epochs",
        received=Received.NO_VALUE,
        min_length=1,
    )
    instances: Literal["auto", "ignore"] = field(
        "auto: all instances of the job train one run together, or share a study; ignore: the first works alone",
        received=Received.NO_VALUE,
    )
    objective: Literal["val_accuracy", "val_loss"] = field("metric that decides what is best")
    direction: Literal["maximize", "minimize"] = field("which way the objective is better")
    trial_values: tuple[Literal["val_accuracy", "val_loss", "parameters"], ...] | None = field(
        "what a study with several objectives optimizes, or null for the objective", min_length=2
    )
    seed: int = field("seed of initial weights, data order, augmentation and dropout", ge=0, lt=2**31)
    name: str | None = field(
        "the run's name, or null for one that says what differs from the defaults; trials, and the jobs of a multirun,"
        " add their number; the default is MLFLOW_RUN_NAME's value",
        min_length=1,
        max_length=250,
    )
    note: str | None = field("what to know about the run, Markdown, or null", min_length=1, max_length=5000)
    tags: dict[str, str] = field("the run's tags, by name: tags.owner=anna")
