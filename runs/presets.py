"""Settings by purpose: ``paper`` as printed, ``cpu`` for two cores, ``smoke`` for tests."""

from __future__ import annotations

from dataclasses import dataclass

from data_prep.attack import PoisoningAttack
from data_prep.heads.builder import Heads
from drmguard_tf.attacks.badnets import BadNets
from drmguard_tf.attacks.wanet import WaNet
from drmguard_tf.paper import PaperSearch
from drmguard_tf.steered import SteeredSearch
from drmguard_tf.training import Training
from drmguard_tf.unlearning import Unlearning
from runs.controls import Controls


@dataclass(frozen=True)
class Preset:
    """Everything that depends on the machine at hand.

    Attributes:
        heads: the embedded data.
        training: of suspects.
        attacks: by their command line name.
        search: the steered search.
        paper_search: the printed one.
        controls: the defender's benign controls.
        unlearning: the mitigation.
    """

    heads: Heads
    training: Training
    attacks: dict[str, PoisoningAttack]
    search: SteeredSearch
    paper_search: PaperSearch
    controls: Controls
    unlearning: Unlearning


PRESETS = {
    "paper": Preset(
        heads=Heads(count=45_000, subjects=300, size=224),
        training=Training(),
        attacks={"badnets": BadNets(), "wanet": WaNet()},
        search=SteeredSearch(),
        paper_search=PaperSearch(),
        controls=Controls(training=Training()),
        unlearning=Unlearning(),
    ),
    "cpu": Preset(
        heads=Heads(count=10_000, subjects=160, size=64),
        training=Training("small-resnet", steps=3000, learning_rate=0.004, milestones=(0.6, 0.85)),
        # Small images and short training need more poison, and a stronger warp, than 224 px and 10,000 steps.
        attacks={"badnets": BadNets(rate=0.1), "wanet": WaNet(grid=8, strength=3.0, rate=0.2, cross_rate=0.15)},
        search=SteeredSearch(),
        paper_search=PaperSearch(steps=600, pretraining=1000),
        controls=Controls(),
        unlearning=Unlearning(),
    ),
    "smoke": Preset(
        heads=Heads(count=240, subjects=12, size=32),
        training=Training("small-resnet", steps=30, batch=16, learning_rate=0.002),
        attacks={"badnets": BadNets(rate=0.1), "wanet": WaNet(grid=4, strength=2.0, rate=0.15, cross_rate=0.15)},
        search=SteeredSearch(restarts=1, steps=20, batch=16),
        paper_search=PaperSearch(steps=20, pretraining=20, batch=16),
        controls=Controls(count=2, training=Training("small-resnet", steps=20, batch=16, learning_rate=0.002)),
        unlearning=Unlearning(steps=10, batch=16),
    ),
}
