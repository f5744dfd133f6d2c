"""DRMGuard without one of its parts: Sec. 4.4 and Table 9."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import tensorflow as tf

from data_prep.journal import NO_JOURNAL, Journal
from drmguard_tf.paper import PaperSearch
from drmguard_tf.reference import Reference
from drmguard_tf.reversal import Run, Search
from drmguard_tf.steered import Ratio, SteeredReversal, SteeredSearch, Wake


@dataclass(frozen=True)
class WithoutRav(SteeredSearch):
    """The steered search without the feature-space term: only the output variance is pressed to its bound.

    A run counts when the output variance ratio has met the bound, since RAV is not sought any more.
    """

    def reversal(self, reference: Reference, family: str, seed: int, wake: Wake | None = None) -> SteeredReversal:
        """As :meth:`SteeredSearch.reversal`."""
        return _WithoutRav(reference, self.start(reference, family, seed), self, seed, wake)


class _WithoutRav(SteeredReversal):
    def ratios(self, rav: Ratio, spread: Ratio, tightened: Ratio) -> tuple[Ratio, ...]:
        return super().ratios(rav, spread, tightened)[1:]


@dataclass(frozen=True)
class WithoutMomentum(SteeredSearch):
    """The steered search without the momentum reverse trigger: no pixel is protected, whatever the model looks at.

    Patch and warp never were, so only the generator family differs.
    """

    def run(
        self,
        reference: Reference,
        *,
        seed: int,
        progress: Callable[[int], None] = lambda step: None,
        journals: Callable[[str], Journal] = lambda name: NO_JOURNAL,
    ) -> list[Run]:
        """As :meth:`SteeredSearch.run`, with an attention of zero."""
        return super().run(unprotected(reference), seed=seed, progress=progress, journals=journals)


@dataclass(frozen=True)
class PrintedWithoutMomentum(PaperSearch):
    """The printed search without the momentum reverse trigger: x' = G(x).

    Without the feature-space term it is ``PaperSearch(rav_weight=0)``.
    """

    def run(
        self,
        reference: Reference,
        *,
        seed: int,
        generator: tf.keras.Model | None = None,
        progress: Callable[[int], None] = lambda step: None,
        journals: Callable[[str], Journal] = lambda name: NO_JOURNAL,
    ) -> list[Run]:
        """As :meth:`PaperSearch.run`, with an attention of zero."""
        return super().run(unprotected(reference), seed=seed, generator=generator, progress=progress, journals=journals)


def heeded(search: Search, attention: tf.Tensor) -> tf.Tensor:
    """An attention map as a search puts it into Eq. 7: zero where it does without the momentum reverse trigger.

    Args:
        search: whose triggers are applied.
        attention: float32 (B, H, W, 1) in [0, 1).
    """
    return tf.zeros_like(attention) if isinstance(search, (WithoutMomentum, PrintedWithoutMomentum)) else attention


def unprotected(reference: Reference) -> Reference:
    """A reference whose attention map is 0, with which Eq. 7 returns G(x) as it is."""
    return reference._replace(attention=tf.zeros_like(reference.attention))
