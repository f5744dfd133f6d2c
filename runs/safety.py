"""Model files of unknown origin: scanned as data first, loaded only when they can do nothing but arithmetic.

A Keras file is a program. A Lambda layer carries Python bytecode, a class name may point at any importable module, a
TensorFlow graph may read and write files, an HDF5 link may point at another file. So a file counts as hostile until
:func:`inspect` has read it: with ``json``, ``h5py``, ``zipfile`` and protobuf parsers only. No loader of Keras or
TensorFlow sees it before, nothing is unpickled, and the weights of a refused file stay unread.

Everything is judged by lists of what is allowed, never by lists of what is forbidden. TensorFlow has more than a
thousand operations and Keras a few hundred names, each release adds some, and several that look harmless open files
(the operation ImportEvent, the layer StringLookup). A name missing from an allow-list costs the user a clear message; a
name missing from a deny-list costs the machine. What a functional model of images needs is short enough to be written
down, at the end of this file. modelscan gives a second opinion: it can refuse a file, it cannot clear one.

A SavedModel is rebuilt from its Keras configuration and its checkpoint; its traced graph is scanned but never imported.
The model that is examined is therefore the Keras model, not a serving signature stored beside it; and a file from a
newer TensorFlow loads where its graph would not.

Not covered: faults in the parsers themselves (libhdf5, protobuf, TensorFlow's checkpoint reader), a configuration that
asks for more memory than there is, a file that is replaced between scan and load. For these, run in a container without
network. And a file that passes may still hold a backdoored model: finding that is what the rest of the project is for.
"""

from __future__ import annotations

import json
import logging
import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from inspect import signature
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from modelscan.modelscan import ModelScan
from modelscan.settings import DEFAULT_SETTINGS, SupportedModelFormats
from tensorflow.core.framework.node_def_pb2 import NodeDef
from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
from tensorflow.python.keras.protobuf.saved_metadata_pb2 import SavedMetadata

logging.getLogger("modelscan").setLevel(logging.CRITICAL)  # what it finds is in its results; its log would be printed


class UnsafeModel(ValueError):
    """The file could do something other than arithmetic, or is built to hide what it does."""


class UnreadableModel(ValueError):
    """There is no Keras model here that this version can read: missing, damaged, or of another format."""


def inspect(path: Path) -> str:
    """Scan a model file without running anything of it.

    Args:
        path: an HDF5 file, a .keras archive or a SavedModel directory; the content decides, not the name.

    Returns:
        The format: "h5", "keras" or "savedmodel".

    Raises:
        UnsafeModel: if anything in it is not on the lists of what is allowed.
        UnreadableModel: if it is missing, damaged, or no Keras model.
    """
    path = Path(path).resolve()
    with _reading(path):
        form = _format(path)
        _SCANS[form](path)
        _ask_modelscan(path, form)
    return form


def load_model(path: Path) -> tf.keras.Model:
    """Scan a model file, then load it uncompiled.

    Args:
        path: as for :func:`inspect`.

    Returns:
        A functional or sequential model of built-in layers.

    Raises:
        UnsafeModel: as :func:`inspect`; nothing was loaded.
        UnreadableModel: as :func:`inspect`, or if Keras cannot rebuild the model.
    """
    path = Path(path).resolve()
    form = inspect(path)
    with _reading(path):
        model = _LOADERS[form](path)
    if not getattr(model, "_is_graph_network", False):
        raise UnreadableModel(
            f"{path.name} holds a {type(model).__name__} without a fixed input shape, whose layers cannot be followed. "
            f"A functional model is needed: {_EXPORT}"
        )
    return model


_EXPORT = (
    "build it with tf.keras.Model(inputs, outputs) or tf.keras.Sequential with an Input from built-in layers, load the "
    "weights, and save it with model.save(...)."
)
_GO_ON = f"Do not load it elsewhere either. If the model is your own, {_EXPORT}"
_SMALLER = "If the model is your own and its optimizer takes the room, save it with include_optimizer=False."
_LARGEST = 4 * 2**30  # bytes of one model, declared or stored; ResNet50 has 0.1 GiB


# --- Format ---


def _format(path: Path) -> str:
    if not path.exists():
        raise UnreadableModel(
            f"there is no file or directory {str(path)!r}. Give the path of a .h5, .keras or SavedModel."
        )
    if path.is_dir():
        return _format_of_directory(path)
    if not path.is_file():
        raise UnreadableModel(f"{path.name} is a device or a pipe, not a file. Copy the model into a file first.")
    return _format_of_file(path)


def _format_of_directory(path: Path) -> str:
    if (path / "saved_model.pb").is_file():
        return "savedmodel"
    raise UnreadableModel(
        f"the directory {path.name} has no saved_model.pb, so it is no SavedModel. Give the directory that holds "
        "saved_model.pb and variables/, or a .h5 or .keras file."
    )


def _format_of_file(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(8)
    if not head:
        raise UnreadableModel(f"{path.name} is empty. Copy or download the model again.")
    _refuse_pickle(path.name, head)
    is_zip, is_hdf5 = zipfile.is_zipfile(path), h5py.is_hdf5(path)
    if is_zip and is_hdf5:
        raise UnsafeModel(
            f"{path.name} is a zip archive and an HDF5 file at once: what is scanned need not be what is loaded. "
            f"{_GO_ON}"
        )
    if is_hdf5 and head == b"\x89HDF\r\n\x1a\n":
        return "h5"
    if is_zip and head.startswith(b"PK\x03\x04"):
        return "keras"
    raise UnreadableModel(
        f"{path.name} is neither an HDF5 file nor a .keras archive, whatever its name says (it begins with {head!r}). "
        "A Keras model is needed; models of other libraries must be rebuilt in Keras."
    )


def _refuse_pickle(name: str, head: bytes) -> None:
    if re.match(rb"\x80[\x02-\x05]", head):
        raise UnsafeModel(f"{name} is a Python pickle, which can run any program when it is opened. {_GO_ON}")


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turns what parsers and Keras raise on a damaged or foreign file into an error that says how to go on."""
    try:
        yield
    except (UnsafeModel, UnreadableModel):
        raise
    except _DAMAGED as error:
        reason = str(error).split("\n")[0][:300]
        raise UnreadableModel(
            f"{path.name} could not be read as a Keras model ({type(error).__name__}: {reason}). It is damaged, "
            f"incomplete, or from a version of Keras that TensorFlow {tf.__version__} does not know. Copy it again, or "
            "save it again with the version that made it, as .h5."
        ) from error


_DAMAGED = (
    OSError,
    EOFError,
    LookupError,  # KeyError and IndexError
    TypeError,
    ValueError,
    AttributeError,
    AssertionError,  # weights missing from a checkpoint
    RuntimeError,  # h5py's usual error, and RecursionError
    zlib.error,
    zipfile.BadZipFile,
    DecodeError,
    tf.errors.OpError,
)


# --- HDF5 ---


def _scan_h5(path: Path) -> None:
    with h5py.File(path, "r") as file:
        _check_hdf5(file, path.name)
        config = file.attrs.get("model_config")
    if config is None:
        raise UnreadableModel(
            f"{path.name} holds weights only, without the layers they belong to. Save the whole model with "
            "model.save(...), not with model.save_weights(...)."
        )
    _check_config(json.loads(config), f"model_config of {path.name}")


def _check_hdf5(file: h5py.File, name: str) -> None:
    """Only groups, plain numeric arrays and simple attributes, all stored in this file, as Keras writes them."""
    seen: set[int] = set()
    waiting, size = [file], 0
    while waiting:
        item = waiting.pop()
        _check_attributes(item, f"{name}:{item.name}")
        if isinstance(item, h5py.Dataset):
            size += _checked_size(item, f"{name}:{item.name}")
        else:
            waiting += [child for child in _children(item, name) if _is_new(child, seen)]
        if size > _LARGEST:
            raise UnsafeModel(f"the arrays of {name} ask for more than {_LARGEST} bytes of memory. {_SMALLER}")


def _children(group: h5py.Group, name: str) -> Iterator[h5py.Group | h5py.Dataset]:
    for key in group:
        place = f"{name}:{group.name}/{key}"
        link = group.get(key, getlink=True)  # looks at the link itself; does not follow it
        if not isinstance(link, h5py.HardLink):
            raise UnsafeModel(
                f"{place} is a link ({type(link).__name__}) and could pull any file of this machine into the model; "
                f"Keras writes none. {_GO_ON}"
            )
        child = group[key]
        if not isinstance(child, (h5py.Group, h5py.Dataset)):
            raise UnsafeModel(f"{place} is a {type(child).__name__}, which Keras does not write. {_GO_ON}")
        yield child


def _is_new(item: h5py.Group | h5py.Dataset, seen: set[int]) -> bool:
    """False at the second sight of an item, so that links in a circle end."""
    address = h5py.h5o.get_info(item.id).addr
    new = address not in seen
    seen.add(address)
    return new


def _checked_size(dataset: h5py.Dataset, place: str) -> int:
    """Bytes in memory of a plain array."""
    if dataset.is_virtual or dataset.external:
        raise UnsafeModel(
            f"the values of {place} lie in another file of this machine; Keras stores them inside. {_GO_ON}"
        )
    if dataset.dtype.kind not in "biuf":
        raise UnsafeModel(f"{place} holds {dataset.dtype}, not numbers, where weights are expected. {_GO_ON}")
    if dataset.id.get_create_plist().get_nfilters():
        raise UnsafeModel(
            f"{place} is compressed, which Keras never does: a small file could fill the memory. {_GO_ON}"
        )
    return dataset.size * dataset.dtype.itemsize


def _check_attributes(item: h5py.Group | h5py.Dataset, place: str) -> None:
    for name in item.attrs:
        dtype = item.attrs.get_id(name).dtype
        if dtype.kind not in "SUbiuf" and h5py.check_string_dtype(dtype) is None:
            raise UnsafeModel(f"attribute {name!r} of {place} holds {dtype}, not text or numbers. {_GO_ON}")
        if dtype.kind == "S":
            _refuse_pickle(f"attribute {name!r} of {place}", np.asarray(item.attrs[name]).tobytes()[:8])


def _load_h5(path: Path) -> tf.keras.Model:
    with h5py.File(path, "r") as file:
        return tf.keras.models.load_model(file, compile=False)


# --- .keras ---

_MEMBERS = frozenset({"config.json", "metadata.json", "model.weights.h5"})


def _scan_keras(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        _check_members(archive.infolist(), path)
        config = json.loads(archive.read("config.json"))
        with archive.open("model.weights.h5") as stream, h5py.File(stream, "r") as weights:
            _check_hdf5(weights, f"model.weights.h5 in {path.name}")
    config.pop("compile_config", None)  # optimizer, loss and metrics: never built with compile=False
    _check_config(config, f"config.json of {path.name}")


def _check_members(members: Collection[zipfile.ZipInfo], path: Path) -> None:
    """Exactly the three members that Keras writes, once each and uncompressed."""
    names = [member.filename for member in members]
    if any(name.endswith(".pkl") for name in names):
        raise UnsafeModel(
            f"{path.name} holds Python pickles, as PyTorch writes them; they can run any program. {_GO_ON}"
        )
    if "config.json" not in names:
        raise UnreadableModel(
            f"{path.name} is a zip archive without a config.json, so it is no .keras model. {_HOW_KERAS}"
        )
    if len(names) != len(set(names)) or not _MEMBERS.issuperset(names):
        found = ", ".join(sorted(repr(name) for name in names))
        raise UnsafeModel(
            f"{path.name} holds {found}; a Keras model consists of {', '.join(sorted(_MEMBERS))}, once each. Other "
            f"members could lead out of the archive. {_GO_ON}"
        )
    if any(member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1 for member in members):
        raise UnsafeModel(
            f"{path.name} is compressed or encrypted, which Keras never does: a small file could fill the memory. "
            f"{_GO_ON}"
        )
    if sum(member.file_size for member in members) > min(path.stat().st_size, _LARGEST):
        raise UnsafeModel(f"the members of {path.name} declare more bytes than it can hold. {_GO_ON}")


_HOW_KERAS = "Save the model with model.save('name.keras')."


def _load_keras(path: Path) -> tf.keras.Model:
    if "safe_mode" not in signature(tf.keras.models.load_model).parameters:
        raise UnreadableModel(
            f"{path.name} is in the .keras format, which TensorFlow {tf.__version__} cannot read. Save it as .h5."
        )
    with tempfile.TemporaryDirectory() as folder:  # Keras goes by the name, and opens the file for writing
        copy = shutil.copyfile(path, Path(folder) / "model.keras")
        return tf.keras.models.load_model(copy, compile=False, safe_mode=True)


# --- SavedModel ---

_SAVED_MODEL_FILES = re.compile(
    r"(saved_model|keras_metadata|fingerprint)\.pb|"
    r"variables/variables\.(index|data-\d{5}-of-\d{5})|"
    r"[^/]+\.(md|txt|json)"
)
_DOCUMENTS = (".md", ".txt", ".json")  # a model card; never read here


def _scan_savedmodel(path: Path) -> None:
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
        _check_config(metadata, f"{node.node_path} in keras_metadata.pb of {path.name}")


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
                f"and programs are refused. Remove it if the model does not need it. {_GO_ON}"
            )
        if file.suffix in _DOCUMENTS:
            with file.open("rb") as document:
                _refuse_pickle(f"{name} in {path.name}", document.read(8))
        size += file.stat().st_size
    if size > _LARGEST:
        raise UnsafeModel(f"{path.name} has {size} bytes; at most {_LARGEST} are accepted. {_SMALLER}")


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
    _check_nodes(ours, _OPERATIONS, functions, place)
    _check_nodes(savers, _OPERATIONS, saver_functions, place)
    for function in library:
        name = function.signature.name
        if name in saver_functions:
            _check_nodes(function.node_def, _OPERATIONS | _SAVER_OPERATIONS, (), f"function {name} in {place}")
        else:
            _check_nodes(function.node_def, _OPERATIONS, functions, f"function {name} in {place}")
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
                f"compute: it might read or write files, reach the network or call Python. {_GO_ON}"
            )
        unknown = _called(node).difference(functions)
        if unknown:
            raise UnsafeModel(
                f"node {node.name!r} of the {place} calls {', '.join(sorted(unknown))}, which the file does not define "
                f"or keeps for saving and restoring. {_GO_ON}"
            )


def _called(node: NodeDef) -> set[str]:
    """Names of the functions that a node refers to."""
    functions = [function for value in node.attr.values() for function in (value.func, *value.list.func)]
    return {function.name for function in functions if function.name}


def _check_objects(meta_graph: MetaGraphDef, saver_functions: set[str], place: str) -> None:
    objects = meta_graph.object_graph_def
    kinds = {node.WhichOneof("kind") for node in objects.nodes}
    if meta_graph.asset_file_def or kinds & {"asset", "resource"}:
        raise UnsafeModel(
            f"the {place} uses files or tables beside its weights; a model of images needs none. {_GO_ON}"
        )
    unknown = {node.registered_name for node in objects.nodes} - {"", "tf.TrackableConstant"}
    if unknown:
        raise UnsafeModel(f"the {place} asks for the Python classes {', '.join(sorted(unknown))}. {_GO_ON}")
    library = meta_graph.graph_def.library
    gradients = {gradient.gradient_func for gradient in (*library.gradient, *library.registered_gradients)}
    exposed = saver_functions.intersection(gradients.union(objects.concrete_functions))
    if exposed:
        raise UnsafeModel(
            f"the {place} makes {', '.join(sorted(exposed))}, which writes files, part of the model. {_GO_ON}"
        )


def _load_savedmodel(path: Path) -> tf.keras.Model:
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


# --- Configuration, in all three formats ---


def _check_config(config: Any, place: str) -> None:
    """Only allowed names in a Keras configuration, at any depth.

    Args:
        config: parsed JSON.
        place: where it was found, for the message.
    """
    if not isinstance(config, dict) or "class_name" not in config:
        raise UnreadableModel(f"the {place} does not describe a Keras object. {_HOW_KERAS}")
    waiting: list[tuple[str, Any]] = [(place, config)]
    while waiting:
        place, value = waiting.pop()
        if isinstance(value, dict):
            _check_object(value, place)
            waiting += [(f"{place}, {key}", item) for key, item in value.items()]
        elif isinstance(value, list):
            waiting += [(f"{place}[{index}]", item) for index, item in enumerate(value)]


def _check_object(value: dict[str, Any], place: str) -> None:
    for key, name in value.items():
        if isinstance(name, str) and key.endswith(_NAMING) and name not in _CLASSES | _ACTIVATIONS:
            raise UnsafeModel(f"the {place} has the {key} {name!r}, which is not one of Keras's own. {_GO_ON}")
    if "class_name" in value:
        _check_class(value, place)


_NAMING = ("activation", "initializer", "regularizer", "constraint")  # keys whose text Keras turns into an object


def _check_class(value: dict[str, Any], place: str) -> None:
    name, module = value["class_name"], value.get("module")
    if name in ("Lambda", "__lambda__"):
        raise UnsafeModel(
            f"the {place} is a Lambda: Python code from the file, which would run on this machine. {_GO_ON}"
        )
    if name in ("TFOpLambda", "SlicingOpLambda") and value["config"]["function"] not in _SYMBOLS:
        symbol = value["config"]["function"]
        raise UnsafeModel(f"the {place} calls tf.{symbol}, which is not on the list of pure functions. {_GO_ON}")
    if name not in _CLASSES:
        raise UnsafeModel(
            f"the {place} is a {name!r}, which is not on the list of built-in Keras classes that only compute: it is a "
            f"custom class, or one that may read files. {_GO_ON}"
        )
    if module not in _MODULES or value.get("registered_name") not in (None, name):
        source = f"{module}, {value.get('registered_name')}"
        raise UnsafeModel(f"the {place} takes the name {name!r} from somewhere else than Keras ({source}). {_GO_ON}")
    if name == "TypeSpec" and value["type_spec"] != "tf.TensorSpec":
        raise UnsafeModel(f"the {place} is of type {value['type_spec']!r}; only dense tensors are accepted. {_GO_ON}")
    if value.get("compile_config"):
        raise UnsafeModel(f"the {place} is a compiled model inside a model; inner losses cannot be checked. {_GO_ON}")


# --- modelscan ---

_BY_EXTENSION = "modelscan.middlewares.FormatViaExtensionMiddleware"
_MODELSCAN_FORMATS = {
    "h5": SupportedModelFormats.KERAS_H5,
    "keras": SupportedModelFormats.KERAS,
    "savedmodel": SupportedModelFormats.TENSORFLOW,
}


def _ask_modelscan(path: Path, form: str) -> None:
    """Refuse what modelscan refuses, and what it fails on.

    What it merely skips was scanned above. It goes by file names, so it is told the format that the content has; and on
    an old TensorFlow it calls a newer operation unsafe, which the list below may know better.
    """
    extension = ".pb" if form == "savedmodel" else path.suffix
    by_extension = {_BY_EXTENSION: {"formats": {_MODELSCAN_FORMATS[form]: [extension]}}}
    report = ModelScan({**DEFAULT_SETTINGS, "middlewares": by_extension}).scan(path)
    issues = [issue for issue in report["issues"] if issue["operator"] not in _OPERATIONS | _SAVER_OPERATIONS]
    if issues or report["errors"]:
        found = "; ".join(sorted({finding["description"] for finding in [*issues, *report["errors"]]}))
        raise UnsafeModel(f"modelscan objects to {path.name}: {found}. {_GO_ON}")


# --- What is allowed ---


def _class_names(module: Any) -> frozenset[str]:
    return frozenset(name for name in dir(module) if isinstance(getattr(module, name), type))


# Written out rather than taken from tf.keras.layers, where Lambda, TFSMLayer and the lookup layers (which open a file
# named in their configuration) stand beside the rest.
_LAYERS = frozenset("""
    Functional Model Sequential InputLayer InputSpec Policy TFOpLambda SlicingOpLambda
    Dense EinsumDense Embedding Activation Flatten Reshape Permute RepeatVector Masking ActivityRegularization
    ELU LeakyReLU PReLU ReLU Softmax ThresholdedReLU
    Conv1D Conv2D Conv3D Conv1DTranspose Conv2DTranspose Conv3DTranspose DepthwiseConv1D DepthwiseConv2D SeparableConv1D
    SeparableConv2D Convolution1D Convolution2D Convolution3D LocallyConnected1D LocallyConnected2D
    AveragePooling1D AveragePooling2D AveragePooling3D MaxPooling1D MaxPooling2D MaxPooling3D
    GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D
    GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D
    Cropping1D Cropping2D Cropping3D UpSampling1D UpSampling2D UpSampling3D ZeroPadding1D ZeroPadding2D ZeroPadding3D
    BatchNormalization BatchNormalizationV1 BatchNormalizationV2 SyncBatchNormalization GroupNormalization
    LayerNormalization Normalization UnitNormalization SpectralNormalization
    AlphaDropout Dropout GaussianDropout GaussianNoise SpatialDropout1D SpatialDropout2D SpatialDropout3D
    Add Average Concatenate Dot Maximum Minimum Multiply Subtract AdditiveAttention Attention MultiHeadAttention
    GRU GRUCell LSTM LSTMCell RNN SimpleRNN SimpleRNNCell StackedRNNCells Bidirectional TimeDistributed
    ConvLSTM1D ConvLSTM2D ConvLSTM3D
    CenterCrop Rescaling Resizing RandomBrightness RandomContrast RandomCrop RandomFlip RandomHeight RandomRotation
    RandomTranslation RandomWidth RandomZoom
    """.split())
_VALUES = frozenset("TensorShape TypeSpec __tuple__ __ellipsis__ __numpy__ __tensor__".split())  # shapes and numbers
_CLASSES = frozenset({"l1_l2", "MeanMetricWrapper"}).union(
    _LAYERS,
    _VALUES,
    *map(
        _class_names,
        (tf.keras.initializers, tf.keras.regularizers, tf.keras.constraints, tf.keras.metrics),
    ),
)
_ACTIVATIONS = frozenset("""
        elu exponential gelu hard_sigmoid leaky_relu linear mish relu relu6 selu sigmoid silu softmax softplus softsign
    swish     tanh
    """.split())
_MODULES = frozenset(
    {
        None,  # older files name the class only
        "keras",
        "keras.constraints",
        "keras.engine.functional",
        "keras.initializers",
        "keras.layers",
        "keras.layers.core.tf_op_layer",
        "keras.metrics",
        "keras.mixed_precision",
        "keras.models",
        "keras.regularizers",
        "keras.src.engine.functional",
        "keras.src.layers.core.tf_op_layer",
    }
)
# TensorFlow functions inside a functional model, by the name under which Keras looks them up: arithmetic and shapes.
_SYMBOLS = frozenset("""
    __operators__.add __operators__.getitem cast clip_by_value compat.v1.pad compat.v1.shape compat.v1.squeeze
    compat.v1.transpose concat expand_dims identity linalg.l2_normalize linalg.matmul linalg.norm
    math.abs math.acos math.add math.add_n math.asin math.atan math.atan2 math.ceil math.cos math.divide
    math.divide_no_nan math.exp math.floor math.l2_normalize math.log math.log1p math.maximum math.minimum math.multiply
    math.negative math.pow math.reciprocal math.reduce_max math.reduce_mean math.reduce_min math.reduce_prod
    math.reduce_std math.reduce_sum math.reduce_variance math.rsqrt math.sigmoid math.sign math.sin math.softplus
    math.sqrt math.square math.squared_difference math.subtract math.tan math.tanh math.truediv
    nn.avg_pool2d nn.bias_add nn.elu nn.gelu nn.l2_normalize nn.leaky_relu nn.max_pool2d nn.relu nn.relu6 nn.selu
    nn.sigmoid nn.silu nn.softmax nn.softplus nn.softsign nn.swish nn.tanh
    ones_like pad reshape reverse shape split squeeze stack tile transpose unstack where zeros_like
    """.split())
# What models of these layers consist of when they are traced: arithmetic, shapes, images, random numbers, branches and
# loops over functions that are scanned as well, and variables.
_OPERATIONS = frozenset("""
    Abs Acos Acosh Add AddN AddV2 All Any ArgMax ArgMin Asin Asinh Atan Atan2 Atanh BatchMatMul BatchMatMulV2
    BatchMatMulV3 Cast Ceil ClipByValue Cos Cosh Cross Cumprod Cumsum Digamma Div DivNoNan Einsum Equal Erf Erfc Erfinv
    Exp Expm1 Floor FloorDiv FloorMod Greater GreaterEqual Inv InvGrad IsFinite IsInf IsNan L2Loss LeftShift Less
    LessEqual Lgamma LinSpace Log Log1p LogicalAnd LogicalNot LogicalOr MatMul Max Maximum Mean Min Minimum Mod Mul
    MulNoNan Neg NotEqual Pow Prod RealDiv Reciprocal ReciprocalGrad Rint Round Rsqrt RsqrtGrad Sigmoid SigmoidGrad
    Sign Sin Sinh Sqrt SqrtGrad Square SquaredDifference Sub Sum Tan Tanh TanhGrad TopKV2 TruncateDiv TruncateMod Xdivy
    Xlogy
    BatchToSpaceND Bitcast BroadcastArgs BroadcastGradientArgs BroadcastTo Concat ConcatOffset ConcatV2 Const
    DepthToSpace Diag DiagPart EnsureShape ExpandDims Fill Gather GatherNd GatherV2 Identity IdentityN
    InvertPermutation MatrixBandPart MatrixDiag MatrixDiagPart MatrixDiagPartV3 MatrixDiagV3 MatrixSetDiagV3 MirrorPad
    MirrorPadGrad OneHot OnesLike Pack Pad PadV2 ParallelConcat PreventGradient Range Rank Reshape Reverse
    ReverseSequence ReverseV2 ScatterNd Select SelectV2 Shape ShapeN Size Slice SpaceToBatchND SpaceToDepth
    Split SplitV Squeeze StopGradient StridedSlice StridedSliceGrad TensorScatterAdd TensorScatterUpdate Tile Transpose
    Unpack UnravelIndex Where ZerosLike
    AvgPool AvgPool3D AvgPool3DGrad AvgPoolGrad BiasAdd BiasAddGrad BiasAddV1 Conv2D Conv2DBackpropFilter
    Conv2DBackpropInput Conv3D Conv3DBackpropFilterV2 Conv3DBackpropInputV2 CudnnRNN CudnnRNNBackprop CudnnRNNV2
    CudnnRNNV3 DepthwiseConv2dNative DepthwiseConv2dNativeBackpropFilter DepthwiseConv2dNativeBackpropInput Elu EluGrad
    FusedBatchNorm FusedBatchNormGrad FusedBatchNormGradV2 FusedBatchNormGradV3 FusedBatchNormV2 FusedBatchNormV3
    InTopKV2 LeakyRelu LeakyReluGrad LogSoftmax LRN MaxPool MaxPool3D MaxPool3DGrad MaxPoolGrad MaxPoolGradV2 MaxPoolV2
    MaxPoolWithArgmax Relu Relu6 Relu6Grad ReluGrad ResourceGather Selu SeluGrad Softmax SoftmaxCrossEntropyWithLogits
    Softplus SoftplusGrad Softsign SoftsignGrad SparseSoftmaxCrossEntropyWithLogits
    AdjustContrastv2 AdjustHue AdjustSaturation CropAndResize HSVToRGB ImageProjectiveTransformV2
    ImageProjectiveTransformV3 ResizeArea ResizeBicubic ResizeBilinear ResizeBilinearGrad ResizeNearestNeighbor
    ResizeNearestNeighborGrad RGBToHSV
    Multinomial RandomStandardNormal RandomUniform RandomUniformInt RngReadAndSkip StatefulStandardNormalV2
    StatefulUniform StatefulUniformInt StatelessRandomGetAlg StatelessRandomGetKeyCounter StatelessRandomNormalV2
    StatelessRandomUniformFullIntV2 StatelessRandomUniformIntV2 StatelessRandomUniformV2 StatelessTruncatedNormalV2
    TruncatedNormal
    Assert Case If IteratorGetNext NoOp PartitionedCall Placeholder PlaceholderWithDefault StatefulPartitionedCall
    StatelessCase StatelessIf StatelessWhile While
    EmptyTensorList TensorListConcatV2 TensorListElementShape TensorListFromTensor TensorListGather TensorListGetItem
    TensorListLength TensorListPopBack TensorListPushBack TensorListReserve TensorListResize TensorListSetItem
    TensorListSplit TensorListStack
    AssignAddVariableOp AssignSubVariableOp AssignVariableOp ReadVariableOp VarHandleOp VariableShape
    VarIsInitializedOp
    """.split())
_SAVER_OPERATIONS = frozenset("""
    DisableCopyOnRead MergeV2Checkpoints RestoreV2 SaveV2 ShardedFilename StaticRegexFullMatch StringJoin
    """.split())

_SCANS: dict[str, Callable[[Path], None]] = {"h5": _scan_h5, "keras": _scan_keras, "savedmodel": _scan_savedmodel}
_LOADERS: dict[str, Callable[[Path], tf.keras.Model]] = {
    "h5": _load_h5,
    "keras": _load_keras,
    "savedmodel": _load_savedmodel,
}
