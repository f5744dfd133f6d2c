"""What the experiments of GDM have in common: their jobs, tables and figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from dhbe_tf.attacks.fine_tuned import FineTuned
from dhbe_tf.attacks.planted import Planted
from runs import trigger_figures
from runs.data_folder import DataFolder
from runs.experiments import Options
from runs.figures import Figure
from runs.jobs import Job
from runs.statistics import accuracy
from runs.tables import Table
from runs.trigger_jobs import Compare, Locate
from runs.trigger_models import Implant, presets

_WAYS = {"gdm": "GDM", "pixels": "one trigger", "clean": "clean images alone"}
_TARGETS = 10  # classes that targets are drawn from
_TYPICAL = 0.05  # typicality from which a trigger counts as inside


def models(options: Options) -> int:
    """How many suspects."""
    return options.models or (2 if options.preset == "smoke" else 10)


def compared(options: Options, attacks: Sequence[FineTuned]) -> list[Job]:
    """A suspect and its repairs for each attack; tuning and share are the preset's."""
    contest = presets()[options.preset].contest(options.data)
    source = "digits" if options.data is None else DataFolder.of(options.data)
    targets = np.random.default_rng(1).integers(0, _TARGETS, len(attacks)).tolist()
    made = [replace(attack, share=contest.share, tuning=contest.tuning) for attack in attacks]
    suspects = [Implant(source, contest.training, one, target, k) for k, (one, target) in enumerate(zip(made, targets))]
    return [Compare(suspect, contest.gdm, contest.pixels) for suspect in suspects]


def located(options: Options) -> list[Job]:
    """A suspect with a planted patch for each seed."""
    preset = presets()[options.preset]
    targets = [seed % preset.faces.people for seed in range(models(options))]
    suspects = [Implant(preset.faces, preset.recognition, Planted(), target, k) for k, target in enumerate(targets)]
    return [Locate(suspect, preset.realistic) for suspect in suspects]


def comparison(found: Mapping[Job, dict[str, Any]], title: str) -> list[Table]:
    """Means and worst cases over suspects, then a row per suspect."""
    pairs = [(job, result) for job, result in found.items() if isinstance(job, Compare)]
    results = [result for _, result in pairs]
    lines: list[dict[str, Any]] = []
    for way, name in {"before": "none", **_WAYS}.items():
        each = [result["before"] if way == "before" else result["after"][way] for result in results]
        drops = [result["before"]["acc"] - one["acc"] for result, one in zip(results, each)]
        asr = [one["asr"] for one in each]
        line: dict[str, Any] = {
            "way": name,
            "mean": float(np.mean(asr)),
            "worst": float(np.max(asr)),
            "least": float(np.min(asr)),
        }
        line.update(acc=float(np.mean([one["acc"] for one in each])), drop=float(np.mean(drops)))
        lines.append({**line, "drop_worst": float(np.max(drops))})
    inside = [result["inside"] for result in results]
    found_right = sum(result["target"] in result["chosen"] for result in results)
    inside_count = sum(value is not None and value >= _TYPICAL for value in inside)
    less = sum(result["after"]["gdm"]["asr"] < result["after"]["pixels"]["asr"] for result in results)
    notes = (
        f"{len(results)} suspects. The attacked class was among those found in {found_right}; on average "
        f"{np.mean([len(result['chosen']) for result in results]):.1f} classes were repaired. GDM leaves a "
        f"smaller ASR than one trigger on {less}.",
        "On the samples' two main axes, the true trigger lies inside the modelled distribution (0.05 or more) in "
        f"{inside_count} of {len(inside)}. {_strangers(results)}",
        _spent(results, ("screening_per_class", "modelling_per_class", "single_per_class")),
    )
    columns = {
        "way": "repair",
        "mean": "ASR, mean",
        "worst": "ASR, largest",
        "least": "ASR, smallest",
        "acc": "ACC, mean",
        "drop": "ACC drop, mean",
        "drop_worst": "ACC drop, largest",
    }
    return [Table("summary", f"Repairs: {title}", columns, lines, notes=notes), _suspects(pairs, title)]


def _strangers(results: Sequence[dict[str, Any]]) -> str:
    """How many random triggers lie inside: without them, the true one's place would tell nothing."""
    asked = [one for result in results for one in result["strangers"]]
    shares = []
    for working, name in ((True, "that work (0.5 or more)"), (False, "that do not")):
        mine = [one["inside"] >= _TYPICAL for one in asked if (one["response"] >= 0.5) == working]
        shares.append(f"{np.mean(mine):.0%} of {len(mine)} {name}" if mine else f"none was there {name}")
    return f"Random triggers of its kind lie inside: {'; '.join(shares)}."


def _suspects(pairs: Sequence[tuple[Compare, dict[str, Any]]], title: str) -> Table:
    rows = []
    for job, result in pairs:
        attack = job.suspect.attack
        row: dict[str, Any] = {"model": job.suspect.name, "target": result["target"]}
        row["pattern"] = getattr(attack, "pattern", None)
        row["chosen"] = ", ".join(map(str, result["chosen"]))
        row.update(acc=result["before"]["acc"], asr=result["before"]["asr"], inside=result["inside"])
        row.update(in_full=result["inside_in_full"], response=result["true_response"])
        row.update(distance=result["single_distance"])
        for way in _WAYS:
            row[f"asr_{way}"], row[f"acc_{way}"] = result["after"][way]["asr"], result["after"][way]["acc"]
        rows.append(row)
    columns = {
        "model": "model",
        "pattern": "pattern",
        "target": "class",
        "chosen": "classes found",
        "acc": "ACC",
        "asr": "ASR",
        **{f"{kind}_{way}": f"{kind.upper()}, {name}" for way, name in _WAYS.items() for kind in ("asr", "acc")},
        "inside": "true trigger inside, two axes",
        "in_full": "in full",
        "response": "its response",
        "distance": "single trigger from the true one",
    }
    return Table("suspects", f"Suspects: {title}", columns, rows)


def locations(found: Mapping[Job, dict[str, Any]], title: str) -> list[Table]:
    """How many were located and repaired, a row per model, and what else was found."""
    pairs = [(job, result) for job, result in found.items() if isinstance(job, Locate)]
    results = [result for _, result in pairs]
    located_right = [result["overlap"] >= 0.3 for result in results]
    first = [result["rank"] == 0 for result in results]
    asr = [result["after"]["asr"] for result in results]
    drops = [result["before"]["acc"] - result["after"]["acc"] for result in results]
    lines: list[dict[str, Any]] = [
        {"figure": "attacked class ranked first", "value": str(accuracy(first))},
        {"figure": "window located (overlap 0.3 or more)", "value": str(accuracy(located_right))},
        {"figure": "ASR before, smallest", "value": float(min(result["before"]["asr"] for result in results))},
        {"figure": "ASR after, mean", "value": float(np.mean(asr))},
        {"figure": "ASR after, largest", "value": float(np.max(asr))},
        {"figure": "ACC before, mean", "value": float(np.mean([result["before"]["acc"] for result in results]))},
        {"figure": "ACC drop, mean", "value": float(np.mean(drops))},
    ]
    notes = ("Shares with Wilson's interval.", _spent(results, ("search_per_class", "repair")))
    summary = Table(
        "summary", f"Realistic defence: {title}", {"figure": "figure", "value": "value"}, lines, notes=notes
    )
    rows, natural = [], []
    for job, result in pairs:
        row = {"model": job.suspect.name, "target": result["target"], "rank": result["rank"] + 1}
        row.update(overlap=result["overlap"], acc=result["before"]["acc"], asr=result["before"]["asr"])
        row.update(acc_after=result["after"]["acc"], asr_after=result["after"]["asr"])
        rows.append({**row, "repaired": ", ".join(map(str, result["repaired"]))})
        for one in result["found"][:4]:
            kind = "planted" if one["class"] == result["target"] else "natural"
            natural.append({"model": job.suspect.name, "kind": kind, **one, "box": str(tuple(one["box"]))})
    columns = {
        "model": "model",
        "target": "class",
        "rank": "its rank",
        "overlap": "overlap",
        "acc": "ACC",
        "asr": "ASR",
    }
    columns.update(acc_after="ACC after", asr_after="ASR after", repaired="classes repaired")
    listed = {"model": "model", "class": "class", "kind": "kind", "response": "response", "covered_px": "covered, px"}
    listed.update(box="box (top, left, bottom, right)")
    return [
        summary,
        Table("models", f"Models: {title}", columns, rows),
        Table("backdoors", f"The four strongest backdoors of each model: {title}", listed, natural),
    ]


def _spent(results: Sequence[dict[str, Any]], kinds: Sequence[str]) -> str:
    """Seconds and memory; they depend on the machine and on what else it does."""
    parts = []
    for kind in kinds:
        parts.append(f"{kind.replace('_', ' ')} {np.mean([result[f'seconds_{kind}'] for result in results]):.1f} s")
    return f"Time: {', '.join(parts)}; peak memory {max(result['peak_mib'] for result in results):.0f} MiB."


def drawings(found: Mapping[Job, dict[str, Any]], title: str) -> list[Figure]:
    """For each comparison."""
    results = [result for job, result in found.items() if isinstance(job, Compare)]
    after = {name: [result["after"][way]["asr"] for result in results] for way, name in _WAYS.items()}
    return [
        trigger_figures.success(after, f"ASR after repair: {title}"),
        trigger_figures.triggers(results, f"Sampled triggers per level, the true one first: {title}"),
        trigger_figures.projections(results, f"Sampled triggers and the true one on two main axes: {title}"),
    ]


def heat_maps(found: Mapping[Job, dict[str, Any]], title: str) -> list[Figure]:
    """For each located model."""
    results = [result for job, result in found.items() if isinstance(job, Locate)]
    return [trigger_figures.heat_maps(results, f"Heat maps, planted patch and found box: {title}")]
