"""Shares of labels become counts that are there."""

import pytest

from groundwave.errors import GroundwaveError
from groundwave.recipes.spectrogram_sets import counts_of


def test_a_small_share_is_one_label_and_all_are_all() -> None:
    assert counts_of((0.0001, 0.1, 1.0), 800) == (1, 80, 800)


@pytest.mark.parametrize("share", [0.0, -0.1, 2.0, float("nan")])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(GroundwaveError, match="correct shares"):
        counts_of((1.0, share), 800)
