"""A model file may be hostile: what is allowed loads unchanged, everything else is refused before it can act."""

from __future__ import annotations

import json
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
from tensorflow.python.keras.protobuf.saved_metadata_pb2 import SavedMetadata
from tensorflow.python.saved_model import load as graph_loader

from runs.safety import UnreadableModel, UnsafeModel, inspect, load_model, second_opinion

layers = tf.keras.layers

HAS_KERAS_FORMAT = hasattr(tf.keras, "saving")  # since TensorFlow 2.12
needs_keras_format = pytest.mark.skipif(not HAS_KERAS_FORMAT, reason="this TensorFlow does not write .keras files")
NAMES = {"h5": "model.h5", "savedmodel": "model", "keras": "model.keras"}
FORMATS = ["h5", "savedmodel", pytest.param("keras", marks=needs_keras_format)]
IMAGES = np.random.default_rng(0).random((4, 6, 6, 3), dtype=np.float32)


def _network(*inner: tf.keras.layers.Layer) -> tf.keras.Model:
    """A small regression model with everything that a benign one may have, and ``inner`` before its head."""
    images = tf.keras.Input(IMAGES.shape[1:], name="images")
    x = layers.Rescaling(2.0, offset=-1.0)(images)
    x = layers.BatchNormalization()(layers.Conv2D(2, 3, activation="relu", kernel_regularizer="l2")(x))
    x = layers.GlobalAveragePooling2D()(x) * 2.0  # a TFOpLambda
    for layer in inner:
        x = layer(x)
    return tf.keras.Model(images, layers.Dense(2, bias_initializer=tf.keras.initializers.Constant(0.1))(x))


class Shift(tf.keras.layers.Layer):
    """A custom layer."""

    def call(self, inputs):
        return inputs + 1.0


@pytest.fixture(scope="session")
def benign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a trained and compiled model in every format, and what it predicts."""
    folder = tmp_path_factory.mktemp("benign")
    model = _network()
    model.compile("adam", "mae", metrics=["mse"])
    model.fit(IMAGES, np.ones((4, 2), np.float32), verbose=0)
    _save(model, folder)
    np.save(folder / "predicted.npy", model(IMAGES, training=False))
    return folder


def _save(model: tf.keras.Model, folder: Path) -> None:
    model.save(folder / "model.h5")
    model.save(folder / "model", save_format="tf")
    if HAS_KERAS_FORMAT:
        model.save(folder / "model.keras")


@pytest.fixture
def h5(benign: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(benign / "model.h5", tmp_path))


@pytest.fixture
def keras(benign: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(benign / "model.keras", tmp_path))


@pytest.fixture
def savedmodel(benign: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(benign / "model", tmp_path / "model"))


def _edit_h5(path: Path, change: Callable[[dict], None]) -> None:
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        change(config)
        file.attrs["model_config"] = json.dumps(config)


def _edit_keras(path: Path, change: Callable[[dict], None]) -> None:
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    change(config)
    members["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def _edit_graph(path: Path, change: Callable[[SavedModel], None]) -> None:
    file = path / "saved_model.pb"
    saved_model = SavedModel.FromString(file.read_bytes())
    change(saved_model)
    file.write_bytes(saved_model.SerializeToString())


def _edit_metadata(path: Path, node_path: str, change: Callable[[dict], None]) -> None:
    file = path / "keras_metadata.pb"
    metadata = SavedMetadata.FromString(file.read_bytes())
    node = next(node for node in metadata.nodes if node.node_path == node_path)
    config = json.loads(node.metadata)
    change(config)
    node.metadata = json.dumps(config)
    file.write_bytes(metadata.SerializeToString())


def _head(config: dict) -> dict:
    return config["config"]["layers"][-1]


# What is allowed


@pytest.mark.parametrize("form", FORMATS)
def test_a_benign_model_comes_back_with_the_same_predictions(benign: Path, form: str) -> None:
    assert inspect(benign / NAMES[form]) == form
    model = load_model(benign / NAMES[form])
    np.testing.assert_allclose(model(IMAGES, training=False), np.load(benign / "predicted.npy"), atol=1e-6)


@pytest.mark.parametrize("form", FORMATS)
def test_a_benign_model_comes_back_as_a_functional_one_with_its_losses(benign: Path, form: str) -> None:
    model = load_model(benign / NAMES[form])
    assert isinstance(model, tf.keras.Model) and model._is_graph_network
    assert isinstance(model.layers[-1], layers.Dense)
    assert len(model.losses) == 1  # the L2 penalty of the convolution
    assert model.optimizer is None


@pytest.mark.parametrize("name", ["model", "model.keras", "model.pb"])
def test_the_content_decides_not_the_name(h5: Path, name: str) -> None:
    assert inspect(h5.rename(h5.with_name(name))) == "h5"


@needs_keras_format
def test_a_keras_archive_under_another_name_is_loaded_too(keras: Path) -> None:
    assert load_model(keras.rename(keras.with_name("model.bin"))).output_shape == (None, 2)


def test_layers_with_a_state_of_their_own_survive_a_saved_model(tmp_path: Path) -> None:
    normalise = layers.Normalization()
    normalise.adapt(5 + 3 * IMAGES)
    model = tf.keras.Sequential([tf.keras.Input(IMAGES.shape[1:]), normalise, layers.Flatten(), layers.Dense(1)])
    model.save(tmp_path / "model", save_format="tf")
    loaded = load_model(tmp_path / "model")
    np.testing.assert_allclose(loaded(IMAGES, training=False), model(IMAGES, training=False), atol=1e-6)


def test_the_graph_of_a_saved_model_is_never_imported(savedmodel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph_loader.Loader, "__init__", _forbidden)
    assert load_model(savedmodel).output_shape == (None, 2)
    with pytest.raises(AssertionError, match="imported"):
        tf.keras.models.load_model(savedmodel)


def _forbidden(*args: object, **kwargs: object) -> None:
    raise AssertionError("a graph was imported")


def test_a_model_card_may_lie_in_a_saved_model(savedmodel: Path) -> None:
    (savedmodel / "README.md").write_text("A model.")
    assert inspect(savedmodel) == "savedmodel"


def test_scanning_prints_nothing(h5: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text.h5").write_text("no model")
    inspect(h5)
    with pytest.raises(UnreadableModel):
        inspect(tmp_path / "text.h5")
    assert capfd.readouterr() == ("", "")


# Python code


def _leaves_a_file(path: Path) -> tf.keras.layers.Lambda:
    marker = str(path)
    return layers.Lambda(lambda x: [open(marker, "w"), x][1], output_shape=(2,))


@pytest.mark.parametrize("form", ["h5", "savedmodel"])
def test_a_lambda_is_refused_and_never_runs(tmp_path: Path, form: str) -> None:
    marker = tmp_path / "executed"
    _save(_network(_leaves_a_file(marker)), tmp_path)
    marker.unlink()
    with pytest.raises(UnsafeModel, match="Lambda"):
        load_model(tmp_path / NAMES[form])
    assert not marker.exists()
    tf.keras.models.load_model(tmp_path / NAMES[form], compile=False)  # what would have happened
    assert marker.exists()


@needs_keras_format
@pytest.mark.filterwarnings("ignore:The object being serialized includes a `lambda`")
def test_a_lambda_in_a_keras_archive_is_refused(tmp_path: Path) -> None:
    _network(_leaves_a_file(tmp_path / "executed")).save(tmp_path / "model.keras")
    with pytest.raises(UnsafeModel, match="Lambda"):
        load_model(tmp_path / "model.keras")


@pytest.mark.parametrize("form", ["h5", "savedmodel"])
def test_a_lambda_inside_a_model_inside_a_model_is_refused(tmp_path: Path, form: str) -> None:
    innermost = tf.keras.Sequential([tf.keras.Input((2,)), layers.Lambda(lambda x: x + 1.0)])
    _save_one(_network(tf.keras.Sequential([tf.keras.Input((2,)), innermost])), tmp_path / NAMES[form])
    with pytest.raises(UnsafeModel, match=r"layers\[\d\], config, layers\[1\], config, layers\[1\].* is a Lambda"):
        inspect(tmp_path / NAMES[form])


def _save_one(model: tf.keras.Model, path: Path) -> None:
    model.save(path, save_format="h5" if path.suffix == ".h5" else "tf")


@pytest.mark.parametrize("form", ["h5", "savedmodel"])
def test_a_custom_class_is_refused(tmp_path: Path, form: str) -> None:
    _save_one(_network(Shift()), tmp_path / NAMES[form])
    with pytest.raises(UnsafeModel, match="Shift"):
        inspect(tmp_path / NAMES[form])


@pytest.mark.parametrize(
    "change",
    [
        {"class_name": "StringLookup"},  # reads the file that its configuration names
        {"class_name": "TextVectorization"},
        {"class_name": "TensorFlowOpLayer"},
        {"class_name": "Addons>WeightNormalization"},
        {"class_name": "__lambda__"},
        {"class_name": "function", "module": "builtins", "config": "eval", "registered_name": "eval"},
        {"class_name": "__typespec__", "spec_name": "Popen", "module": "subprocess", "registered_name": None},
        {"module": "subprocess"},
        {"registered_name": "Custom>Dense"},
        {"compile_config": {"optimizer": "adam"}},
        {"class_name": "TFOpLambda", "config": {"function": "io.read_file"}},
        {"class_name": "TFOpLambda", "config": {"function": "raw_ops.WriteFile"}},
        {"class_name": "SlicingOpLambda", "config": {"function": "py_function"}},
        {"class_name": "TypeSpec", "type_spec": "tf.data.DatasetSpec", "serialized": []},
        {"config": {"activation": "deserialize"}},
        {"config": {"kernel_initializer": "Custom>evil"}},
        {"config": {"bias_regularizer": {"class_name": "deserialize", "config": {}}}},
        {"config": {"kernel_constraint": {"class_name": "system", "module": "os", "config": {"command": "id"}}}},
    ],
    ids=lambda change: json.dumps(change)[:60],
)
def test_a_name_that_is_not_on_the_list_is_refused(h5: Path, change: dict) -> None:
    _edit_h5(h5, lambda config: _head(config).update(change))
    with pytest.raises(UnsafeModel, match=r"layers\[\d\]"):
        inspect(h5)


@needs_keras_format
@pytest.mark.parametrize("change", [{"module": "os"}, {"class_name": "TFSMLayer"}, {"registered_name": "Custom>Dense"}])
def test_a_name_that_is_not_on_the_list_is_refused_in_a_keras_archive(keras: Path, change: dict) -> None:
    _edit_keras(keras, lambda config: _head(config).update(change))
    with pytest.raises(UnsafeModel, match=r"config.json of model.keras, config, layers"):
        inspect(keras)


class _Hostile:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return open, (str(self.path), "w")


@pytest.mark.parametrize("name", ["model.h5", "model.pkl", "model.keras"])
def test_a_pickle_is_refused_whatever_its_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(pickle.dumps(_Hostile(tmp_path / "executed")))
    with pytest.raises(UnsafeModel, match="pickle"):
        load_model(tmp_path / name)
    assert not (tmp_path / "executed").exists()


def test_a_pytorch_archive_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "model.pt", "w") as archive:
        archive.writestr("model/data.pkl", pickle.dumps([1]))
    with pytest.raises(UnsafeModel, match="pickle"):
        inspect(tmp_path / "model.pt")


# HDF5


def test_an_external_link_is_refused(h5: Path) -> None:
    with h5py.File(h5, "r+") as file:
        file["model_weights/other"] = h5py.ExternalLink("other.h5", "/")
    with pytest.raises(UnsafeModel, match="model_weights/other is a link"):
        inspect(h5)


def test_a_soft_link_is_refused(h5: Path) -> None:
    with h5py.File(h5, "r+") as file:
        file["model_weights/other"] = h5py.SoftLink("/model_weights")
    with pytest.raises(UnsafeModel, match="model_weights/other is a link"):
        inspect(h5)


def test_weights_stored_in_another_file_are_refused(h5: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"12345678")
    with h5py.File(h5, "r+") as file:
        file.create_dataset("model_weights/stolen", (8,), "uint8", external=[(str(tmp_path / "secret"), 0, 8)])
    with pytest.raises(UnsafeModel, match="stolen lie in another file"):
        inspect(h5)


def test_a_virtual_dataset_is_refused(h5: Path) -> None:
    layout = h5py.VirtualLayout((8,), "uint8")
    layout[:] = h5py.VirtualSource("other.h5", "weights", (8,))
    with h5py.File(h5, "r+") as file:
        file.create_virtual_dataset("model_weights/stolen", layout)
    with pytest.raises(UnsafeModel, match="stolen lie in another file"):
        inspect(h5)


def test_arrays_larger_than_any_model_are_refused(h5: Path) -> None:
    with h5py.File(h5, "r+") as file:
        file.create_dataset("model_weights/bomb", (2**40,), "uint8", chunks=(2**20,))  # takes no space until written
    with pytest.raises(UnsafeModel, match="bytes of memory"):
        inspect(h5)


def test_compressed_arrays_are_refused(h5: Path) -> None:
    with h5py.File(h5, "r+") as file:
        file.create_dataset("model_weights/bomb", (2**20,), "uint8", compression="gzip")
    with pytest.raises(UnsafeModel, match="compressed"):
        inspect(h5)


def test_stored_types_are_refused(h5: Path) -> None:
    with h5py.File(h5, "r+") as file:
        file["model_weights/type"] = np.dtype("float64")
    with pytest.raises(UnsafeModel, match="model_weights/type is a Datatype"):
        inspect(h5)


def test_arrays_of_objects_are_refused(h5: Path) -> None:
    with h5py.File(h5, "r+") as file:
        file.create_dataset("model_weights/text", data="cos\nsystem\n")
    with pytest.raises(UnsafeModel, match="not numbers"):
        inspect(h5)


@pytest.mark.parametrize("wrap", [np.void, np.bytes_], ids=["opaque", "bytes"])
def test_pickled_attributes_are_refused(h5: Path, wrap: type) -> None:
    with h5py.File(h5, "r+") as file:
        file["model_weights"].attrs["object"] = wrap(pickle.dumps([1]))
    with pytest.raises(UnsafeModel, match="attribute 'object'"):
        inspect(h5)


def test_groups_in_a_circle_end(h5: Path) -> None:
    with h5py.File(h5, "r+") as file:
        file["model_weights/again"] = file["model_weights"]
    assert inspect(h5) == "h5"


# .keras


@needs_keras_format
@pytest.mark.parametrize("name", ["../evil.py", "/tmp/evil.py", "assets/vocabulary.txt", "model.weights.npz"])
def test_a_member_that_keras_does_not_write_is_refused(keras: Path, name: str) -> None:
    with zipfile.ZipFile(keras, "a") as archive:
        archive.writestr(name, "content")
    with pytest.raises(UnsafeModel, match=name):
        inspect(keras)


@needs_keras_format
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_that_appears_twice_is_refused(keras: Path) -> None:
    with zipfile.ZipFile(keras, "a") as archive:
        archive.writestr("config.json", "{}")
    with pytest.raises(UnsafeModel, match="once each"):
        inspect(keras)


@needs_keras_format
def test_a_compressed_archive_is_refused(keras: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(keras) as source, zipfile.ZipFile(tmp_path / "bomb.keras", "w", zipfile.ZIP_DEFLATED) as bomb:
        for name in source.namelist():
            bomb.writestr(name, source.read(name))
    with pytest.raises(UnsafeModel, match="compressed"):
        inspect(tmp_path / "bomb.keras")


@needs_keras_format
def test_members_that_claim_more_than_the_archive_holds_are_refused(keras: Path) -> None:
    with zipfile.ZipFile(keras, "a") as archive:
        member = archive.getinfo("metadata.json")
        member.file_size = member.compress_size = keras.stat().st_size  # written again when the archive is closed
        archive._didModify = True
    with pytest.raises(UnsafeModel, match="declare more bytes"):
        inspect(keras)


@pytest.mark.skipif(HAS_KERAS_FORMAT, reason="this TensorFlow reads .keras files")
def test_an_old_tensorflow_scans_a_keras_archive_but_cannot_load_it(h5: Path, tmp_path: Path) -> None:
    with h5py.File(h5) as file, zipfile.ZipFile(tmp_path / "model.keras", "w") as archive:
        archive.writestr("config.json", file.attrs["model_config"])
        archive.writestr("model.weights.h5", h5.read_bytes())
    assert inspect(tmp_path / "model.keras") == "keras"
    with pytest.raises(UnreadableModel, match="cannot read"):
        load_model(tmp_path / "model.keras")


@needs_keras_format
def test_the_weights_inside_a_keras_archive_are_scanned_too(keras: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(keras) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    (tmp_path / "weights.h5").write_bytes(members["model.weights.h5"])
    with h5py.File(tmp_path / "weights.h5", "r+") as file:
        file["other"] = h5py.ExternalLink("other.h5", "/")
    members["model.weights.h5"] = (tmp_path / "weights.h5").read_bytes()
    with zipfile.ZipFile(keras, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(UnsafeModel, match="model.weights.h5 in model.keras:/+other is a link"):
        inspect(keras)


def test_a_file_of_two_formats_is_refused(h5: Path) -> None:
    with zipfile.ZipFile(h5, "a") as archive:  # appends: Keras takes model.keras for an archive, model.h5 for HDF5
        archive.writestr("config.json", "{}")
    with pytest.raises(UnsafeModel, match="at once"):
        inspect(h5)


# SavedModel


def test_a_signature_that_reads_files_is_refused(tmp_path: Path) -> None:
    model = _network()

    @tf.function(input_signature=[tf.TensorSpec([], tf.string)])
    def serve(name: tf.Tensor) -> dict:
        return {"content": tf.io.read_file(name)}

    model.save(tmp_path / "model", save_format="tf", signatures=serve)
    with pytest.raises(UnsafeModel, match="ReadFile"):
        inspect(tmp_path / "model")


def test_a_signature_that_calls_python_is_refused(tmp_path: Path) -> None:
    model = _network()

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
    def serve(values: tf.Tensor) -> dict:
        return {"values": tf.numpy_function(np.square, [values], tf.float32)}

    model.save(tmp_path / "model", save_format="tf", signatures=serve)
    with pytest.raises(UnsafeModel, match="PyFunc"):
        inspect(tmp_path / "model")


@pytest.mark.parametrize(
    "operation",
    "WriteFile EagerPyFunc PyFuncStateless MatchingFiles TextLineReaderV2 PrintV2 DebugIdentityV2 SaveV2 RestoreV2 "
    "TFRecordDataset RpcCall MerelyUnknown".split(),
)
@pytest.mark.parametrize("place", ["graph", "function"])
def test_an_operation_that_is_not_on_the_list_is_refused(savedmodel: Path, operation: str, place: str) -> None:
    def add(saved_model: SavedModel) -> None:
        graph = saved_model.meta_graphs[0].graph_def
        layer = next(item for item in graph.library.function if "layer_call" in item.signature.name)
        (graph.node if place == "graph" else layer.node_def).add(name="added", op=operation)

    _edit_graph(savedmodel, add)
    with pytest.raises(UnsafeModel, match=f"'added' .*runs {operation},"):
        inspect(savedmodel)


def _saver_function(saved_model: SavedModel) -> str:
    return next(
        function.signature.name
        for function in saved_model.meta_graphs[0].graph_def.library.function
        if any(node.op == "SaveV2" for node in function.node_def)
    )


def test_nothing_but_the_saver_may_call_the_functions_that_write_files(savedmodel: Path) -> None:
    def call(saved_model: SavedModel) -> None:
        node = saved_model.meta_graphs[0].graph_def.node.add(name="added", op="StatefulPartitionedCall")
        node.attr["f"].func.name = _saver_function(saved_model)

    _edit_graph(savedmodel, call)
    with pytest.raises(UnsafeModel, match="'added' .*saving and restoring"):
        inspect(savedmodel)


def _as_gradient(saved_model: SavedModel) -> None:
    gradients = saved_model.meta_graphs[0].graph_def.library.registered_gradients
    gradients.add(gradient_func=_saver_function(saved_model), registered_op_type="CustomGradient-0")


def _as_function_of_the_model(saved_model: SavedModel) -> None:
    saved_model.meta_graphs[0].object_graph_def.concrete_functions[_saver_function(saved_model)].SetInParent()


@pytest.mark.parametrize("expose", [_as_gradient, _as_function_of_the_model])
def test_the_functions_that_write_files_are_no_part_of_the_model(
    savedmodel: Path, expose: Callable[[SavedModel], None]
) -> None:
    _edit_graph(savedmodel, expose)
    with pytest.raises(UnsafeModel, match="which writes files"):
        inspect(savedmodel)


def _add_asset(saved_model: SavedModel) -> None:
    saved_model.meta_graphs[0].asset_file_def.add(filename="../../secret")


def _add_table(saved_model: SavedModel) -> None:
    saved_model.meta_graphs[0].object_graph_def.nodes.add().resource.device = "CPU"


@pytest.mark.parametrize("add", [_add_asset, _add_table])
def test_assets_and_tables_are_refused(savedmodel: Path, add: Callable[[SavedModel], None]) -> None:
    _edit_graph(savedmodel, add)
    with pytest.raises(UnsafeModel, match="files or tables"):
        inspect(savedmodel)


def test_registered_classes_are_refused(savedmodel: Path) -> None:
    def register(saved_model: SavedModel) -> None:
        saved_model.meta_graphs[0].object_graph_def.nodes[0].registered_name = "Custom.Evil"

    _edit_graph(savedmodel, register)
    with pytest.raises(UnsafeModel, match="Custom.Evil"):
        inspect(savedmodel)


@pytest.mark.parametrize("name", ["weights.pkl", "assets/vocabulary.txt", "saved_model.pbtxt", "variables/evil.so"])
def test_a_file_that_is_no_part_of_a_saved_model_is_refused(savedmodel: Path, name: str) -> None:
    (savedmodel / name).parent.mkdir(exist_ok=True)
    (savedmodel / name).write_bytes(b"content")
    with pytest.raises(UnsafeModel, match=name):
        inspect(savedmodel)


def test_a_saved_model_larger_than_any_model_is_refused(savedmodel: Path) -> None:
    with (savedmodel / "notes.txt").open("wb") as file:
        file.truncate(2**33)  # a hole: takes no space
    with pytest.raises(UnsafeModel, match="at most 4294967296 are accepted"):
        inspect(savedmodel)


def test_a_pickle_named_as_a_document_is_refused(savedmodel: Path) -> None:
    (savedmodel / "notes.txt").write_bytes(pickle.dumps([1]))
    with pytest.raises(UnsafeModel, match="notes.txt in model is a Python pickle"):
        inspect(savedmodel)


def test_links_in_a_saved_model_are_refused(savedmodel: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("content")
    (savedmodel / "notes.txt").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UnsafeModel, match="notes.txt in model is a link"):
        inspect(savedmodel)


def test_a_saved_model_without_keras_metadata_is_unreadable(savedmodel: Path) -> None:
    (savedmodel / "keras_metadata.pb").unlink()
    with pytest.raises(UnreadableModel, match=r"model\.save"):
        inspect(savedmodel)


def test_a_saved_model_without_objects_is_unreadable(savedmodel: Path) -> None:
    _edit_graph(savedmodel, lambda saved_model: saved_model.meta_graphs[0].ClearField("object_graph_def"))
    with pytest.raises(UnreadableModel, match="TensorFlow 2"):
        inspect(savedmodel)


def test_a_checkpoint_that_lacks_a_weight_is_unreadable(savedmodel: Path) -> None:
    _edit_metadata(savedmodel, "root", lambda root: _head(root)["config"].update(units=5))  # the file has two
    with pytest.raises(UnreadableModel, match="model could not be read"):
        load_model(savedmodel)


# No model at all


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableModel, match="no file or directory '.*absent.h5'"):
        inspect(tmp_path / "absent.h5")


def test_an_empty_directory_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(UnreadableModel, match=r"no saved_model\.pb"):
        inspect(tmp_path)


@pytest.mark.parametrize(
    "content, reason",
    [
        (b"", "model.h5 is empty"),
        (b"not a model", "model.h5 is neither .* begins with b'not a mo'"),
        (b"\x93NUMPY\x01\x00", "model.h5 is neither"),
        (b"PK\x03\x04", "model.h5 is neither"),
        (b"\x89HDF\r\n\x1a\n", "model.h5 could not be read"),
    ],
)
def test_other_files_are_unreadable_whatever_their_name(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "model.h5").write_bytes(content)
    with pytest.raises(UnreadableModel, match=reason):
        inspect(tmp_path / "model.h5")


def test_an_archive_of_something_else_is_unreadable(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "model.keras", "w") as archive:
        archive.writestr("readme.txt", "no model")
    with pytest.raises(UnreadableModel, match="without a config.json"):
        inspect(tmp_path / "model.keras")


def test_a_device_is_unreadable() -> None:
    with pytest.raises(UnreadableModel, match="device or a pipe"):
        inspect(Path("/dev/null"))


def test_a_truncated_h5_is_unreadable(h5: Path) -> None:
    h5.write_bytes(h5.read_bytes()[:5000])
    with pytest.raises(UnreadableModel, match="truncated"):
        inspect(h5)


def test_a_truncated_saved_model_is_unreadable(savedmodel: Path) -> None:
    file = savedmodel / "saved_model.pb"
    file.write_bytes(file.read_bytes()[:5000])
    with pytest.raises(UnreadableModel, match="could not be read"):
        inspect(savedmodel)


def test_weights_alone_are_unreadable(h5: Path) -> None:
    with h5py.File(h5, "r+") as file:
        del file.attrs["model_config"]
    with pytest.raises(UnreadableModel, match="weights only"):
        inspect(h5)


def test_a_configuration_of_something_else_is_unreadable(h5: Path) -> None:
    with h5py.File(h5, "r+") as file:
        file.attrs["model_config"] = '{"layers": []}'
    with pytest.raises(UnreadableModel, match="does not describe a Keras object"):
        inspect(h5)


def test_a_configuration_nested_without_end_is_unreadable(h5: Path) -> None:
    with h5py.File(h5, "r+") as file:
        file.attrs["model_config"] = "[" * 100_000
    with pytest.raises(UnreadableModel, match="RecursionError"):
        inspect(h5)


@pytest.mark.parametrize(
    "config",
    [{"class_name": "Model", "config": {"name": "blank"}}, {"class_name": "Dense", "config": {"units": 2}}],
    ids=["blank", "layer"],
)
def test_an_object_that_is_no_functional_model_is_unreadable(savedmodel: Path, config: dict) -> None:
    _edit_metadata(savedmodel, "root", lambda root: root.update(config))
    with pytest.raises(UnreadableModel, match="A functional model is needed"):
        load_model(savedmodel)


# modelscan


def test_what_modelscan_objects_to_is_refused(h5: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = {"issues": [{"operator": "Evil", "description": "an evil operator"}], "errors": []}
    monkeypatch.setattr(second_opinion.ModelScan, "scan", lambda self, path: report)
    with pytest.raises(UnsafeModel, match="an evil operator"):
        inspect(h5)


def test_what_modelscan_fails_on_is_refused(h5: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = {"issues": [], "errors": [{"description": "could not finish"}]}
    monkeypatch.setattr(second_opinion.ModelScan, "scan", lambda self, path: report)
    with pytest.raises(UnsafeModel, match="could not finish"):
        inspect(h5)


@pytest.mark.parametrize("form", FORMATS)
def test_modelscan_finds_a_lambda_whatever_the_name_of_the_file(benign: Path, tmp_path: Path, form: str) -> None:
    path, source = tmp_path / "file", benign / NAMES[form]
    shutil.copytree(source, path) if source.is_dir() else shutil.copy(source, path)
    second_opinion.ask_modelscan(path, form)
    EDITS[form](path)
    with pytest.raises(UnsafeModel, match="modelscan objects to file: .*Lambda"):
        second_opinion.ask_modelscan(path, form)


def _make_lambda(layer: dict) -> None:
    layer["class_name"] = "Lambda"


EDITS = {
    "h5": lambda path: _edit_h5(path, lambda config: _make_lambda(_head(config))),
    "keras": lambda path: _edit_keras(path, lambda config: _make_lambda(_head(config))),
    "savedmodel": lambda path: _edit_metadata(path, "root.layer-1", _make_lambda),
}
