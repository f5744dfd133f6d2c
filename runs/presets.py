"""Settings by purpose: ``paper`` as printed, ``cpu`` for two cores, ``smoke`` for tests."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from data_prep.attack import Attack
from data_prep.contract import Task
from data_prep.heads.builder import Heads
from drmguard_tf.attacks import attack_class
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
        search: the steered search.
        controls: the defender's benign controls.
        unlearning: the mitigation.
        attacks: where an attack, by command line name, differs from the paper's settings.
        printed: where the printed search does.
    """

    heads: Heads
    training: Training
    search: SteeredSearch
    controls: Controls
    unlearning: Unlearning
    attacks: dict[str, dict[str, Any]] = field(default_factory=dict)
    printed: dict[str, Any] = field(default_factory=dict)

    def attack(self, name: str, task: Task) -> Attack:
        """An attack by its command line name.

        Raises:
            ValueError: if there is none of that name.
        """
        return attack_class(name).of(task, **self.attacks.get(name, {}))

    def paper_search(self, task: Task) -> PaperSearch:
        """The printed search."""
        return replace(PaperSearch.of(task), **self.printed)


PRESETS = {
    "paper": Preset(
        heads=Heads(count=45_000, subjects=300, size=224),
        training=Training(),
        search=SteeredSearch(),
        controls=Controls(training=Training()),
        unlearning=Unlearning(),
    ),
    "cpu": Preset(
        heads=Heads(count=10_000, subjects=160, size=64),
        training=Training("small-resnet", steps=3000, learning_rate=0.004, milestones=(0.6, 0.85)),
        # Small images and short training need more poison, and a stronger warp, than 224 px and 10,000 steps.
        attacks={
            "badnets": {"rate": 0.1},
            "wanet": {"grid": 8, "strength": 3.0, "rate": 0.2, "cross_rate": 0.15},
            "adaptive": {"grid": 8, "strength": 3.0, "rate": 0.2, "cross_rate": 0.15},
            "multi-target": {"grid": 8, "strength": 3.0, "rate": 0.15, "cross_rate": 0.15},
            "clean-label": {"nearness_deg": 7.0},
            # The light generator starts far from what the model can see; the original's diversity is made for a loss
            # of classes, which is some ten times as large as an L1 loss in radians.
            "input-aware": {"generator": "light", "generator_rate": 0.002, "mask_steps": 500, "diversity": 0.1},
        },
        search=SteeredSearch(),
        printed={"steps": 600, "pretraining": 1000},
        controls=Controls(),
        unlearning=Unlearning(),
    ),
    "smoke": Preset(
        heads=Heads(count=240, subjects=12, size=32),
        training=Training("small-resnet", steps=30, batch=16, learning_rate=0.002),
        attacks={
            "badnets": {"rate": 0.1},
            "wanet": {"grid": 4, "strength": 2.0, "rate": 0.15, "cross_rate": 0.15},
            "adaptive": {"grid": 4, "strength": 2.0, "rate": 0.15, "cross_rate": 0.15},
            "multi-target": {"grid": 4, "strength": 2.0, "rate": 0.15, "cross_rate": 0.15},
            "clean-label": {"nearness_deg": 25.0, "steps": 5},
            "input-aware": {"generator": "light", "mask_steps": 10},
        },
        search=SteeredSearch(restarts=1, steps=20, batch=16),
        printed={"steps": 20, "pretraining": 20, "batch": 16},
        controls=Controls(count=2, training=Training("small-resnet", steps=20, batch=16, learning_rate=0.002)),
        unlearning=Unlearning(steps=10, batch=16),
    ),
}
