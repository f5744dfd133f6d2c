"""Whose idea is what: the paper's and ours, part by part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from runs.report.formats import listed
from runs.report.words import RIVALS, family


class Part(NamedTuple):
    """A part of the method; what is the paper's in it and what is ours, "" for nothing."""

    name: str
    paper: str
    ours: str


_RIVALS = {
    "neural_cleanse": (
        Part(
            "Search", "Neural Cleanse: mask, pattern and target together (Eq. 8)", "when it counts as working; restarts"
        ),
        Part("Score", "the smallest mask that works, as in Neural Cleanse", "as a share of the pixels"),
    ),
    "feature_re": (
        Part(
            "Search", "FeatureRE: network, feature mask and target together (Eq. 9)", "limits in benign units; restarts"
        ),
        Part("Score", "that of FeatureRE", "error instead of success rate; 1 is added"),
    ),
}


def parts(families: Sequence[str], *, calibrated: bool, mitigated: bool) -> list[Part]:
    """Who contributed what to a page.

    Args:
        families: that were searched.
        calibrated: whether thresholds come from benign controls.
        mitigated: whether a clean-up is reported.
    """
    rivals = [_RIVALS[name] for name in families if name in RIVALS]
    if rivals:
        found = [part for both in rivals for part in both]
    else:
        found = [Part("Mark of a backdoor", "feature angles that no longer vary: RAV (Eq. 3)", "")]
        found += _search([name for name in families if name != "paper"], "paper" in families)
        distance = "displacement, for warps" if "warp" in families else ""
        found.append(Part("Score", "L1 change over the largest benign norm (Sec. 3.4)", distance))
    if calibrated:
        found.append(Part("Threshold", "", "from benign control models, per family"))
    elif rivals:
        found.append(Part("Threshold", "the constant of FeatureRE’s authors", ""))
    else:
        found.append(Part("Threshold", "the constant 0.03 (Sec. 3.4)", ""))
    found.append(Part("How sure", "", "chance if benign, certainty, margin with interval, agreement"))
    found.append(Part("Target estimate", "mean output under the found change (App. A.5)", ""))
    if mitigated:
        found.append(
            Part("Clean-up", "fine-tuning on benign and changed images (Sec. 3.4)", "steps, batch, learning rate")
        )
        control = "RE after the clean-up; plain fine-tuning beside it"
        found.append(Part("Measures of the clean-up", "RE, AE and DAE (Sec. 3.1 and 4.1)", control))
    return found


def _search(own: Sequence[str], printed: bool) -> list[Part]:
    terms = "variance of outputs, size of the change and RAV (Eq. 5)"
    found = []
    if printed:
        found.append(
            Part("Printed search", f"{terms}, fixed weights, generator and momentum reverse trigger (Eq. 7)", "")
        )
    if own:
        steering = "the weight of the change is steered to bounds on RAV and output variance; ratios, not absolutes"
        found.append(Part("Steered search", terms, steering))
        shapes = listed([family(name).name.lower() for name in own])
        momentum = "momentum reverse trigger (Eq. 7), in the generator family" if "generator" in own else ""
        found.append(Part("Trigger families", momentum, shapes))
    return found
