"""IQ and its spectrogram of the same samples, of whatever source holds IQ."""

import pytest
import torch

from groundwave.data.sources import Records, SceneSource
from groundwave.data.spectrograms import Transform
from groundwave.data.two_looks import TwoLooks
from groundwave.errors import DataError
from groundwave.rng import generator
from groundwave.scenes import RadioML
from groundwave.signal.spectrum import spectrogram_db

SMALL = Transform.chosen(16, 6, 8)


def test_both_are_of_the_same_signal_in_any_order() -> None:
    scene = RadioML(num_samples=64, snrs_db=(10,), records_per_cell=2)
    source = TwoLooks(SceneSource(scene, 22), SMALL)
    assert (len(source), source.classes, source.num_per_chunk) == (22, tuple(scene.classes), scene.num_per_block)
    rows = torch.tensor([7, 0, 3])
    record, block = source[rows], scene.block(0)
    torch.testing.assert_close(record["iq"], block["iq"][rows], rtol=0, atol=0)
    torch.testing.assert_close(record["spec"], spectrogram_db(block["iq"][rows, :56], 16, 8))
    torch.testing.assert_close(record["label"], block["label"][rows])


def test_antennas_keep_their_axis() -> None:
    iq = torch.randn(4, 3, 64, dtype=torch.complex64, generator=generator(0, "iq"))
    assert TwoLooks(Records({"iq": iq}), SMALL)[torch.arange(2)]["spec"].shape == (2, 3, 16, 6)


def test_records_that_are_too_short_or_no_iq_are_told() -> None:
    with pytest.raises(DataError, match=r"55 samples; expected IQ of at least 56"):
        TwoLooks(Records({"iq": torch.ones(3, 55, dtype=torch.complex64)}), SMALL)
    with pytest.raises(DataError, match="choose records of IQ"):
        TwoLooks(Records({"spec": torch.ones(3, 16, 6)}), SMALL)
