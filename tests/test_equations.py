"""EQUATIONS.md tells the truth: what it names exists, and equations without a test elsewhere are worked out here."""

from __future__ import annotations

import ast
import importlib
import re
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import tensorflow as tf

from data_prep.contract import Split
from data_prep.threat import Suspect
from drmguard_tf.families import Amplifiable, Change
from drmguard_tf.losses import head_angles
from drmguard_tf.paper import PaperTrigger
from drmguard_tf.reference import attention_map, examine
from drmguard_tf.submodels import split
from drmguard_tf.unlearning import Unlearning

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = (ROOT / "drmguard_tf" / "EQUATIONS.md").read_text(encoding="utf-8")
PLANNED: set[int] = set()  # equations that the document says are not there yet
PARTS = ("Paper.", "Here.", "Why.", "Where.")
layers = tf.keras.layers


class Row(NamedTuple):
    """A row of the document's table."""

    source: str
    functions: list[str]
    tests: list[str]
    text: str


def _rows() -> list[Row]:
    lines = [line for line in DOCUMENT.splitlines() if re.match(r"\| (Eq|Sec|App|Original)", line)]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    assert all(len(row) == 4 for row in cells), "a row has four cells; write \\| for a bar inside one"
    return [Row(source, _quoted(functions), _quoted(tests), functions) for source, _, functions, tests in cells]


def _quoted(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def _equations(source: str) -> set[int]:
    return {int(number) for number in re.findall(r"Eq\. (\d+)", source)}


def _differences() -> dict[int, str]:
    """Number -> text of the document's differences."""
    parts = re.split(r"^### (\d+)\. ", DOCUMENT, flags=re.MULTILINE)[1:]
    return {int(number): text for number, text in zip(parts[::2], parts[1::2])}


def _find(name: str) -> Any:
    """The object of a dotted name such as ``drmguard_tf.losses.input_distance``."""
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for part in parts[cut:]:
            fields = getattr(found, "__dataclass_fields__", {})  # a field without default is no attribute
            found = fields[part] if part in fields else getattr(found, part)
        return found
    raise ModuleNotFoundError(name)


@lru_cache(maxsize=None)
def _tests_in(file: str) -> frozenset[str]:
    tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"), file)
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


def _referred_differences() -> list[tuple[str, int]]:
    """(file, number) of every difference that code or documents point to."""
    files = [path for top in ("data_prep", "drmguard_tf", "runs") for path in sorted((ROOT / top).rglob("*.py"))]
    found = []
    for path in [*files, *sorted(ROOT.glob("*.md"))]:
        text = path.read_text(encoding="utf-8")
        for number in re.findall(r"EQUATIONS\.md`?,[\s#]+difference[\s#]+(\d+)", text):
            found.append((str(path.relative_to(ROOT)), int(number)))
    return found


def test_every_equation_of_the_paper_has_a_row():
    assert set().union(*(_equations(row.source) for row in _rows())) == set(range(1, 11))


@pytest.mark.parametrize("row", _rows(), ids=lambda row: row.source)
def test_a_row_names_function_and_test_or_says_that_it_is_planned(row):
    planned = bool(_equations(row.source) & PLANNED)
    assert ("not there yet" in row.text) is planned
    assert bool(row.functions) is not planned and bool(row.tests) is not planned


@pytest.mark.parametrize("name", sorted({name for row in _rows() for name in row.functions}))
def test_functions_of_the_table_exist(name):
    assert _find(name) is not None


@pytest.mark.parametrize("name", sorted({name for row in _rows() for name in row.tests}))
def test_tests_of_the_table_exist(name):
    file, _, function = name.partition("::")
    assert function.startswith("test_") and function in _tests_in(file)


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`((?:data_prep|drmguard_tf|runs)\.[\w.]+)`", DOCUMENT))))
def test_names_outside_the_table_exist_too(name):
    assert _find(name) is not None


def test_differences_are_numbered_without_a_gap():
    assert list(_differences()) == list(range(1, len(_differences()) + 1)) and len(_differences()) >= 14


@pytest.mark.parametrize("number", _differences())
def test_a_difference_says_what_the_paper_has_what_is_here_why_and_where(number):
    assert all(f"**{part}**" in _differences()[number] for part in PARTS)


def test_differences_that_the_code_points_to_exist():
    referred = _referred_differences()
    assert len(referred) >= 2, "the pattern finds no reference any more"
    assert [at for at in referred if at[1] not in _differences()] == []


# Equations whose test is nowhere else.


def _linear(kernel: list[list[float]], bias: list[float], shape: tuple[int, int, int]) -> tf.keras.Model:
    """A model whose features are the pixel values of images of one shape."""
    model = tf.keras.Sequential([tf.keras.Input(shape), layers.Flatten(), layers.Dense(len(bias))])
    model.layers[-1].set_weights([np.float32(kernel), np.float32(bias)])
    return model


def test_outputs_follow_from_norm_and_angle():
    # Eq. 2: for features (3, 4) and w_1 = (2, 0): 5 * 2 * cos(acos(0.6)) + 0.5 = 6.5
    model = _linear([[2, -1], [0, 3], [0, 0]], [0.5, -0.25], (1, 1, 3))
    images = tf.constant([[3.0, 4.0, 0.0], [1.0, 2.0, 2.0]], shape=[2, 1, 1, 3])
    sub = split(model)
    features, outputs = sub.joint(images, training=False)
    norms = tf.norm(features, axis=1)[:, None] * tf.norm(sub.kernel, axis=0)
    composed = norms * tf.cos(head_angles(features, sub.kernel)) + sub.bias
    np.testing.assert_allclose(composed, outputs, atol=1e-5)
    assert float(composed[0, 0]) == pytest.approx(6.5, abs=1e-5)


def test_attention_is_the_scaled_gradient():
    # Rows of the kernel are the gradients of both outputs. Pixel 1: channels |1| + |-1|, |0| + |1|, 0, largest 2.
    # Pixel 2: |3| + |1|, 0, |1| + |1|, largest 4. Divided by a little more than 4: 0.5 and 1 over 1.001.
    model = _linear([[1, -1], [0, 1], [0, 0], [3, 1], [0, 0], [-1, 1]], [0, 0], (1, 2, 3))
    attention = attention_map(split(model), tf.fill([2, 1, 2, 3], 0.5))
    np.testing.assert_allclose(attention[:, 0, :, 0], [[0.5 / 1.001, 1 / 1.001]] * 2, rtol=1e-6)
    assert attention.shape == (2, 1, 2, 1) and float(tf.reduce_max(attention)) < 1


def test_the_score_is_a_share_of_the_largest_norm():
    # black images made white by G, attention 0.75 and 0: pixels change by 0.25 and 1, 3 * 1.25 = 3.75 of 12.5
    def white(images: tf.Tensor, training: bool) -> tf.Tensor:
        return tf.ones_like(images)

    attention = tf.tile(tf.constant([0.75, 0.0], shape=[1, 1, 2, 1]), [2, 1, 1, 1])
    changed = PaperTrigger(white, 12.5)(tf.zeros([2, 1, 2, 3]), attention)
    assert float(changed.cost) == pytest.approx(0.3)


def test_unlearning_teaches_the_true_label_to_reversed_images():
    class Whiten(Amplifiable):
        def __call__(self, images: tf.Tensor, attention: tf.Tensor) -> Change:
            return Change(tf.ones_like(images), tf.constant(0.0))

    # black images answer 0.2, which is right; white ones answer 0.2 + 3 * 0.5 = 1.7, the backdoor
    model = _linear([[0.5], [0.5], [0.5]], [0.2], (1, 1, 3))
    suspect = Suspect(model, Split(np.zeros((8, 1, 1, 3), np.uint8), np.full((8, 1), 0.2, np.float32)))
    options = Unlearning(steps=150, batch=4, learning_rate=0.01)
    cleaned = options.run(suspect, examine(suspect), [Whiten()], seed=0)
    black_and_white = tf.constant([0.0, 1.0], shape=[2, 1, 1, 1]) * tf.ones([1, 1, 1, 3])
    np.testing.assert_allclose(cleaned(black_and_white), [[0.2], [0.2]], atol=0.05)
    np.testing.assert_allclose(model(black_and_white), [[0.2], [1.7]], atol=1e-6)  # the suspect is left alone
