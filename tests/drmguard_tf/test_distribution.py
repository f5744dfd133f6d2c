"""Two devices train as one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from drmguard_tf.distribution import share_out

PROGRAM = """
import json, sys
import numpy as np, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from data_prep.contract import Split
from drmguard_tf.attacks.badnets import BadNets
from drmguard_tf.training import Training

class Losses:
    def __init__(self): self.seen = []
    def resume(self, state, history=None): return 0
    def note(self, step, scalars): self.seen.append(float(scalars["loss"]))
    def complete(self, step): pass

rng = np.random.default_rng(0)
data = Split(rng.integers(0, 256, (32, 32, 32, 3), dtype=np.uint8), rng.uniform(-0.4, 0.4, (32, 2)).astype(np.float32))
poisoning = BadNets(rate=0.3).poisoning((32, 32, 3), np.float32([0.1, 0.2]), 0)
found = []
for strategy in (None, tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])):
    losses = Losses()
    training = Training("small-resnet", steps=5, batch=16, learning_rate=1e-3)
    model = training.fit(data, seed=1, poisoning=poisoning, journal=losses, strategy=strategy)
    kinds = sorted({type(layer).__name__ for layer in model.layers})
    answer = model(data.images[:2] / np.float32(255)).numpy().tolist()
    found.append({"losses": losses.seen, "kinds": kinds, "answer": answer})
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def one_and_two() -> list[dict]:
    """Losses, layers and answers after a training on one device, and on two virtual ones."""
    root = str(Path(__file__).resolve().parents[2])
    environment = {**os.environ, "PYTHONPATH": root, "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_the_losses_are_equal(one_and_two):
    one, two = one_and_two
    assert len(one["losses"]) == 5
    np.testing.assert_allclose(two["losses"], one["losses"], rtol=2e-4)


def test_the_models_answer_alike(one_and_two):
    one, two = one_and_two
    np.testing.assert_allclose(two["answer"], one["answer"], atol=2e-2)  # Adam turns rounding into steps of its rate


def test_the_result_is_an_ordinary_model(one_and_two):
    one, two = one_and_two
    assert one["kinds"] == two["kinds"] and "BatchNormalization" in two["kinds"]


def test_one_device_takes_the_batch_as_it_is():
    batch = (np.zeros(3), np.ones(3))
    assert share_out(tf.distribute.get_strategy(), batch) is batch
