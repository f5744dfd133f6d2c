"""What is settled before TensorFlow is loaded, and what records tell of the machine."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf

from runs import provenance

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = "import os, sys, runs; print(os.environ['TF_ENABLE_ONEDNN_OPTS'], 'tensorflow' in sys.modules)"


@pytest.mark.parametrize("own, settled", [({}, "1"), ({"TF_ENABLE_ONEDNN_OPTS": "0"}, "0")])
def test_fast_convolutions_are_asked_for_before_tensorflow_is_loaded_unless_a_user_says_no(own, settled):
    clean = {name: value for name, value in os.environ.items() if name != "TF_ENABLE_ONEDNN_OPTS"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env={**clean, **own}, cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [settled, "False"]


def test_a_record_names_the_processor_where_the_system_tells(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "_DESCRIBED", tmp_path / "cpuinfo")
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmodel name\t: Maker 5000 @ 2 GHz\nprocessor\t: 1\n")
    assert provenance.processor() == f"Maker 5000 @ 2 GHz {platform.machine()} CPU"
    (tmp_path / "cpuinfo").unlink()
    assert provenance.processor().endswith(f"{platform.machine()} CPU")


@pytest.mark.parametrize("details, named", [({"device_name": "Maker G1"}, "Maker G1"), ({}, "/physical_device:GPU:0")])
def test_a_record_names_the_gpus_where_there_are_some(monkeypatch, details, named):
    gpu = tf.config.PhysicalDevice("/physical_device:GPU:0", "GPU")
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [gpu, gpu])
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda device: details)
    assert provenance.here()["device"] == f"{named}, {named}"
