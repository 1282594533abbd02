"""Partners come from the same group, are never the record itself, and all others are equally likely."""

import torch

from groundwave.data.partner import Partner
from groundwave.data.sources import Records
from groundwave.rng import generator

GROUPS = torch.tensor([2, 0, 2, 1, 2, -1, -1, 2])


def partners(indices: torch.Tensor | None, rows: list[int], seed: int) -> torch.Tensor:
    """Return which record was drawn as partner, read off its samples."""
    source = Records({"iq": torch.arange(8).to(torch.complex64)[:, None].repeat(1, 4), "group": GROUPS})
    record = source[torch.tensor(rows)]
    return Partner(source, GROUPS, indices)(record, generator(seed))["partner_iq"].real[:, 0].long()


def test_partner_shares_the_group_and_lone_records_are_their_own() -> None:
    drawn = torch.stack([partners(None, list(range(8)), seed) for seed in range(300)])
    for row in (1, 3, 5, 6):
        assert (drawn[:, row] == row).all()
    for row, others in {0: {2, 4, 7}, 2: {0, 4, 7}, 4: {0, 2, 7}, 7: {0, 2, 4}}.items():
        counts = {k: int((drawn[:, row] == k).sum()) for k in drawn[:, row].unique().tolist()}
        assert counts.keys() == others
        assert min(counts.values()) > 60, counts


def test_partners_come_from_the_records_in_use_only() -> None:
    drawn = torch.stack([partners(torch.tensor([0, 2, 3]), [0, 2, 3], seed) for seed in range(20)])
    assert drawn.unique(dim=0).tolist() == [[2, 0, 3]]


def test_a_partner_depends_on_the_generator_alone() -> None:
    torch.testing.assert_close(partners(None, [0, 2, 4, 7], 5), partners(None, [0, 2, 4, 7], 5))
