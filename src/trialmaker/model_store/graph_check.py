"""A check that a SavedModel only computes. TensorFlow runs whatever one holds: operations that write files, too.

What ``tf.saved_model.load`` (2.21) runs as it loads are initializers of resources, restore functions of objects that
bring their own, and code of registered classes: all three are refused. What is run later are the functions that the
object graph names and those that they call, or others in their place (by ``api_implements``): all may hold nothing but
operations without texts and side effects. Two functions hold others, and are not for Python: nobody may name them.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import saved_model_pb2

from trialmaker.errors import UserError, printable
from trialmaker.platform.regular_files import open_regular

SAVER_FUNCTION = re.compile(r"__inference__traced_(save|restore)_\d+")
GRAPH_BYTES = 64 * 1024**2  # of a graph without weights: ours have 0.1 MB
NAMED_DOUBTS = 3  # operations in a message
STRING = tf.string.as_datatype_enum
OBJECT_KINDS = {"user_object", "asset", "function", "bare_concrete_function", "variable", "captured_tensor", "constant"}
OBJECT_CLASSES = re.compile(r"_generic_user_object|signature_map|trackable_\w+_wrapper")
# Of TensorFlow's modules of operations, those that compute; others are for files, data sets, debugging, Python.
PURE_MODULES = {f"tensorflow.python.ops.gen_{name}_ops" for name in ("array", "image", "linalg", "list", "math", "nn")}
CALLS = {"NoOp", "PartitionedCall", "StatefulPartitionedCall", "If", "StatelessIf", "While", "StatelessWhile"}
STATEFUL = {*CALLS, "ReadVariableOp"}
# Attributes of text that name a way to compute. ``memory_region_name``, for one, names a file.
TEXT_ATTRIBUTES = {
    *("align", "bad_indices_policy", "data_format", "dst_format", "equation", "fill_mode", "interpolation"),
    *("kernel_type", "method", "mode", "padding", "round_mode", "src_format"),
}


class GraphError(UserError):
    """A SavedModel that could do more than compute."""


def check_graph(version: Path) -> None:
    """Check that loading and calling a version's SavedModel does nothing but compute.

    Raises:
        GraphError: it could do more.
        UserError: it cannot be read.
    """
    path = version / "saved_model.pb"
    saved = saved_model_pb2.SavedModel()
    try:
        with open_regular(path) as file:
            saved.ParseFromString(file.read(GRAPH_BYTES))
    except (OSError, DecodeError) as error:
        raise UserError(f"{version}: TensorFlow cannot load it as a model: {error}") from None
    if doubts := sorted(set(_doubts(saved)), key=lambda name: (name == "Const", name)):  # which may hold a text
        more = ", …" if len(doubts) > NAMED_DOUBTS else ""
        names = printable(", ".join(doubts[:NAMED_DOUBTS]))
        raise GraphError(f"{version}: its SavedModel does not only compute, but holds {names}{more}; it is not run")


def _doubts(saved: saved_model_pb2.SavedModel) -> Iterator[str]:
    """Yield what a SavedModel holds that could do more than compute."""
    if len(saved.meta_graphs) != 1 or not saved.meta_graphs[0].object_graph_def.nodes:
        yield "a graph of TensorFlow 1"
        return
    graph = saved.meta_graphs[0]
    for node in graph.object_graph_def.nodes:
        kind = node.WhichOneof("kind")
        if kind not in OBJECT_KINDS:
            yield f"an object of kind {kind}"
        elif kind == "user_object" and not OBJECT_CLASSES.fullmatch(node.user_object.identifier):
            yield f"an object of class {node.user_object.identifier}"
        if node.registered_name or node.saveable_objects:
            yield "an object that is restored in a way of its own"
    functions = {function.signature.name: function for function in graph.graph_def.library.function}
    reachable = _reachable(graph.object_graph_def, functions)
    for name, function in functions.items():
        if "api_implements" in function.attr:
            yield "a function that takes another's place"
        if name in reachable or not SAVER_FUNCTION.fullmatch(name):
            yield from (operation.op for operation in function.node_def if not _is_pure(operation))


def _reachable(objects: Any, functions: dict[str, Any]) -> set[str]:
    """Return the names of the functions that the object graph names, and those that they call."""
    names = set(objects.concrete_functions)
    for node in objects.nodes:
        names |= {*node.function.concrete_functions, node.bare_concrete_function.concrete_function_name}
    pending, reached = list(names & set(functions)), set[str]()
    while pending:
        if (name := pending.pop()) not in reached:
            reached.add(name)
            for operation in functions[name].node_def:
                called = {one.name for value in operation.attr.values() for one in (value.func, *value.list.func)}
                pending += called & set(functions)
    return reached


def _is_pure(operation: Any) -> bool:
    """Return whether an operation computes its outputs from its inputs, and does nothing else."""
    if any(STRING in (value.type, *value.list.type) for value in operation.attr.values()):
        return False
    if operation.op in STATEFUL:
        return True
    wrapper = getattr(tf.raw_ops, operation.op, None)
    if wrapper is None or wrapper.__module__ not in PURE_MODULES:
        return False
    definition = _definition(operation.op)
    texts = {one.name for one in definition.attr if one.type in ("string", "list(string)")}
    arguments = [*definition.input_arg, *definition.output_arg]
    return not definition.is_stateful and texts <= TEXT_ATTRIBUTES and all(one.type != STRING for one in arguments)


def _definition(name: str) -> Any:
    from tensorflow.python.framework import op_def_registry  # no public place has it (2.21)

    return op_def_registry.get(name)
