"""Which records an audit looks at."""

from pathlib import Path

import numpy as np
import pytest
import torch

from groundwave.audit import CHECKS, draw_sample
from groundwave.audit.report import as_json, as_text
from groundwave.audit.sample import choose
from groundwave.data.sources import Records
from groundwave.data.windows import ArrayWindows, open_npz
from groundwave.errors import DataError

RAW = np.random.Generator(np.random.PCG64(0)).standard_normal((600, 2, 32)).astype(np.float32)


def windows(labels: np.ndarray, snr_db: np.ndarray | None = None) -> ArrayWindows:
    return ArrayWindows(lambda rows: RAW[rows % 600], len(labels), labels=labels, snr_db=snr_db, classes=["a", "b"])


def test_few_records_are_all_taken() -> None:
    torch.testing.assert_close(choose(windows(np.zeros(50, int)), 100, 0), torch.arange(50))


def test_cells_are_as_even_as_they_can_be() -> None:
    labels = (np.arange(1000) >= 900).astype(int)
    snr_db = np.where(np.arange(1000) % 10 == 0, 10.0, 0.0)
    source = windows(labels, snr_db)
    rows = choose(source, 120, 0)
    assert len(rows.unique()) == 120
    counts = {(c, s): int(((labels[rows] == c) & (snr_db[rows] == s)).sum()) for c in (0, 1) for s in (0.0, 10.0)}
    assert counts[1, 10.0] == 10  # all that there are
    assert max(counts.values()) - min(v for k, v in counts.items() if k != (1, 10.0)) <= 1


def test_the_seed_decides() -> None:
    source = windows(np.arange(1000) % 2)
    torch.testing.assert_close(choose(source, 100, 1), choose(source, 100, 1))
    assert choose(source, 100, 1).tolist() != choose(source, 100, 2).tolist()


def test_records_that_a_reader_refuses_are_counted(tmp_path: Path) -> None:
    raw = RAW.copy()
    raw[[0, 17], 0, 3] = np.nan
    np.savez(tmp_path / "x.npz", iq=raw, sample_rate_hz=1.0)
    sample = draw_sample(open_npz(tmp_path / "x.npz"), most=100_000, seed=0)
    assert sample.left_out == {"not finite": 2}
    assert len(sample) == 598


def test_long_records_are_cut_and_fewer() -> None:
    iq = torch.ones(3, 20_000, dtype=torch.complex64) * torch.arange(20_000)
    sample = draw_sample(Records({"iq": iq}), most=10, seed=0)
    assert sample.iq.shape == (3, 8192)
    assert sample.num_samples == 20_000


def test_of_several_antennas_the_first_is_looked_at() -> None:
    iq = torch.randn(4, 3, 32, dtype=torch.complex64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(draw_sample(Records({"iq": iq}), most=10, seed=0).iq, iq[:, 0])


def test_nothing_to_look_at_is_an_error() -> None:
    with pytest.raises(DataError, match="without any signal"):
        draw_sample(Records({"iq": torch.zeros(4, 32, dtype=torch.complex64)}), most=10, seed=0)


def test_records_too_short_to_tell_anything_are_an_error() -> None:
    with pytest.raises(DataError, match="at least 32"):
        draw_sample(Records({"iq": torch.ones(4, 16, dtype=torch.complex64)}), most=10, seed=0)


def test_records_without_iq_are_an_error() -> None:
    class Spectrograms(Records):
        def __getitem__(self, indices: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"spec": torch.zeros(len(indices), 4, 4)}

    with pytest.raises(DataError, match=r"without IQ.*--scene\.with-iq"):
        draw_sample(Spectrograms({"iq": torch.ones(4, 32, dtype=torch.complex64)}), most=10, seed=0)


@pytest.mark.parametrize("num", [1, 2, 5, 60])
@pytest.mark.parametrize("keys", [(), ("label",), ("label", "snr_db"), ("label", "group")])
def test_every_check_takes_whatever_there_is(num: int, keys: tuple[str, ...]) -> None:
    draw = torch.Generator().manual_seed(num)
    record = {
        "iq": torch.randn(num, 40, dtype=torch.complex64, generator=draw),
        "label": torch.arange(num) % 3,
        "snr_db": torch.tensor([torch.nan, torch.inf, 0.0, 10.0]).repeat(num)[:num],
        "group": torch.zeros(num, dtype=torch.int64),
    }
    classes = ["a", "b", "c"] if "label" in keys else []
    source = Records({key: record[key] for key in ("iq", *keys)}, classes=classes)
    sample = draw_sample(source, most=100, seed=0)
    outcomes = {name: check(sample) for name, check in CHECKS.items()}
    assert as_text("x", sample, outcomes).startswith("audit of x")
    assert as_json("x", sample, outcomes, {})


def test_records_that_are_all_the_same_are_copies() -> None:
    draw = torch.Generator().manual_seed(0)
    iq = torch.randn(1, 64, dtype=torch.complex64, generator=draw).expand(100, -1).clone()
    sample = draw_sample(Records({"iq": iq, "label": torch.arange(100) % 2}, classes=["a", "b"]), most=100, seed=0)
    outcomes = {name: check(sample) for name, check in CHECKS.items()}
    assert "near-duplicate" in outcomes["duplicates"].findings[0].what
