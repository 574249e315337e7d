"""A SavedModel that does more than compute is not run: what we export passes, what others may hold does not."""

import json
from collections.abc import Callable
from pathlib import Path

import keras
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from support.choices import values
from trialmaker.errors import UserError
from trialmaker.model_store import saved_model
from trialmaker.model_store.graph_check import GraphError, check_graph
from trialmaker.model_store.litert import compile_for_litert
from trialmaker.model_store.saved_model import Exportable
from trialmaker.model_store.versions import LITERT_FILE
from trialmaker.models import registry

SPEC = [tf.TensorSpec([None, 4, 4, 1], tf.float32, name="images")]


def every_layer(images: keras.KerasTensor) -> keras.KerasTensor:
    """What a person's own architecture may be made of."""
    layers = keras.layers
    x = layers.Resizing(8, 8)(layers.Rescaling(2.0)(images))
    x = layers.RandomFlip()(layers.ZeroPadding2D()(x))
    x = layers.SeparableConv2D(4, 3)(layers.Conv2DTranspose(4, 3, strides=2)(layers.DepthwiseConv2D(3)(x)))
    x = layers.BatchNormalization()(layers.PReLU()(layers.UpSampling2D()(x)))
    x = layers.GroupNormalization(2)(layers.AveragePooling2D(2)(layers.MaxPooling2D(2)(x)))
    x = layers.SpatialDropout2D(0.1)(layers.GaussianNoise(0.1)(x))
    x = layers.Reshape((-1, 4))(x)
    x = layers.LayerNormalization()(layers.MultiHeadAttention(2, 2)(x, x))
    x = layers.Concatenate()([layers.GRU(3)(x), layers.GlobalAveragePooling1D()(x)])
    for activation in ("elu", "selu", "gelu", "silu", "mish", "softplus", "tanh", "sigmoid", "hard_silu", "leaky_relu"):
        x = layers.Dense(4, activation=activation)(x)
    return layers.Dense(3)(layers.Dropout(0.1)(x))


def networks() -> list[keras.Model]:
    cnn = values("model", "cnn") | {"filters": [2, 2], "dense_units": [3], "dropout_rate": 0.1, "batch_norm": True}
    shape = {"input_shape": (8, 8, 1), "num_classes": 3}
    kinds = [cnn, cnn | {"pooling": "average", "activation": "gelu"}, values("model", "mlp") | {"hidden_units": [2]}]
    images = keras.Input((8, 8, 1), name="images")
    ours = [registry.builder(fields.pop("name"))(**shape, **fields) for fields in kinds]
    return [*ours, keras.Model(images, every_layer(images))]


def test_what_we_export_only_computes(tmp_path: Path) -> None:
    for number, network in enumerate(networks(), 1):
        Exportable(network, ("a", "b", "c")).export(tmp_path / str(number))
        check_graph(tmp_path / str(number))


class Program(tf.Module):
    """A SavedModel in the form of ours, whose signature does something else."""

    def __init__(self, act: Callable[[tf.Tensor], tf.Tensor], names: Path) -> None:
        super().__init__()
        self.answer = tf.function(lambda images: self._answer(act, images), input_signature=SPEC)
        self.class_names = tf.saved_model.Asset(str(names))

    def _answer(self, act: Callable[[tf.Tensor], tf.Tensor], images: tf.Tensor) -> dict[str, tf.Tensor]:
        done = act(images)
        with tf.control_dependencies([done] if done is not None else []):
            return {"probabilities": tf.fill([tf.shape(images)[0], 2], 0.5)}


def hostile(folder: Path, act: Callable[[tf.Tensor], tf.Tensor]) -> Path:
    names = folder.parent / "class_names.json"
    folder.mkdir(parents=True)
    names.write_text(json.dumps(["a", "b"]))
    program = Program(act, names)
    tf.saved_model.save(program, str(folder), signatures={"serving_default": program.answer})
    return folder


ACTS: dict[str, Callable[[str], Callable]] = {
    "WriteFile": lambda path: lambda _: tf.io.write_file(path, "written"),
    "ReadFile": lambda path: lambda _: tf.io.read_file(path),
    "ImmutableConst": lambda path: (
        lambda _: tf.raw_ops.ImmutableConst(dtype=tf.float32, shape=[1], memory_region_name=path)
    ),
    "DebugIdentityV2": lambda path: (
        lambda images: tf.raw_ops.DebugIdentityV2(input=images, debug_urls=[f"file://{path}"])
    ),
    "EagerPyFunc": lambda path: lambda images: tf.py_function(lambda _: Path(path).touch(), [images], []),
    "SaveV2": lambda path: (
        lambda images: tf.raw_ops.SaveV2(prefix=path, tensor_names=["a"], shape_and_slices=[""], tensors=[images])
    ),
    "PrintV2": lambda path: lambda _: tf.print("written", output_stream=f"file://{path}"),
    "AnonymousIterator": lambda path: lambda _: next(iter(tf.data.TextLineDataset(path))),
    "StringJoin": lambda _: lambda __: tf.strings.join(["a", "b"]),
}


@pytest.mark.parametrize("name", ACTS)
def test_an_operation_that_does_more_is_refused_and_not_run(name: str, tmp_path: Path) -> None:
    version = hostile(tmp_path / "3", ACTS[name](str(tmp_path / "trace")))
    with pytest.raises(
        GraphError, match=rf"^{version}: its SavedModel does not only compute, but holds .*{name}"
    ) as no:
        saved_model.load(version)
    compile_for_litert(version)
    assert "\n" not in str(no.value)
    assert not list(tmp_path.glob("trace*")) and not (version / LITERT_FILE).exists()


def test_who_trusts_it_runs_it(tmp_path: Path) -> None:
    version = hostile(tmp_path / "3", ACTS["WriteFile"](str(tmp_path / "trace")))
    saved_model.load(version, is_trusted=True).probabilities(tf.zeros([1, 4, 4, 1]))
    assert (tmp_path / "trace").read_text() == "written"


def test_a_table_that_is_filled_as_it_is_loaded_is_refused(tmp_path: Path) -> None:
    version = tmp_path / "3"
    version.mkdir()
    module = tf.Module()
    pairs = tf.lookup.KeyValueTensorInitializer([1], [2])
    module.table = tf.lookup.StaticHashTable(pairs, 0)
    tf.saved_model.save(module, str(version))
    with pytest.raises(GraphError, match=r"HashTableV2.*an object of kind resource"):
        check_graph(version)


def change(version: Path, edit: Callable) -> None:
    saved = saved_model_pb2.SavedModel()
    saved.ParseFromString((version / "saved_model.pb").read_bytes())
    edit(saved.meta_graphs[0])
    (version / "saved_model.pb").write_bytes(saved.SerializeToString())


def saver(graph) -> str:
    names = [function.signature.name for function in graph.graph_def.library.function]
    return next(name for name in names if "traced_save" in name)


def named_by_an_object(graph) -> None:
    node = next(node for node in graph.object_graph_def.nodes if node.WhichOneof("kind") == "bare_concrete_function")
    node.bare_concrete_function.concrete_function_name = saver(graph)


def called_by_a_function(graph) -> None:
    functions = graph.graph_def.library.function
    caller = next(node for one in functions for node in one.node_def if node.op == "StatefulPartitionedCall")
    caller.attr["f"].func.name = saver(graph)


def in_another_ones_place(graph) -> None:
    for function in graph.graph_def.library.function:
        function.attr["api_implements"].s = b"same"


def of_tensorflow_1(graph) -> None:
    graph.ClearField("object_graph_def")


def restored_by_itself(graph) -> None:
    graph.object_graph_def.nodes[0].saveable_objects["a"].restore_function = 1


def of_a_class(graph) -> None:
    graph.object_graph_def.nodes[0].user_object.identifier = "_tf_keras_model"


@pytest.mark.parametrize(
    ("edit", "what"),
    [
        (named_by_an_object, "SaveV2"),
        (called_by_a_function, "SaveV2"),
        (in_another_ones_place, "a function that takes another's place"),
        (of_tensorflow_1, "a graph of TensorFlow 1"),
        (restored_by_itself, "an object that is restored in a way of its own"),
        (of_a_class, "an object of class _tf_keras_model"),
    ],
)
def test_a_graph_that_was_changed_is_refused(edit: Callable, what: str, tmp_path: Path) -> None:
    Exportable(networks()[2], ("a", "b", "c")).export(tmp_path / "3")
    check_graph(tmp_path / "3")
    change(tmp_path / "3", edit)
    with pytest.raises(GraphError) as caught:
        check_graph(tmp_path / "3")
    assert what in str(caught.value) or (what == "SaveV2" and "MergeV2Checkpoints" in str(caught.value))


def test_no_graph_at_all(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"no graph")
    with pytest.raises(UserError, match="cannot load it as a model"):
        check_graph(tmp_path)
