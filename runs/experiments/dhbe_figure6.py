"""DHBE, Fig. 6 and 9: many random squares, each in a suspect of its own, under DHBE, GDM and distillation alone.

Squares of random colours, 3 px; GDM holds 4 % of the training set, and is told the attacked class as in the paper, or
not. Aimed at, from the paper's text: distillation alone leaves an ASR of 50 % in the mean and 98 % at most, since
triggers pass on to the student by chance; DHBE and GDM leave next to nothing. The paper's student sees generated
samples in training mode, which moves its batch norm; with cpu it keeps the suspect's, starts equal to it and stays so,
so there distillation alone keeps nearly every trigger. On the embedded digits, or with --data on CIFAR-10 in its python
batches. --models says how many squares (the paper: "a large number"). On three squares of CIFAR-10 it is so; of ten on
digits DHBE leaves 5 % in the mean and GDM all (MEASURED.md).

    drmguard reproduce run dhbe_figure6 --preset cpu                                digits, 10 suspects, 4 erasings each
    drmguard reproduce run dhbe_figure6 --preset cpu --data cifar-10-batches-py
    drmguard reproduce run dhbe_figure6 --preset smoke                              two suspects, shows that it runs
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dhbe_tf.attacks.badnets import BadNets
from dhbe_tf.attacks.triggers import RandomSquare
from runs import erasing_tables
from runs.ablation_tables import by_setting, grouped
from runs.erasing_jobs import Erase, Implanted, Told
from runs.experiments import Options
from runs.figures import Figure
from runs.jobs import Job
from runs.presets import Preset
from runs.tables import Table, paper
from runs.trigger_figures import success

_SQUARES = {"paper": 50, "cpu": 10, "smoke": 2}
_METHODS = ("DHBE", "GDM", "GDM, told")
_ALONE = "distillation alone"


def plan(preset: Preset, options: Options) -> list[Job]:
    """Every suspect by DHBE, by GDM, which is told the class or is not, and by distillation alone."""
    named = {name: method for name, method in erasing_tables.with_told(options).items() if name in _METHODS}
    erasing = erasing_tables.erasing_at_former_rate(options)
    jobs: list[Job] = []
    for suspect in _suspects(options):
        jobs += erasing_tables.erasings([suspect], named)
        jobs.append(Erase(suspect, replace(erasing, weight=0.0), seed=suspect.seed))
    return jobs


def _suspects(options: Options) -> list[Implanted]:
    """One per square; the seed of the square is that of its suspect."""
    made = []
    size = erasing_tables.SIZES[:1]
    for suspect in erasing_tables.suspects(options, ("badnets",), size, seeds=_SQUARES[options.preset]):
        assert isinstance(suspect.attack, BadNets)
        square = RandomSquare(suspect.attack.size, suspect.seed)
        made.append(replace(suspect, attack=replace(suspect.attack, wide=square)))
    return made


def tables(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Table]:
    """One row per method, over all squares."""
    published = paper("dhbe_figure6")
    settings: dict[Job, dict[str, Any]] = {}
    for job, name in _methods(found).items():
        values = {key: published.get((name, key)) for key in ("asr", "worst")}
        settings[job] = {"method": name, **{f"paper_{key}": value for key, value in values.items()}}
    printed = {"paper_asr": "ASR, paper", "paper_worst": "largest, paper"}
    title = f"Random squares, preset {options.preset}"
    notes = ('The paper\'s figures are in words: "up to 98%", "50% average", "nearly 0%".',)
    return [by_setting(found, settings, {"method": "method"}, title, printed=printed, notes=notes)]


def figures(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Figure]:
    """ASR of every square after each method, sorted."""
    results = grouped(found, _methods(found))
    after = {name: [one["after"]["asr"] for one in each] for name, each in results.items()}
    return [success(after, f"ASR of random squares after erasing, preset {options.preset}")]


def _methods(found: Mapping[Job, dict[str, Any]]) -> dict[Job, str]:
    kept: dict[Job, str] = {}
    for job in found:
        assert isinstance(job, Erase)
        told = isinstance(job.method, Told)
        kept[job] = _ALONE if job.alone else "GDM, told" if told else type(job.method).__name__
    return kept
