"""SavedModel directories: a graph that is scanned and never imported, a Keras configuration and a checkpoint."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable
from pathlib import Path

import tensorflow as tf
from tensorflow.core.framework.node_def_pb2 import NodeDef
from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
from tensorflow.python.keras.protobuf.saved_metadata_pb2 import SavedMetadata

from runs.safety.allowed import OPERATIONS, SAVER_OPERATIONS
from runs.safety.configuration import check_config
from runs.safety.refusals import GO_ON, LARGEST, SMALLER, UnreadableModel, UnsafeModel, refuse_pickle

_SAVED_MODEL_FILES = re.compile(
    r"(saved_model|keras_metadata|fingerprint)\.pb|"
    r"variables/variables\.(index|data-\d{5}-of-\d{5})|"
    r"[^/]+\.(md|txt|json)"
)
_DOCUMENTS = (".md", ".txt", ".json")  # a model card; never read here


def scan(path: Path) -> None:
    """Read a directory as data.

    Raises:
        UnsafeModel, UnreadableModel: see :func:`runs.safety.inspect`; parsers raise errors of their own on damage.
    """
    _check_directory(path)
    if not (path / "keras_metadata.pb").is_file():
        raise UnreadableModel(
            f"{path.name} is a SavedModel without keras_metadata.pb: a bare graph, in which layers cannot be found. "
            "Export the Keras model itself with model.save(...), not with tf.saved_model.save or model.export."
        )
    _check_graph(_meta_graph(path), f"saved_model.pb of {path.name}")
    for node in _metadata(path).nodes:
        metadata = json.loads(node.metadata)
        metadata.pop("training_config", None)  # optimizer, loss and metrics: never built here
        check_config(metadata, f"{node.node_path} in keras_metadata.pb of {path.name}")


def _check_directory(path: Path) -> None:
    size = 0
    for file in path.rglob("*"):
        name = file.relative_to(path).as_posix()
        if file.is_symlink():
            raise UnsafeModel(
                f"{name} in {path.name} is a link and could stand for any file of this machine. If you trust where it "
                "leads, copy the directory with its links resolved (cp -rL) and scan the copy."
            )
        if file.is_dir():
            continue
        if not file.is_file() or not _SAVED_MODEL_FILES.fullmatch(name):
            raise UnsafeModel(
                f"{path.name} holds {name!r}, which is no part of a Keras SavedModel of images; pickles, vocabularies "
                f"and programs are refused. Remove it if the model does not need it. {GO_ON}"
            )
        if file.suffix in _DOCUMENTS:
            with file.open("rb") as document:
                refuse_pickle(f"{name} in {path.name}", document.read(8))
        size += file.stat().st_size
    if size > LARGEST:
        raise UnsafeModel(f"{path.name} has {size} bytes; at most {LARGEST} are accepted. {SMALLER}")


def _meta_graph(path: Path) -> MetaGraphDef:
    saved_model = SavedModel.FromString((path / "saved_model.pb").read_bytes())
    if len(saved_model.meta_graphs) != 1 or not saved_model.meta_graphs[0].object_graph_def.nodes:
        raise UnreadableModel(
            f"{path.name} was not written by Keras under TensorFlow 2, or is damaged: it has "
            f"{len(saved_model.meta_graphs)} graphs, where one with its objects is expected. Load it where it was made "
            "and export it with model.save(...)."
        )
    return saved_model.meta_graphs[0]


def _metadata(path: Path) -> SavedMetadata:
    return SavedMetadata.FromString((path / "keras_metadata.pb").read_bytes())


def _check_graph(meta_graph: MetaGraphDef, place: str) -> None:
    """Only allowed operations in the graph and all functions of its library, called or not.

    Every SavedModel has one function that writes its checkpoint and one that reads it. They may use the operations for
    that, as long as nothing but the saver calls them.
    """
    library = meta_graph.graph_def.library.function
    ours, savers = _split_nodes(meta_graph)
    saver_functions = {name for node in savers for name in _called(node)}
    functions = {function.signature.name for function in library} - saver_functions
    _check_nodes(ours, OPERATIONS, functions, place)
    _check_nodes(savers, OPERATIONS, saver_functions, place)
    for function in library:
        name = function.signature.name
        if name in saver_functions:
            _check_nodes(function.node_def, OPERATIONS | SAVER_OPERATIONS, (), f"function {name} in {place}")
        else:
            _check_nodes(function.node_def, OPERATIONS, functions, f"function {name} in {place}")
    _check_objects(meta_graph, saver_functions, place)


def _split_nodes(meta_graph: MetaGraphDef) -> tuple[list[NodeDef], list[NodeDef]]:
    """The nodes of the graph, and those of them that save and restore the checkpoint."""
    saver = meta_graph.saver_def
    names = {saver.save_tensor_name.split(":")[0], saver.restore_op_name}
    nodes = meta_graph.graph_def.node
    return [node for node in nodes if node.name not in names], [node for node in nodes if node.name in names]


def _check_nodes(nodes: Iterable[NodeDef], operations: Collection[str], functions: Collection[str], place: str) -> None:
    for node in nodes:
        if node.op not in operations:
            raise UnsafeModel(
                f"node {node.name!r} of the {place} runs {node.op}, which is not on the list of operations that only "
                f"compute: it might read or write files, reach the network or call Python. {GO_ON}"
            )
        unknown = _called(node).difference(functions)
        if unknown:
            raise UnsafeModel(
                f"node {node.name!r} of the {place} calls {', '.join(sorted(unknown))}, which the file does not define "
                f"or keeps for saving and restoring. {GO_ON}"
            )


def _called(node: NodeDef) -> set[str]:
    """Names of the functions that a node refers to."""
    functions = [function for value in node.attr.values() for function in (value.func, *value.list.func)]
    return {function.name for function in functions if function.name}


def _check_objects(meta_graph: MetaGraphDef, saver_functions: set[str], place: str) -> None:
    objects = meta_graph.object_graph_def
    kinds = {node.WhichOneof("kind") for node in objects.nodes}
    if meta_graph.asset_file_def or kinds & {"asset", "resource"}:
        raise UnsafeModel(f"the {place} uses files or tables beside its weights; a model of images needs none. {GO_ON}")
    unknown = {node.registered_name for node in objects.nodes} - {"", "tf.TrackableConstant"}
    if unknown:
        raise UnsafeModel(f"the {place} asks for the Python classes {', '.join(sorted(unknown))}. {GO_ON}")
    library = meta_graph.graph_def.library
    gradients = {gradient.gradient_func for gradient in (*library.gradient, *library.registered_gradients)}
    exposed = saver_functions.intersection(gradients.union(objects.concrete_functions))
    if exposed:
        raise UnsafeModel(
            f"the {place} makes {', '.join(sorted(exposed))}, which writes files, part of the model. {GO_ON}"
        )


def load(path: Path) -> tf.keras.Model:
    """The Keras model of a SavedModel, from its configuration and its checkpoint; the graph is not imported."""
    root = next(node for node in _metadata(path).nodes if node.node_path == "root")
    metadata = json.loads(root.metadata)
    config = {"class_name": metadata["class_name"], "config": metadata["config"]}
    model = tf.keras.models.model_from_json(json.dumps(config))
    restored = tf.train.Checkpoint(root=model).read(str(path / "variables" / "variables"))
    restored.expect_partial().assert_existing_objects_matched()  # all weights of the model, none of the optimizer
    for layer in model.submodules:
        if isinstance(layer, tf.keras.layers.Layer):
            layer.finalize_state()  # Normalization computes its scale from its weights
    return model
