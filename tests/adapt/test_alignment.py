"""Alignment takes away what all records of a domain share, and nothing that tells its records apart."""

import torch

from groundwave.adapt.alignment import aligned


def test_domains_that_differ_by_place_and_scale_become_alike() -> None:
    inside = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
    inside = (inside - inside.mean(0)) / inside.std(0, correction=0)
    features = torch.cat([inside, 3 * inside + 7, inside - 2])
    domain = torch.arange(3).repeat_interleave(50)
    order = torch.randperm(150, generator=torch.Generator().manual_seed(1))
    out = aligned(features[order], domain[order])[order.argsort()]
    torch.testing.assert_close(out, inside.repeat(3, 1), atol=1e-5, rtol=0)


def test_a_feature_that_never_changes_becomes_nothing() -> None:
    out = aligned(torch.ones(4, 2), torch.zeros(4, dtype=torch.int64))
    assert (out == 0).all()
