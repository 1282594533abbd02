"""Towers side by side: what several of them look at is counted once, and each sees what it would see alone."""

from typing import Any

import pytest
import torch

from groundwave.nn import cyclic
from groundwave.nn.lsm import LSM

COARSE = {"scales": (4, 8)}


@pytest.mark.parametrize(("other", "times"), [({}, 1), (COARSE, 2)])
def test_towers_share_their_moments_where_these_are_the_same(
    monkeypatch: pytest.MonkeyPatch, other: dict[str, Any], times: int
) -> None:
    network = LSM(towers={"a": {"kind": "cyclic", "dim": 4, "hidden": 8, **other}, "b": {"kind": "moments"}}).eval()
    x = torch.randn(3, 2, 64, generator=torch.Generator().manual_seed(1))
    alone = torch.cat([tower(x) for tower in network.towers.values()], dim=-1)
    asked = []

    def counted(*args: Any) -> torch.Tensor:
        asked.append(args)
        return moments(*args)

    moments = cyclic.cyclic_moments
    monkeypatch.setattr(cyclic, "cyclic_moments", counted)
    torch.testing.assert_close(network(x), alone, rtol=0, atol=0)
    assert len(asked) == times
