"""The words that the page explains."""

from __future__ import annotations

GLOSSARY = (
    (
        "backdoor",
        "A weakness that an attacker trained into a model: images with a secret trigger get the attacker’s answer.",
    ),
    ("benign", "Without a backdoor (a model), without a trigger (an image)."),
    (
        "trigger",
        "The change of an image that opens the backdoor, such as a patch in a corner or a warp too faint to see.",
    ),
    ("target", "The answer that the attacker chose. Its estimate is the mean answer under the found change."),
    (
        "search run, restart",
        "One attempt to find the smallest change that collapses the answers; restarts begin elsewhere.",
    ),
    (
        "score, cost",
        "Size of the found change. Patches and generators pay the summed change of all pixels over that sum "
        "in the brightest benign image; warps pay the mean shift of a pixel over the image’s side.",
    ),
    ("threshold", "The score at or below which a model is called backdoored."),
    (
        "controls",
        "Benign models trained by the defender and searched in the same way; they show which scores are normal.",
    ),
    ("margin", "Threshold divided by score; how many times cheaper than the line the change was."),
    (
        "bound",
        "How far RAV and the variance of the answers have to fall before answers count as collapsed. A run that misses "
        "it only gives a lower bound of the cost.",
    ),
    ("certainty", "How often the decision stays the same when the search’s restarts and mini-batches are drawn anew."),
    (
        "transfer",
        "How far benign models follow the found change to the same answer. What they do not follow is the model’s own, "
        "and a part of its size counts.",
    ),
    ("agreement", "Share of the runs with collapsed answers that end at the same answer."),
    (
        "RAV",
        "Ratio of angle variance: how much the angles between features and the last layer’s weights vary on changed "
        "images, over how much on clean ones. Far below 1 when a backdoor fires.",
    ),
    (
        "RNV",
        "Ratio of norm variance: the same for the length of the feature vectors. It stays near 1 when a "
        "backdoor fires.",
    ),
    ("RE", "Regression error: mean error on clean images. Low is good."),
    (
        "AE",
        "Attack error: mean distance of answers on triggered images from the attacker’s target. Low means "
        "that the attack works.",
    ),
    (
        "DAE",
        "Defended attack error: mean error on triggered images, to their true labels. Low means that the "
        "trigger has no effect.",
    ),
)
