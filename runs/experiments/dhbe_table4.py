"""DHBE, Table 4: other data sets, DHBE beside fine-tuning, NAD, Neural Cleanse and GDM.

BadNets of 3 and 5 px; fine-tuning and NAD with the rates 0.01 and 0.001, the others as in dhbe_table3; 4 % of the
training set. --data is CIFAR-100 in its python batches, or any table of classes: a folder whose name holds cifar-100,
mini-imagenet or vggface2 gets the paper's figures beside it. Without --data: the embedded digits, which shows that it
runs. Neural Cleanse and GDM are told the class, as in the paper. Aimed at, from the paper: DHBE loses less accuracy
than fine-tuning and NAD at a far lower ASR; on digits it is so.

    drmguard reproduce run dhbe_table4 --preset cpu --data cifar-100-python         2 suspects, 7 erasings each
    drmguard reproduce run dhbe_table4 --preset smoke                               one suspect, shows that it runs
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from runs import erasing_tables, rivals
from runs.ablation_tables import by_setting
from runs.erasing_jobs import Erase, Method
from runs.experiments import Options
from runs.figures import Figure
from runs.jobs import Job
from runs.presets import Preset
from runs.tables import Table, paper

_DATA = ("CIFAR100", "Mini-Imagenet", "VGGFace2")
_TUNED = ("Fine-tuning", "NAD")
_LEFT_OUT = (*_TUNED, "Fine-pruning", "MCR")  # the last two are not in the paper's table
_RATES = (0.01, 0.001)


def plan(preset: Preset, options: Options) -> list[Job]:
    """Two sizes of trigger, by every method."""
    sizes = erasing_tables.SIZES[: 1 if options.preset == "smoke" else 2]
    which = erasing_tables.suspects(options, ("badnets",), sizes, seeds=1)
    return erasing_tables.erasings(which, _methods(options))


def tables(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Table]:
    """One row per trigger and method."""
    published, counterpart, methods = paper("dhbe_table4"), _counterpart(options), _methods(options)
    settings: dict[Job, dict[str, Any]] = {}
    for job in found:
        assert isinstance(job, Erase)
        (name,) = [name for name, method in methods.items() if method == job.method]
        size = job.suspect.attack.size
        row = f"{counterpart} {erasing_tables.SIZES.index(size) + 1}"
        printed = {f"paper_{key}_before": published.get((f"{row} backdoored", key)) for key in ("acc", "asr")}
        printed |= {f"paper_{key}": published.get((f"{row} {name.split(',')[0]}", key)) for key in ("acc", "asr")}
        settings[job] = {"size": size, "method": name, **printed}
    first = {"size": "trigger, px", "method": "method"}
    heads = {f"paper_{key}_before": f"{key.upper()} before, paper" for key in ("acc", "asr")}
    heads |= {f"paper_{key}": f"{key.upper()}, paper" for key in ("acc", "asr")}
    title = f"Erasing on {options.data.name if options.data else 'digits'}, preset {options.preset}"
    notes = (
        "The paper's sizes are lost; its first and second stand beside 3 and 5 px. It has one figure each for "
        'fine-tuning and NAD, "with learning rate of 0.001 and" a second number that is lost.',
    )
    return [by_setting(found, settings, first, title, printed=heads, notes=notes)]


def figures(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Figure]:
    """None."""
    return []


def _methods(options: Options) -> dict[str, Method]:
    found: dict[str, Method] = {}
    tuned = rivals.rivals(options.preset, digits=options.data is None)
    for command, name in rivals.NAMES.items():
        if name in _TUNED:
            found |= {f"{name}, {rate:g}": rivals.at_rate(tuned[command], rate) for rate in _RATES}
    named = erasing_tables.as_in_the_paper(options)
    return found | {name: method for name, method in named.items() if name not in _LEFT_OUT}


def _counterpart(options: Options) -> str:
    """The paper's data set of that name, "" if it is none of them."""
    folder = _plain("" if options.data is None else options.data.name)
    return next((name for name in _DATA if _plain(name) in folder), "")


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
