"""Imports go down only, and the layers below ``runs`` neither print nor open files nor seed the world."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FORBIDDEN = {  # runs > drmguard_tf, dhbe_tf > data_prep
    "data_prep": {"drmguard_tf", "dhbe_tf", "runs", "tests"},
    "drmguard_tf": {"dhbe_tf", "runs", "tests"},
    "dhbe_tf": {"drmguard_tf", "runs", "tests"},
    "runs": {"tests"},
}
METHODS = {"drmguard_tf", "dhbe_tf"}
INITIAL_WEIGHTS = "tf.keras.utils.set_random_seed"  # Keras draws them from TensorFlow's global generator
# the modules that make networks may seed it
SEEDERS = {"training", "families", "paper", "input_aware", "feature_trigger", "inversion"}
OWN_GENERATORS = {
    "np.random": {"default_rng", "Generator", "SeedSequence", "BitGenerator", "PCG64"},
    "tf.random": {"Generator", "create_rng_state", "split", "fold_in"},
}


def _files(*packages: str) -> list[str]:
    return [str(path.relative_to(ROOT)) for package in packages for path in sorted((ROOT / package).rglob("*.py"))]


def _nodes(file: str) -> Iterator[ast.AST]:
    return ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"), file))


def _dotted(node: ast.AST) -> str:
    """``np.random.seed`` for the expression of that name, "" for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return ""


def _called(file: str) -> set[str]:
    return {_dotted(node.func) for node in _nodes(file) if isinstance(node, ast.Call)}


def _imported(file: str) -> set[str]:
    found = {alias.name for node in _nodes(file) if isinstance(node, ast.Import) for alias in node.names}
    return found | {node.module or "" for node in _nodes(file) if isinstance(node, ast.ImportFrom) and not node.level}


def _global_randomness(name: str) -> bool:
    """Whether a call draws from, or seeds, a generator that nobody passed."""
    module, _, function = name.replace("tensorflow.", "tf.").replace("numpy.", "np.").rpartition(".")
    if module in OWN_GENERATORS:
        return function not in OWN_GENERATORS[module] and not function.startswith("stateless_")
    return function in {"set_random_seed", "set_seed", "set_global_generator"}


def test_the_layers_are_there():
    assert _files("data_prep") and _files("drmguard_tf")


@pytest.mark.parametrize("file", _files(*FORBIDDEN))
def test_imports_go_down_only(file):
    tops = {name.split(".")[0] for name in _imported(file)}
    assert not tops & FORBIDDEN[Path(file).parts[0]]


@pytest.mark.parametrize("file", _files("data_prep", *sorted(METHODS)))
def test_nothing_below_runs_prints(file):
    assert not _called(file) & {"print", "tf.print", "sys.stdout.write", "sys.stderr.write"}


@pytest.mark.parametrize("file", _files(*sorted(METHODS)))
def test_methods_open_no_files(file):
    assert "open" not in _called(file)
    assert not {name.split(".")[0] for name in _imported(file)} & {"pathlib", "os", "shutil", "tempfile", "click"}


@pytest.mark.parametrize("file", _files("data_prep", *sorted(METHODS)))
def test_random_numbers_come_from_a_seed_or_an_owned_generator(file):
    allowed = {INITIAL_WEIGHTS} if Path(file).stem in SEEDERS else set()
    assert not {name for name in _called(file) - allowed if _global_randomness(name)}
    assert "random" not in _imported(file)


@pytest.mark.parametrize(
    "name, is_global",
    [
        ("np.random.seed", True),
        ("np.random.rand", True),
        ("numpy.random.shuffle", True),
        ("np.random.default_rng", False),
        ("rng.uniform", False),
        ("tf.random.set_seed", True),
        ("tf.random.uniform", True),
        ("tf.random.stateless_uniform", False),
        ("tf.random.Generator.from_seed", False),
        ("tf.keras.utils.set_random_seed", True),
        ("random.uniform", False),  # an owned generator called random; importing the module is refused elsewhere
    ],
)
def test_global_randomness_is_recognised(name, is_global):
    assert _global_randomness(name) is is_global
