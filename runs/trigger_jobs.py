"""Defences against triggers as jobs: GDM beside its baseline, and the realistic defence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from data_prep.contract import ClassSplit
from data_prep.threat import Backdoored, ClassSuspect
from dhbe_tf import metrics
from dhbe_tf.attacks.fine_tuned import FineTuned
from dhbe_tf.attacks.planted import Planted
from dhbe_tf.gdm.defence import GDM, drawn, main_axes, typicality
from dhbe_tf.gdm.pixel_search import PixelSearch
from dhbe_tf.gdm.realistic import Realistic
from dhbe_tf.gdm.retraining import Retraining, Stamped
from dhbe_tf.gdm.staircase import Distribution, Search, samples
from dhbe_tf.gdm.windows import Box
from runs import plain_triggers
from runs.jobs import Desk, Job
from runs.spent import metered
from runs.trigger_models import Implant, measured, model_of, parts

_INSIDE = 1000  # samples that tell whether the true trigger lies among them
_SHOWN = 100  # samples per level that are kept for figures
_STRANGERS = 60  # random triggers that tell whether lying inside means anything


@dataclass(frozen=True)
class Compare:
    """Repair a suspect with GDM, with one trigger of a pixel-space search, and with clean images alone.

    Attributes:
        suspect: the model.
        gdm: the defence; all three repairs have its retraining.
        pixels: the baseline's search.
        seed: of the defence.
    """

    suspect: Implant
    gdm: GDM
    pixels: PixelSearch
    seed: int = 0

    @property
    def name(self) -> str:
        """For people."""
        return f"defend {self.suspect.name}"

    @property
    def needs(self) -> tuple[Job, ...]:
        """The suspect."""
        return (self.suspect,)

    def do(self, desk: Desk) -> dict[str, Any]:
        """Returns what was found and reached; see the keys.

        ``inside`` is :func:`dhbe_tf.gdm.defence.typicality` of the true trigger, which no repair sees; None if the
        attacked class was not found.
        """
        model = model_of(self.suspect, desk)
        train, benign, test = parts(self.suspect.source, desk.home)
        suspect, known = ClassSuspect(model, benign), self.suspect.known(model, train)
        search = Search(self.gdm.staircase, suspect=suspect)
        (found, chosen), screened = metered(lambda: self.gdm.screen(search, seed=self.seed, journals=desk.journal))
        models, modelled = metered(lambda: self.gdm.model(search, chosen, seed=self.seed, journals=desk.journal))
        single, one_search = metered(
            lambda: [
                self.pixels.find(search, target, seed=self.seed, journal=desk.journal(f"class-{target}-pixels"))
                for target in chosen
            ]
        )
        after, seconds = self._repaired(models, single, known, suspect, test, desk)
        return {
            "before": {name: desk.result(self.suspect)[name] for name in ("acc", "asr", "counted")},
            "after": after,
            "target": int(known.target),
            "chosen": chosen,
            "responses": np.round(found, 4),
            "levels": [plain_triggers.levels(each) for each in models],
            **self._told(models, search, known),
            "single_distance": _distance(chosen, single, known),
            "seconds_screening_per_class": screened["seconds"] / len(found),
            "seconds_modelling_per_class": modelled["seconds"] / len(chosen),
            "seconds_single_per_class": one_search["seconds"] / len(chosen),
            "seconds_repair": seconds,
            "peak_mib": max(screened["peak_mib"], modelled["peak_mib"]),
        }

    def _repaired(
        self,
        models: list[Distribution],
        single: list[np.ndarray],
        known: Backdoored,
        suspect: ClassSuspect,
        test: ClassSplit,
        desk: Desk,
    ) -> tuple[dict[str, dict[str, float]], dict[str, float]]:
        """What each repair reached, and its seconds."""
        ways: dict[str, tuple[Retraining, Callable[[int, int], list[Stamped]]]] = {
            "gdm": (self.gdm.retraining, lambda epoch, count: drawn(models, epoch, count)),
            "pixels": (
                self.gdm.retraining,
                lambda epoch, count: [Stamped(np.repeat(p[None], count, 0)) for p in single],
            ),
            "clean": (replace(self.gdm.retraining, share=0.0), lambda epoch, count: []),
        }
        before, after, seconds = metrics.Judged(suspect.model, test), {}, {}
        for way, (retraining, draw) in ways.items():
            repaired, took = metered(
                lambda: retraining.repair(suspect, draw, seed=self.seed, journal=desk.journal(f"repair-{way}"))
            )
            after[way] = measured(metrics.Judged(repaired, test, before=before), known)
            seconds[way] = took["seconds"]
        return after, seconds

    def _told(self, models: list[Distribution], search: Search, known: Backdoored) -> dict[str, Any]:
        """What the modelled distribution says of the true trigger, and what figures show of it."""
        target, true = int(known.target), _pattern(known)
        mine = next((each for each in models if each.target == target), None)
        cloud = mine.sample(_INSIDE, seed=1) if mine else None
        shown = mine or models[0]
        return {
            "inside": None if cloud is None else float(typicality(cloud, true[None])[0]),
            "inside_in_full": None if cloud is None else float(typicality(cloud, true[None], axes=None)[0]),
            "strangers": [] if cloud is None else self._strangers(cloud, search, target, true.shape),
            "true_response": search.response(true[None], target, seed=self.seed),
            "projection": _projection(shown, true),
            "samples": [np.round(samples(part.generator, 10, seed=0), 3) for part in shown.parts],
            "true": np.round(true, 3),
        }

    def _strangers(
        self, cloud: np.ndarray, search: Search, target: int, shape: tuple[int, ...]
    ) -> list[dict[str, float]]:
        """Random triggers of the attack's kind: how they do, and whether they lie inside, as the true one is asked."""
        random, (side, _, channels) = np.random.default_rng(self.seed), shape
        attack = self.suspect.attack
        if isinstance(attack, FineTuned) and attack.pattern is not None:
            made = np.repeat(random.integers(0, 2, (_STRANGERS, side, side, 1)), channels, axis=-1)
        else:
            made = random.random((_STRANGERS, side, side, channels))
        made = made.astype(np.float32)
        answers = [search.response(one[None], target, seed=self.seed) for one in made]
        return [{"response": r, "inside": i} for r, i in zip(answers, typicality(cloud, made).tolist())]


def _pattern(known: Backdoored) -> np.ndarray:
    return getattr(known.trigger, "pattern")


def _distance(chosen: list[int], single: list[np.ndarray], known: Backdoored) -> float | None:
    """Mean absolute difference between the single trigger and the true one."""
    target = int(known.target)
    return float(np.abs(single[chosen.index(target)] - _pattern(known)).mean()) if target in chosen else None


def _projection(model: Distribution, true: np.ndarray) -> dict[str, Any]:
    """Samples of every level and the true trigger on the two main axes of the samples."""
    drawn_samples = [samples(part.generator, _SHOWN, seed=2).reshape(_SHOWN, -1) for part in model.parts]
    everything = np.concatenate(drawn_samples)
    centre = everything.mean(axis=0)
    axes = main_axes(everything, 2)
    return {
        "levels": [part.level for part in model.parts],
        "points": [np.round((each - centre) @ axes.T, 3) for each in drawn_samples],
        "true": np.round((true.ravel() - centre) @ axes.T, 3),
    }


@dataclass(frozen=True)
class Locate:
    """Find triggers of unknown class, shape and place, and repair.

    Attributes:
        suspect: the model; its attack is :class:`dhbe_tf.attacks.planted.Planted`.
        defence: how.
        seed: of the defence.
    """

    suspect: Implant
    defence: Realistic
    seed: int = 0

    @property
    def name(self) -> str:
        """For people."""
        return f"locate {self.suspect.name}"

    @property
    def needs(self) -> tuple[Job, ...]:
        """The suspect."""
        return (self.suspect,)

    def do(self, desk: Desk) -> dict[str, Any]:
        """Returns what was found and reached; ``overlap`` is that of the strongest class's box with the planted one."""
        model = model_of(self.suspect, desk)
        train, benign, test = parts(self.suspect.source, desk.home)
        suspect, known = ClassSuspect(model, benign), self.suspect.known(model, train)
        found, searched = metered(lambda: self.defence.find(suspect, seed=self.seed, journal=desk.journal("windows")))
        repair, repaired = metered(lambda: self.defence.mitigate(suspect, found, seed=self.seed, journals=desk.journal))
        attack, before = self.suspect.attack, metrics.Judged(model, test)
        assert isinstance(attack, Planted)
        top, left = attack.place(test.image_shape[0], seed=self.suspect.seed)
        planted = Box(top, left, top + attack.size, left + attack.size)
        ranked = [one.heat.target for one in found]
        return {
            "before": measured(before, known),
            "after": measured(metrics.Judged(repair.model, test, before=before), known),
            "target": int(known.target),
            "planted": planted,
            "rank": ranked.index(int(known.target)),
            "overlap": found[0].box.overlap(planted) if ranked[0] == int(known.target) else 0.0,
            "found": [plain_triggers.found(one) for one in found],
            "repaired": ranked[: repair.repaired],
            "heat": np.round(found[0].heat.pixels, 3),
            "seconds_search_per_class": searched["seconds"] / len(found),
            "seconds_repair": repaired["seconds"],
            "peak_mib": max(searched["peak_mib"], repaired["peak_mib"]),
        }
