"""DRMGuard without one of its parts."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from drmguard_tf.ablations import PrintedWithoutMomentum, WithoutMomentum, WithoutRav, heeded, unprotected
from drmguard_tf.losses import momentum_reverse_trigger
from drmguard_tf.paper import PaperSearch
from drmguard_tf.reference import Reference, examine
from drmguard_tf.steered import SteeredSearch
from tests.drmguard_tf import colours


@pytest.fixture(scope="module")
def reference() -> Reference:
    return examine(colours.suspect(2.0))


def test_without_protection_the_generated_image_is_used_as_it_is(reference):
    generated = 1 - reference.images
    attention = unprotected(reference).attention
    np.testing.assert_array_equal(momentum_reverse_trigger(reference.images, generated, attention), generated)
    assert float(tf.reduce_max(reference.attention)) > 0.9  # and it was protected before


def test_only_searches_without_momentum_overlook_the_attention():
    attention = tf.fill((2, 4, 4, 1), 0.5)
    for search in (SteeredSearch(), PaperSearch(), WithoutRav()):
        assert heeded(search, attention) is attention
    for search in (WithoutMomentum(), PrintedWithoutMomentum()):
        np.testing.assert_array_equal(heeded(search, attention), np.zeros((2, 4, 4, 1)))


@pytest.mark.parametrize("ablated, base", [(WithoutMomentum, SteeredSearch), (PrintedWithoutMomentum, PaperSearch)])
def test_a_search_without_momentum_gets_the_unprotected_reference(monkeypatch, reference, ablated, base):
    seen = []
    monkeypatch.setattr(base, "run", lambda self, reference, **options: seen.append(reference) or [])
    ablated().run(reference, seed=0)
    assert float(tf.reduce_max(seen[0].attention)) == 0 and seen[0].images is reference.images


def test_without_rav_a_run_is_judged_by_the_spread_of_its_outputs(reference):
    options = WithoutRav(families=("patch",), restarts=1, steps=10, batch=4)
    (run,) = options.run(reference, seed=0)
    assert run.met is bool(run.history[-2:, 2].mean() <= 1.5 * options.output_bound)  # the last fifth
    assert run.rav == pytest.approx(run.history[-2:, 1].mean())


def test_ablated_searches_are_settings_of_their_own():
    assert repr(WithoutRav()) != repr(SteeredSearch()) and WithoutRav() != SteeredSearch()
