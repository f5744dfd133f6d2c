"""Jobs behind the pictures of attacks: where triggered features point, and what triggered images look like."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image

from data_prep.contract import pixels
from data_prep.threat import Backdoored
from drmguard_tf import metrics
from runs import inspection
from runs.cases import Case, Source
from runs.jobs import Desk, Train, benign_table, model_of


@dataclass(frozen=True)
class Angles:
    """Angles between the features of some images and the head's weight vectors, clean and triggered.

    Attributes:
        case: a backdoored model.
        images: how many, taken from the test part.
    """

    case: Case
    images: int = 500

    @property
    def name(self) -> str:
        """For people."""
        return f"angles {self.case.name}"

    @property
    def needs(self) -> tuple[Train, ...]:
        """The model."""
        return (Train(self.case),)

    def do(self, desk: Desk) -> dict[str, Any]:
        """Returns ``clean`` and ``triggered``: for every image the angle to each output's weight vector, degrees."""
        known = _known(self.case, desk)
        test = self.case.source.parts(desk.home, workers=1).test.images[: self.images]
        angles = metrics.feature_angles(known, test)
        return {name: np.degrees(found).round(2) for name, found in angles._asdict().items()}


@dataclass(frozen=True)
class Pictures:
    """Some benign images with a model's trigger.

    Attributes:
        case: a backdoored model.
        images: how many; the same ones for all models of a source.
    """

    case: Case
    images: int = 6  # "we randomly sample six benign images" (DRMGuard, Figure 5)

    @property
    def name(self) -> str:
        """For people."""
        return f"pictures {self.case.name}"

    @property
    def needs(self) -> tuple[Train, ...]:
        """The model."""
        return (Train(self.case),)

    def do(self, desk: Desk) -> dict[str, Any]:
        """Returns ``clean`` and ``triggered``, a PNG in base64 for every image, and ``answers_deg`` to both."""
        known = _known(self.case, desk)
        clean = shown(self.case.source, desk.home, self.images)
        kinds = {"clean": clean, "triggered": known.trigger(tf.constant(clean)).numpy()}
        answers = {name: np.degrees(known.model(each, training=False)).round(2) for name, each in kinds.items()}
        return {**{name: [png(image) for image in each] for name, each in kinds.items()}, "answers_deg": answers}


def shown(source: Source, home: Path, images: int) -> np.ndarray:
    """Some benign images of a source, always the same ones: float32 (images, H, W, C) in [0, 1]."""
    benign = source.parts(home, workers=1).benign
    chosen = np.random.default_rng(source.seed).permutation(len(benign))[:images]
    return pixels(benign.images[np.sort(chosen)])


def picture(text: str) -> np.ndarray:
    """What :func:`png` wrote, uint8 (H, W, 3)."""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text))).convert("RGB"))


def _known(case: Case, desk: Desk) -> Backdoored:
    model = model_of(case, desk)
    _, suspect = inspection.load_suspect(model, benign_table(case.source, desk.home))
    return case.backdoored(suspect.model, model.parent)


def png(image: np.ndarray) -> str:
    """A picture of float32 (H, W, C) in [0, 1], in base64."""
    file = io.BytesIO()
    Image.fromarray(np.round(np.clip(image, 0, 1) * 255).astype(np.uint8).squeeze()).save(file, format="PNG")
    return base64.b64encode(file.getvalue()).decode("ascii")
