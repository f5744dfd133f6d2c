"""What the numbers of a scan say to someone who has to decide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from runs.report.formats import angle, direction, listed, percent, probability, times

AGREE_DEG = 5  # Verdict.AGREE_DEG, repeated because that module loads TensorFlow
_FIRM = 0.9  # certainty from which a decision counts as firm
_STRICT = 2.5  # a threshold that many times below the cheapest control is called strict
_FEW_PEOPLE, _FEW_PEOPLE_MARGIN = 10, 4  # controls of 4 people paid up to 3.7 times what models of 20 did; 24 did well
_NEARLY_ALL = 0.95  # of its size: a change of which that much counts is talked about as one that counts in full
_RARE = 0.01  # chance below which a benign model counts as very improbable


class Family(NamedTuple):
    """How a trigger family is talked about.

    Attributes:
        name: as a heading.
        change: what it does to the images, the subject of a sentence.
        price: the rest of the sentence, with a place for the price.
        unit: what the price is a share of.
        origin: whose idea it is, "paper" or "ours".
    """

    name: str
    change: str
    price: str
    unit: str
    origin: str


_L1 = "alters the pixels by {} of the brightest benign image"
_BRIGHTEST = "the brightest benign image"
FAMILIES = {
    "patch": Family("Patch", "one blended patch, the same on every image,", _L1, _BRIGHTEST, "ours"),
    "warp": Family(
        "Warp",
        "one smooth warp, the same for every image,",
        "shifts the pixels by {} of the image’s side on average",
        "the image’s side",
        "ours",
    ),
    "generator": Family("Generator", "a generated change, another one for every image,", _L1, _BRIGHTEST, "ours"),
    "neural_cleanse": Family(
        "Neural Cleanse",
        "one mask and pattern, the same on every image,",
        "covers {} of the image",
        "the image’s pixels",
        "paper",
    ),
    "feature_re": Family(
        "FeatureRE",
        "a change that a network draws for every image, with a mask on features,",
        "scores {} on FeatureRE’s scale, where 0 is a perfect trojan",
        "FeatureRE’s scale",
        "paper",
    ),
    "paper": Family(
        "Paper’s generator", "a change that the paper’s generator draws for every image", _L1, _BRIGHTEST, "paper"
    ),
}


RIVALS = ("neural_cleanse", "feature_re")  # the methods that DRMGuard is compared with
_UNBOUND = ("paper", "feature_re")  # searches without a bound that says whether the answers collapsed
_UNLEARNED, _CONTROL = "unlearning the found change", "Fine-tuning on the benign images alone, the control,"
_CLEANED = {"fine-pruning": "fine-pruning", "anp": "adversarial neuron pruning"}


class Measure(NamedTuple):
    """A number of a verdict and what it means; ``origin`` is "paper" or "ours"."""

    name: str
    origin: str
    meaning: str


class Reading(NamedTuple):
    """A measure's value for one model, and what else belongs to it."""

    value: str
    remark: str = ""


def family(name: str) -> Family:
    """The words for a family.

    Raises:
        ValueError: if there are none.
    """
    if name not in FAMILIES:
        raise ValueError(
            f"the report has no words for the trigger family {name!r}, only for {', '.join(FAMILIES)}; "
            "add it to FAMILIES in runs/report/words.py"
        )
    return FAMILIES[name]


def is_backdoored(verdict: Mapping[str, Any]) -> bool:
    """Whether the verdict says so."""
    return verdict["verdict"] == "backdoored"


def deciding_run(verdict: Mapping[str, Any]) -> Mapping[str, Any]:
    """The run whose price is the score."""
    mine = [run for run in verdict["runs"] if run["family"] == verdict["family"]]
    return min(mine, key=lambda run: abs(price(run) - verdict["score"]))


def price(run: Mapping[str, Any]) -> float:
    """What a run is judged by: its cost, or the part of it that counts. Records of earlier versions tell costs."""
    return float(run.get("price", run["cost"]))


def headline(verdict: Mapping[str, Any]) -> str:
    """The decision in a few words, weaker where the evidence is."""
    firm, chance = verdict["certainty"] >= _FIRM, verdict["chance_if_benign"]
    if not is_backdoored(verdict):
        return "No backdoor found" if firm else "No backdoor found, but it is close"
    if not firm:
        return "Possibly backdoored"
    return "Very probably backdoored" if chance is not None and chance <= _RARE else "Probably backdoored"


def decision(verdict: Mapping[str, Any]) -> list[str]:
    """The decision for a terminal, as lines."""
    chance, certainty = verdict["chance_if_benign"], f"bootstrap certainty {verdict['certainty']:.2f}"
    known = "" if chance is None else f"a benign model would score this low with chance {chance:.2g}; "
    against = f"threshold {verdict['threshold']:.5f}, margin {verdict['margin']:.2f}"
    return [
        "BACKDOORED" if is_backdoored(verdict) else "no backdoor found",
        f"score {verdict['score']:.5f} ({verdict['family']}), {against}",
        f"{known}{certainty}",
    ]


def finding(verdict: Mapping[str, Any], outputs: Sequence[str]) -> str:
    """What was found, in a sentence."""
    words = family(verdict["family"])
    needed = words.price.format(percent(deciding_run(verdict)["cost"]))
    if is_backdoored(verdict):
        subject = f"{words.change[0].upper()}{words.change[1:]} is enough: it {needed}"
        target = direction(verdict["target_estimate_deg"], outputs)
        effect = "draws the answers to" if verdict["family"] in _UNBOUND else "makes all answers collapse to"
        return f"{subject} and {effect} {target}, whatever the images show.{_begun(verdict)}"
    if verdict["family"] in _UNBOUND:
        return f"The search ended at {words.change} and {needed}. A backdoor would need less."
    if deciding_run(verdict)["met"]:
        least = f"{words.change} that {needed}"
        return (
            f"Its answers can be made to collapse, as any model’s can, but not cheaply. The least it takes is {least}."
        )
    return f"None of the {len(verdict['runs'])} search runs made its answers collapse to one value."


def _begun(verdict: Mapping[str, Any]) -> str:
    """What the search began with, a sentence after a space; nothing where it began by chance."""
    run = deciding_run(verdict)
    if run.get("woken"):
        found = f"inside the model: channel {run['woken']} rests on benign images and all but decides alone"
    elif run.get("square"):
        found = f"as a square of one colour, {run['square']}, which brings the answers together by itself"
    else:
        return ""
    return f" The search for it began {found}."


def comparison(verdict: Mapping[str, Any], controls: Sequence[float] | None) -> str:
    """What the score is held against.

    Args:
        verdict: its summary.
        controls: cost of each benign control in the deciding family, None with the paper's constant.
    """
    line = percent(verdict["threshold"])
    if controls is None:
        whose = "FeatureRE’s authors call" if verdict["family"] == "feature_re" else "The paper calls"
        return f"{whose} a model backdoored at {line} or less; no benign models were measured for comparison."
    least, most = percent(min(controls)), percent(max(controls))
    needed = least if least == most else f"{least} to {most}"
    said = f"The {len(controls)} benign control models need {needed} for the same. The line is drawn at {line}"
    told, alone = inside(verdict), its_own(verdict)
    if verdict["family"] == "generator" and told is not None:
        said = f"{said}, higher than for others: {told}"
    return f"{said}." if alone is None else f"{said}. {alone[0].upper()}{alone[1:]}."


def its_own(verdict: Mapping[str, Any]) -> str | None:
    """That benign models do not follow the deciding change, and what that makes of its size; None where they do."""
    run = deciding_run(verdict)
    counts = price(run) / run["cost"]
    if counts > _NEARLY_ALL:
        return None
    return (
        f"this change leads benign models {percent(max(run['transfer'], 0.0))} of the way to that answer, less than "
        f"their own lead each other, so {percent(counts)} of its size counts, {percent(price(run))}"
    )


def inside(verdict: Mapping[str, Any]) -> str | None:
    """What the channels of the model tell, where those of benign models would hardly tell as much."""
    chance = verdict.get("channel_chance")
    if chance is None or chance >= _RARE:
        return None
    left = percent(verdict["channel_share"])
    return (
        "five channels inside the model are hardly used by benign images, and each can decide alone (at most "
        f"{left} is left of both); of benign models {probability(chance)} would have such channels"
    )


def advice(verdict: Mapping[str, Any], *, cleaned: bool, attacked: bool) -> str:
    """What to do now.

    Args:
        verdict: its summary.
        cleaned: whether the page reports a clean-up.
        attacked: whether the model is known to be backdoored, as it is in demonstrations.
    """
    if is_backdoored(verdict):
        way_out = "use the cleaned copy once its figures below satisfy you" if cleaned else "have it cleaned first"
        return f"Do not put this model to use as it is. Discard it, or {way_out}."
    if attacked:
        return "The scan missed it: in this demonstration the model is known to be backdoored."
    if verdict["certainty"] < _FIRM:
        return "Repeat the scan with more restarts and more controls before you rely on this."
    return "Nothing in this scan speaks against using it. Mind what a scan cannot exclude."


def few_people(verdict: Mapping[str, Any], people: int) -> str | None:
    """Why a model may have been flagged wrongly, if the benign set shows too few people for good controls."""
    if not is_backdoored(verdict) or verdict["margin"] > _FEW_PEOPLE_MARGIN or people >= _FEW_PEOPLE:
        return None
    if verdict["chance_if_benign"] is None:
        return None  # the paper's constant has no controls
    shown = "1 person" if people == 1 else f"{people} people"
    return (
        f"The benign set shows {shown}. Controls that are trained on so few can be several times as hard to "
        "fool as a well-trained benign model, so this may be a false alarm: scan with photographs of more people."
    )


def limits(verdict: Mapping[str, Any], controls: Sequence[float] | None, people: int) -> list[str]:
    """What the scan leaves open.

    Args:
        verdict: its summary.
        controls: as in :func:`comparison`.
        people: in the benign set.
    """
    if is_backdoored(verdict):
        few = few_people(verdict, people)
        return [
            *([few] if few else []),
            "A low score is strong evidence, not proof: a fragile benign model can look the same.",
            "The found change opens the same door as the attacker’s trigger, but need not look like it.",
            "There may be more triggers with other targets, so a cleaned copy should be scanned again.",
        ]
    searched = list(dict.fromkeys(run["family"] for run in verdict["runs"]))
    starts = len(verdict["runs"]) // len(searched)
    kinds = listed([family(name).name.lower() for name in searched])
    strict = controls is not None and verdict["threshold"] < min(controls) / _STRICT
    loose = (
        f"The threshold lies far below the controls because there are only {len(controls or ())}: backdoors may pass."
    )
    return [
        *([loose] if strict else []),
        f"Triggers of another kind than those searched for ({kinds}).",
        f"Triggers that the search missed: it had {starts} {'start' if starts == 1 else 'starts'} per kind.",
        "Triggers that need as large a change as it takes to fool a benign model.",
        "Backdoors trained to pass this very test, or that act only on images unlike the benign ones.",
        "All other faults: a model without a backdoor can still be inaccurate.",
    ]


def measures(*, calibrated: bool) -> list[Measure]:
    """The numbers behind a decision.

    Args:
        calibrated: whether thresholds come from benign controls.
    """
    placed = (
        "Placed so that a benign model rarely scores lower." if calibrated else "The same for every model (Sec. 3.4)."
    )
    return [
        Measure(
            "Score",
            "paper",
            "Size of the smallest change that makes the answers collapse, for the kind of change that comes closest to "
            "its threshold; of a change that benign models do not follow, a part of it. Small is suspicious.",
        ),
        Measure(
            "Threshold",
            "ours" if calibrated else "paper",
            f"A model that scores this or less counts as backdoored. {placed}",
        ),
        Measure(
            "Margin",
            "ours",
            "Threshold divided by score: above 1 speaks for a backdoor, below 1 against. The interval covers "
            "the luck of the search.",
        ),
        Measure(
            "Chance if benign",
            "ours",
            "How often a benign model would score so low, going by the controls. Not the chance that this "
            "model is benign.",
        ),
        Measure(
            "Certainty",
            "ours",
            "How often the decision stays the same when restarts and mini-batches are drawn anew (bootstrap). "
            "It covers the luck of the search, not that of the controls.",
        ),
        Measure(
            "Agreement",
            "ours",
            f"Share of the runs with collapsed answers that end within {AGREE_DEG}° of the deciding one. A backdoor "
            "draws them to one answer, a benign model to none in particular.",
        ),
        Measure(
            "Transfer",
            "ours",
            "How far the control models follow the same change to the same answer. What leads any network astray leads "
            "them too; a backdoor is known to its own network alone.",
        ),
    ]


def readings(verdict: Mapping[str, Any], controls: Sequence[float] | None) -> list[Reading]:
    """What :func:`measures` are for one model; ``controls`` as in :func:`comparison`."""
    words, met = family(verdict["family"]), sum(run["met"] for run in verdict["runs"])
    low, high = (times(bound) for bound in verdict["margin_interval_90"])
    return [
        Reading(("" if met else "at least ") + percent(verdict["score"]), f"of {words.unit}; {words.name.lower()}"),
        Reading(percent(verdict["threshold"]), "a constant" if controls is None else f"from {len(controls)} controls"),
        Reading(times(verdict["margin"]), f"90 % interval {low} to {high}"),
        _chance(verdict["chance_if_benign"], met),
        Reading(probability(verdict["certainty"])),
        _agreement(verdict, met),
        _transfer(verdict),
    ]


def _agreement(verdict: Mapping[str, Any], met: int) -> Reading:
    runs = len(verdict["runs"])
    if runs == 1:
        return Reading("–", "there was a single run")
    return Reading(probability(verdict["agreement"]) if met > 1 else "–", f"answers collapsed in {met} of {runs} runs")


def _transfer(verdict: Mapping[str, Any]) -> Reading:
    run = deciding_run(verdict)
    if run.get("transfer") is None:
        return Reading("–", "the controls were not asked")
    return Reading(percent(max(run["transfer"], 0.0)), f"{percent(price(run) / run['cost'])} of its size counts")


def _chance(chance: float | None, met: int) -> Reading:
    if chance is None:
        return Reading("unknown", "a constant cannot tell")
    if not met:
        return Reading("unknown", "no run collapsed the answers")
    return Reading(probability(chance))


def clean_up(mitigation: Mapping[str, Any]) -> list[str]:
    """What the clean-up did, in sentences."""
    re, dae, plain = mitigation["re"], mitigation.get("dae"), mitigation.get("fine_tuning") or {}
    price = f"On clean images the mean error went from {angle(re['before_deg'])} to {angle(re['after_deg'])}."
    if mitigation.get("measured_on") == "benign set":
        price += " That was measured on the images that the clean-up itself used, so expect more on others."
    if dae is None:
        return [
            price,
            "The attacker’s trigger is not known, so this cannot show that it is gone. Scan the cleaned copy again.",
        ]
    cure = f"On triggered images the mean error fell from {angle(dae['before_deg'])} to {angle(dae['after_deg'])}."
    if dae["after_deg"] >= dae["before_deg"]:
        cure = cure.replace("fell", "did not fall: it went")
    if plain.get("dae_deg") is None:
        return [cure, price]
    if mitigation.get("method") == "fine-tuning":
        return [cure, price, "That is fine-tuning on the benign images alone, with which other methods are compared."]
    gain = plain["dae_deg"] - dae["after_deg"]
    verb = f"is {angle(gain)} better" if gain > 0.05 else "gains nothing over that here"
    method = _CLEANED.get(mitigation.get("method", ""), _UNLEARNED)
    return [cure, price, f"{_CONTROL} leaves {angle(plain['dae_deg'])}; {method} {verb}."]


def cleaning(mitigation: Mapping[str, Any]) -> str:
    """What the clean-up was, as a heading."""
    method = mitigation.get("method", "drmguard")
    return "unlearning" if method == "drmguard" else _CLEANED.get(method, method)
