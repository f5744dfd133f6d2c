"""Jobs behind the pictures of searches: what DRMGuard makes of benign images, and where the answers go meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from data_prep.contract import pixels
from drmguard_tf.ablations import heeded
from drmguard_tf.reference import attention_map
from drmguard_tf.submodels import split
from runs import inspection
from runs.jobs import Desk, Job, ScanModel
from runs.looks import png, shown

_BATCH = 250  # the printed generator's batch norm looks at a whole batch; a few images alone would come out otherwise
_POINTS = 100  # of a path


@dataclass(frozen=True)
class Reverse:
    """Search a backdoored model once more, and keep what the deciding run made of some images.

    Attributes:
        scan: how it is searched; the scan of another experiment, or one for pictures alone.
        images: how many are shown; those of :class:`runs.looks.Pictures`.
    """

    scan: ScanModel
    images: int = 6  # "we randomly sample six benign images" (DRMGuard, App. A.6)

    @property
    def name(self) -> str:
        """For people."""
        return self.scan.name.replace("scan", "reverse", 1)

    @property
    def needs(self) -> tuple[Job, ...]:
        """The model and the controls."""
        return self.scan.needs

    def do(self, desk: Desk) -> dict[str, Any]:
        """Returns the verdict's summary and, of the deciding run, the keys below.

        ``clean``, ``triggered`` and ``reversed``: a PNG in base64 for every image. ``path_deg``: the mean answer to
        reversed images along the run, at most 100 points. ``reached_deg``: the mean answer to triggered images, which
        App. A.5 calls the real target. ``attended``: :func:`attended_share` of the change, ``covered``: its share on
        pixels that the attacker's trigger changes; both also of that trigger, as ``*_by_attack``.
        """
        scan, line = self.scan.question(desk)
        verdict = inspection.scan_model(scan, line, journals=desk.journal).verdict
        run, model = inspection.decider(verdict), scan.suspect.model
        known = self.scan.case.backdoored(model, scan.model.parent)
        some = shown(self.scan.case.source, desk.home, self.images)
        batch = tf.constant(np.concatenate([some, pixels(scan.suspect.benign.images[: _BATCH - len(some)])]))
        attention = attention_map(split(model), batch)
        reversed_images = run.trigger(batch, heeded(self.scan.search, attention)).images
        kinds = {"clean": batch, "triggered": known.trigger(batch), "reversed": reversed_images}
        by_attack, change = (np.abs(kinds[kind] - batch) for kind in ("triggered", "reversed"))
        return {
            **verdict.summary(),
            "target_deg": np.degrees(known.target).round(3),
            "reached_deg": np.degrees(np.mean(model(kinds["triggered"], training=False), axis=0)).round(3),
            "path_deg": path(np.degrees(run.history[:, 3:])).round(3),
            "attended": attended_share(change, attention.numpy()),
            "attended_by_attack": attended_share(by_attack, attention.numpy()),
            "covered": covered_share(change, by_attack),
            "covered_pixels": float(_touched(by_attack).mean()),
            **{kind: [png(image) for image in images.numpy()[: self.images]] for kind, images in kinds.items()},
        }


def path(answers: np.ndarray) -> np.ndarray:
    """A long series of vectors as the means of at most 100 stretches of it.

    Args:
        answers: float (steps, K).
    """
    return np.stack([part.mean(axis=0) for part in np.array_split(answers, min(_POINTS, len(answers)))])


def attended_share(change: np.ndarray, attention: np.ndarray, *, part: float = 0.1) -> float:
    """Share of a change that falls on those pixels of each image that the model attends to most.

    Args:
        change: float (N, H, W, C), absolute differences.
        attention: float (N, H, W, 1), A(x) of DRMGuard's Eq. 7.
        part: which share of an image's pixels count as most attended; a change that is the same everywhere has this.
    """
    by_pixel = change.sum(axis=-1).reshape(len(change), -1)
    ranked = np.argsort(-attention.reshape(len(attention), -1), axis=1, kind="stable")
    most = ranked[:, : round(part * by_pixel.shape[1])]
    return float(np.take_along_axis(by_pixel, most, axis=1).sum() / by_pixel.sum())


def covered_share(change: np.ndarray, by_attack: np.ndarray) -> float:
    """Share of a change on pixels that the attacker's trigger changes.

    Args:
        change, by_attack: float (N, H, W, C), absolute differences.
    """
    return float((change.sum(axis=-1) * _touched(by_attack)).sum() / change.sum())


def _touched(by_attack: np.ndarray) -> np.ndarray:
    """Pixels that look different in 8 bits, bool (N, H, W)."""
    return by_attack.max(axis=-1) > 0.5 / 255
