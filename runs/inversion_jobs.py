"""Model inversion beside DHBE's generated samples (DHBE, Sec. 5.4.4 and Fig. 12), as a job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from data_prep.contract import pixels
from data_prep.threat import Backdoored
from dhbe_tf.baselines.inversion import InvertedDistillation
from dhbe_tf.dhbe import DHBE, Erasure
from dhbe_tf.domain import read
from runs import classes
from runs.erasing_jobs import Implanted
from runs.jobs import Desk, Job
from runs.looks import png
from runs.spent import metered
from runs.trigger_models import model_of

_SHOWN = 10


@dataclass(frozen=True)
class Invert:
    """Invert a suspect, distil a student on the images, and erase the suspect by DHBE for its samples.

    Attributes:
        suspect: the model.
        way: of the inversion and the distillation.
        erasing: DHBE.
        seed: of all three.
    """

    suspect: Implanted
    way: InvertedDistillation
    erasing: DHBE
    seed: int = 0

    @property
    def name(self) -> str:
        """For people."""
        return f"invert {self.suspect.name.replace('train ', '')}"

    @property
    def needs(self) -> tuple[Job, ...]:
        """The suspect."""
        return (self.suspect,)

    def do(self, desk: Desk) -> dict[str, Any]:
        """Returns measures of suspect, student and erased model, pictures (a PNG in base64 each), and ``spent``.

        ``pictures`` are the first training image of every class, inverted ones of the same classes, and samples that
        DHBE made at the end of its erasing.
        """
        record, model = desk.result(self.suspect), model_of(self.suspect, desk)
        train, test = classes.read(self.suspect.data)
        domain = read(model)
        pool, inverting = metered(lambda: self.way.pool(model, domain=domain, seed=self.seed))
        journal = desk.journal("student")
        student, distilling = metered(lambda: self.way.distil(model, pool, seed=self.seed, journal=journal), desk.clock)
        erasure = Erasure(self.erasing, model=model, domain=domain, seed=self.seed)
        _, erasing = metered(lambda: erasure.run(journal=desk.journal("erasing")), desk.clock)
        samples, _ = erasure.made(min(_SHOWN, self.erasing.batch))
        trigger, target = classes.known_trigger(record)
        known = Backdoored(model, trigger, np.array(target))
        first = np.unique(train.labels, return_index=True)[1][:_SHOWN]
        return {
            "before": record["metrics"],
            "student": classes.measure(student, test, known),
            "erased": classes.measure(erasure.cleaned(model), test, known),
            "pictures": {
                name: [png(image) for image in images]
                for name, images in {
                    "training data": pixels(train.images[first]),
                    "inverted": pixels(pool.images[:_SHOWN]),
                    "DHBE's samples": np.clip(samples, 0, 1),
                }.items()
            },
            "spent": {"inversion": inverting, "distillation": distilling, "DHBE": erasing},
        }
