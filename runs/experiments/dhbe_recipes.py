"""DHBE's rivals by recipes of their own authors, beside the one recipe that DHBE's authors gave to all.

BadNets of 3 px, three seeds. Each rival stands there twice: as in dhbe_table3, with 4 % of the training set and the
preset's settings, and as its authors have it, or BackdoorBench where they publish nothing for CIFAR-10 (5 %, Neural
Cleanse a tenth; ``dhbe_tf/baselines/recipes.py``). Neural Cleanse is told the class both times; DHBE is the last row.
On the embedded digits, or with --data on CIFAR-10 in its python batches. Measured there (MEASURED.md): recipes with a
rate of 0.1 erase the backdoor for 6 to 7 points of ACC and Neural Cleanse does for one, those with 0.01 do not.

    drmguard reproduce run dhbe_recipes --preset cpu --data cifar-10-batches-py     3 suspects, 11 erasings each
    drmguard reproduce run dhbe_recipes --preset smoke                              one suspect, shows that it runs
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dhbe_tf.baselines.neural_cleanse import NeuralCleanse
from dhbe_tf.baselines.rival import Rival
from runs import erasing_tables, rivals
from runs.ablation_tables import by_setting
from runs.erasing_jobs import Erase, Implanted, Method, Told
from runs.experiments import Options
from runs.figures import Figure
from runs.jobs import Job
from runs.presets import Preset
from runs.tables import Table, Value, paper

_SEEDS = {"paper": 3, "cpu": 3, "smoke": 1}
_THEIRS = "DHBE's authors"


def plan(preset: Preset, options: Options) -> list[Job]:
    """Every suspect by every rival twice, and by DHBE."""
    return list(_settings(options))


def tables(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Table]:
    """One row per method and recipe, and what they take."""
    where = f"{'digits' if options.data is None else options.data.name}, preset {options.preset}"
    settings = {job: setting for job, setting in _settings(options).items() if job in found}
    first = {"method": "method", "whose": "recipe of", "share": "data, %"}
    printed = {f"paper_{key}": f"{key.upper()}, paper" for key in ("acc", "asr")}
    notes = (
        "The paper: BadNets with its first size of trigger, by its authors' recipe.",
        "NAD's authors print, for a WRN-16-1 of ACC 85.65 and ASR 100 %: fine-tuning 82.32 and 18.13, NAD 82.12 and "
        "3.57 %.",
    )
    title = f"Rivals by their own recipes: {where}"
    return [
        by_setting(found, settings, first, title, printed=printed, notes=notes),
        erasing_tables.taken(found, _methods(options), f"What recipes take: {where}"),
    ]


def figures(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Figure]:
    """None."""
    return []


def _settings(options: Options) -> dict[Job, dict[str, Value]]:
    """What stands in the row of every job."""
    digits, published = options.data is None, paper("dhbe_table3")
    usual, found = rivals.rivals(options.preset, digits=digits), dict[Job, dict[str, Value]]()
    for suspect in _suspects(options):
        for name, text in rivals.NAMES.items():
            printed = {f"paper_{key}": published.get((f"BadNets 1 {text}", key)) for key in ("acc", "asr")}
            own = rivals.recipe(name, options.preset, digits=digits)
            for whose, method, share in (
                (_THEIRS, usual[name], erasing_tables.SHARE),
                (own.whose, own.rival, own.share),
            ):
                job = Erase(suspect, _told(method), share, suspect.seed)
                row: dict[str, Value] = {"method": text, "whose": whose, "share": 100 * share}
                found[job] = {**row, **(printed if whose == _THEIRS else {})}
        printed = {f"paper_{key}": published.get(("BadNets 1 DHBE", key)) for key in ("acc", "asr")}
        last = Erase(suspect, erasing_tables.erasing_at_former_rate(options), None, suspect.seed)
        found[last] = {"method": "DHBE", "whose": "ours", "share": None, **printed}
    return found


def _methods(options: Options) -> dict[str, Method]:
    return {
        f"{row['method']}, {row['whose']}": job.method
        for job, row in _settings(options).items()
        if isinstance(job, Erase)
    }


def _told(method: Rival) -> Method:
    return Told(method) if isinstance(method, NeuralCleanse) else method


def _suspects(options: Options) -> list[Implanted]:
    return erasing_tables.suspects(options, ("badnets",), (3,), seeds=_SEEDS[options.preset])
