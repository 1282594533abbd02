"""The scene of moving people: rooms, people and access points are the same all along, labels show in the Doppler."""

from typing import Any

import pytest
import torch
from torch import Tensor

from groundwave.data.sources import SceneSource
from groundwave.data.store import Store
from groundwave.errors import GroundwaveError
from groundwave.recipes.generate import generate
from groundwave.scenes.csi import CSI
from groundwave.signal.csi_receiver import quantise_packets

CLEAN: dict[str, Any] = {"severity": 0.0, "lost": 0.0, "jitter": 0.0, "snr_db": (60.0, 60.0)}


def moving_share(scene: CSI) -> torch.Tensor:
    """Return for each class how much of the power is not still, in the median record."""
    record = scene.block(0)
    csi = record["csi"]
    share = (csi - csi.mean(-1, keepdim=True)).abs().square().mean((1, 2, 3))
    return torch.stack([share[record["label"] == code].median() for code in range(len(scene.classes))])


def test_shapes_and_columns_follow_the_knobs() -> None:
    scene = CSI(num_antennas=2, num_subcarriers=5, num_packets=40, num_rooms=3, num_users=4, num_access_points=2)
    record = scene.block(3)
    assert record["csi"].shape == (30, 2, 5, 40)
    for name, most in (("room", 3), ("user", 4), ("access_point", 2)):
        assert record[name].dtype == torch.int64
        assert 0 <= int(record[name].min()) <= int(record[name].max()) < most
    assert record["label"].bincount().tolist() == [2] * 15
    assert float(record["sample_rate_hz"][0]) == 50


def test_who_runs_moves_more_of_the_power_than_who_stands() -> None:
    stand, wave, run = moving_share(CSI(classes=("stand", "wave", "run"), records_per_class=12, **CLEAN))
    assert 5 * float(stand) < 5 * float(wave) < float(run)


def test_a_room_and_its_access_point_are_known_again() -> None:
    scene = CSI(classes=("stand",), records_per_class=24, num_rooms=3, num_packets=8, **CLEAN)
    record = scene.block(0)
    shape = record["csi"].abs().mean(3).flatten(1)  # the room's own response, wherever the person stands
    place = 10 * record["room"] + record["access_point"]
    alike = torch.corrcoef(shape)
    same = place[:, None] == place
    assert float(alike[same].mean()) > 0.7 > 0.2 > float(alike[~same].mean())


def test_the_snr_is_what_it_says() -> None:
    usual = {"classes": ("walk",), "num_packets": 128, "records_per_class": 4, "severity": 0.0, "lost": 0.0}
    noisy, clean = (CSI(**usual, snr_db=(snr, snr)).block(0)["csi"] for snr in (5.0, 200.0))
    torch.testing.assert_close(clean.abs().square().mean((1, 2, 3)), torch.ones(4))
    measured = -10 * (noisy - clean).abs().square().mean((1, 2, 3)).log10()
    torch.testing.assert_close(measured, torch.full((4,), 5.0), atol=0.2, rtol=0)


def test_faults_and_losses_change_the_record_and_nothing_else() -> None:
    usual = {"classes": ("walk", "sit"), "num_packets": 64, "provenance": True}
    ideal, real = CSI(**usual, severity=0.0, lost=0.0).block(0), CSI(**usual, severity=1.0, lost=0.2).block(0)
    for name in ideal.keys() - {"csi"}:
        torch.testing.assert_close(ideal[name], real[name])
    repeats = (real["csi"].diff(dim=-1).abs().amax((1, 2)) == 0).float().mean()
    assert 0.1 < float(repeats) < 0.3  # a lost packet repeats a neighbour
    assert not bool((ideal["csi"].diff(dim=-1).abs().amax((1, 2)) == 0).any())


def test_it_is_kept_in_a_store_as_it_is(tmp_path: Any) -> None:
    settings: dict[str, Any] = {"classes": ("walk", "sit"), "num_packets": 32, "num_subcarriers": 6}
    generate("csi", num=6, out=tmp_path / "s", seed=2, settings=settings)
    store, source = Store.open(tmp_path / "s"), SceneSource(CSI(**settings, seed=2), 6)
    rows = torch.tensor([5, 0, 3])
    got, wanted = store[rows], source[rows]
    for name in wanted:
        torch.testing.assert_close(got[name], wanted[name], rtol=0, atol=0)
    assert store.columns["room"].dtype == torch.int64


@pytest.mark.parametrize(
    "settings",
    [
        {"classes": ("walk", "walk")},
        {"classes": ()},
        {"classes": ("fly",)},
        {"num_rooms": 0},
        {"num_packets": 0},
        {"packet_rate_hz": 0.0},
        {"snr_db": (20.0, 10.0)},
        {"lost": 1.0},
        {"jitter": 2.0},
        {"severity": -1.0},
        {"carrier_hz": float("nan")},
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(
        GroundwaveError, match=next(iter(settings)) if settings != {"classes": ("fly",)} else "activity"
    ):
        CSI(**settings)


def test_a_packet_that_rounds_to_nothing_at_an_antenna_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    def coarse(csi: Tensor) -> Tensor:
        rounded = quantise_packets(csi)
        rounded[:, 1, :, 3:5] = 0
        return rounded

    monkeypatch.setattr("groundwave.scenes.csi.quantise_packets", coarse)
    record = CSI(records_per_class=1, num_packets=12, lost=0.0).block(0)
    assert (record["csi"] != 0).any(2).all()
    torch.testing.assert_close(record["csi"][..., 3], record["csi"][..., 2])
