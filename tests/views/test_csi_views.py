"""The view of CSI: one size a batch, a place for each record, the same for all antennas."""

import pytest
import torch

from groundwave.errors import ContractError
from groundwave.rng import generator
from groundwave.views.csi import CropGains

SIZES = ((3, 5), (4, 2))


def numbered() -> torch.Tensor:
    """Return gains that tell antenna, subcarrier and packet."""
    antenna, subcarrier, packet = torch.meshgrid(torch.arange(2), torch.arange(6), torch.arange(9), indexing="ij")
    return (100 * antenna + 10 * subcarrier + 1j * packet).expand(32, -1, -1, -1)


def test_all_sizes_and_places_come_up_and_stretches_stay_whole() -> None:
    view, sizes, starts = CropGains(SIZES), set(), set()
    for draw in range(24):
        record = {"csi": numbered(), "label": torch.arange(32)}
        out = view(record, generator(draw))
        csi = out["csi"]
        size = tuple(csi.shape[2:])
        sizes.add(size)
        first = csi[:, :1, :1, :1]
        torch.testing.assert_close(csi, first + numbered()[:, :, : size[0], : size[1]])
        starts |= {(size, complex(start)) for start in first.flatten()}
        assert out["label"] is record["label"]
        torch.testing.assert_close(view(record, generator(draw))["csi"], csi)
    assert sizes == set(SIZES)
    assert len(starts) == (4 * 5) + (3 * 8)


def test_smaller_records_are_refused() -> None:
    with pytest.raises(ContractError, match="6 subcarriers by 9 packets; expected at least 7 by 2"):
        CropGains(((7, 2),))({"csi": numbered()}, generator(0))
