"""The words that say which units are dropped: those of plain ints, and as good as random."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

import oracle_dropout
from gradstep.plan.dropout import Dropout, words

T, B, H, L = 64, 32, 64, 3


def dropped(share: float, seed: int = 0) -> npt.NDArray[np.bool_]:
    """Return which units are dropped, by layer, update, row and unit."""
    dropout = Dropout(seed, np.full((1, L), share))
    keys = dropout.keys(0, T)
    found = [[words(keys[t, layer], B, H) < dropout.limits[0, layer] for t in range(T)] for layer in range(L)]
    return np.array(found)


@given(
    seed=st.integers(0, 2**31 - 1),
    layer=st.integers(0, 5),
    update=st.integers(0, 2**28),
    row=st.integers(0, 20),
    unit=st.integers(0, 40),
)
def test_words_are_those_of_plain_ints(seed: int, layer: int, update: int, row: int, unit: int) -> None:
    dropout = Dropout(seed, np.zeros((1, 6)))
    found = words(dropout.keys(update, update + 1)[0, layer], 21, 41)
    assert int(found[row, unit]) % 2**32 == oracle_dropout.word(seed, layer, update, row, unit)


def test_keys_are_of_the_update_and_not_of_where_a_range_begins() -> None:
    dropout = Dropout(5, np.full((2, 3), 0.5))
    whole = dropout.keys(0, 20)
    np.testing.assert_array_equal(np.vstack([dropout.keys(0, 7), dropout.keys(7, 20)]), whole)
    np.testing.assert_array_equal(dropout.select([1]).keys(0, 20), whole)
    assert len(np.unique(whole)) == whole.size


@given(share=st.floats(0, 1, exclude_max=True))
def test_limits_and_scales_of_any_share(share: float) -> None:
    dropout = Dropout(0, np.array([[share, 0.0]]))
    limit, never = (int(limit) for limit in dropout.limits[0])
    assert never == -(2**31)
    assert share * 2**32 - 1 < limit + 2**31 <= share * 2**32
    assert dropout.scales[0].tolist() == [1 / (1 - share), 1]


@pytest.mark.parametrize("share", [0.1, 0.5, 0.999])
def test_the_share_of_units_is_dropped_in_every_direction(share: float) -> None:
    coins = dropped(share)
    for axis in range(coins.ndim):
        others = tuple(other for other in range(coins.ndim) if other != axis)
        means = coins.mean(axis=others)
        sigma = (share * (1 - share) * coins.shape[axis] / coins.size) ** 0.5
        assert np.abs(means - share).max() < 5 * sigma, axis
        # Neither too far from the share nor too near: the means of an axis spread as coins do.
        spread = ((means - share) ** 2).sum() / sigma**2
        assert abs(spread - len(means)) < 5 * (2 * len(means) + 1 / (share * (1 - share))) ** 0.5, axis


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_neighbours_are_independent_in_every_direction(share: float) -> None:
    coins = (dropped(share) - share) / (share * (1 - share)) ** 0.5
    for axis in range(coins.ndim):
        for distance in (1, 2, 4, 8, 16):
            if distance >= coins.shape[axis]:
                continue
            ahead = np.take(coins, range(distance, coins.shape[axis]), axis)
            behind = np.take(coins, range(coins.shape[axis] - distance), axis)
            assert abs((ahead * behind).mean()) < 5 / ahead.size**0.5, (axis, distance)


def test_every_bit_of_a_word_is_a_fair_coin_of_its_own() -> None:
    keys = Dropout(1, np.zeros((1, 1))).keys(0, T)
    found = np.array([words(key, B, H) for key in keys[:, 0]]).ravel().view(np.uint32)
    bits = 2.0 * ((found[:, None] >> np.arange(32, dtype=np.uint32)) & 1) - 1
    together = bits.T @ bits / len(bits)
    np.fill_diagonal(together, 0)
    assert np.abs(bits.mean(axis=0)).max() < 5 / len(bits) ** 0.5
    assert np.abs(together).max() < 5 / len(bits) ** 0.5


def test_pairs_of_units_take_all_four_forms_equally_often() -> None:
    # Of any two units, whatever their distance: a word must not say anything of another one's.
    coins = dropped(0.5).reshape(-1, H)
    signs = 2.0 * coins - 1
    together = signs.T @ signs / len(signs)
    np.fill_diagonal(together, 0)
    assert np.abs(together).max() < 5.5 / len(signs) ** 0.5


def test_seeds_have_words_of_their_own() -> None:
    for seed in (1, 2, 2**31 - 1):
        same = (dropped(0.5) == dropped(0.5, seed)).mean()
        assert abs(same - 0.5) < 5 * 0.5 / (L * T * B * H) ** 0.5
