"""The rivals by recipes of their own authors, where :mod:`runs.rivals` has the settings that DHBE's authors gave them.

Facts are from the codes of NAD, MCR and BackdoorBench, and from the paper of Neural Cleanse; what each source leaves
open is in ``EQUATIONS.md``, difference 24.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from dhbe_tf.baselines.attention_distillation import AttentionDistillation
from dhbe_tf.baselines.fine_pruning import FinePruning
from dhbe_tf.baselines.fine_tuning import FineTuning
from dhbe_tf.baselines.mode_connectivity import TunedEnd
from dhbe_tf.baselines.neural_cleanse import NeuralCleanse
from dhbe_tf.baselines.rival import Rival
from dhbe_tf.baselines.tuning import Annealed, Tuning

# 5 % of CIFAR-10, the rate to a tenth after two epochs; fine-tuning is NAD without attention.
NAD = Annealed(
    samples=2500, learning_rate=0.1, weight_decay=1e-4, milestones=(0.1,), annealing="milestones", nesterov=True
)
NAD_TEACHER = replace(NAD, epochs=10, milestones=(0.2,))  # its epochs are "5~10"
NAD_WEIGHTS = (500.0, 1000.0, 1000.0, 0.0)  # for maps of 32, 16 and 8 pixels; their network has no further stage
BACKDOOR_BENCH = Annealed(epochs=100, samples=2500, batch=256, weight_decay=5e-4)
MCR = Annealed(epochs=100, samples=2500, batch=128, weight_decay=1e-4, annealing="line")
NEURAL_CLEANSE = Tuning(epochs=1, samples=5000)  # one pass over a tenth of the training data


@dataclass(frozen=True)
class Recipe:
    """A rival as somebody has it.

    Attributes:
        whose: the recipe.
        rival: with its options.
        share: of CIFAR-10's training set that it is given there.
    """

    whose: str
    rival: Rival
    share: float


RECIPES = {
    "fine-tuning": Recipe("NAD", FineTuning(NAD), 0.05),
    "fine-pruning": Recipe("BackdoorBench", FinePruning(tolerance=0.1, tuning=BACKDOOR_BENCH), 0.05),
    "nad": Recipe("NAD", AttentionDistillation(NAD_WEIGHTS, teacher=NAD_TEACHER, student=NAD), 0.05),
    "mcr": Recipe("MCR, BackdoorBench", TunedEnd(MCR, end=NAD), 0.05),
    "neural-cleanse": Recipe("Neural Cleanse", NeuralCleanse(tuning=NEURAL_CLEANSE), 0.1),
}
