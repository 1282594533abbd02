"""Sionna, batch by batch on one thread of the processor; run by benchmarks/generation.py."""

from importlib.metadata import version

import torch
from sionna.phy.channel import AWGN, TimeChannel
from sionna.phy.channel.tr38901 import TDL
from sionna.phy.mapping import BinarySource, Constellation, Mapper
from sionna.phy.signal import RootRaisedCosineFilter, Upsampling
from stopwatch import Job, serve

NUM_SAMPLES, BATCH = 1024, 256
SAMPLES_PER_SYMBOL, SPAN, ROLLOFF, SNR_DB = 8, 16, 0.35, 10.0
# As in generation_jobs.py: 1 Msample/s, a delay spread of 300 ns, a Doppler shift of 350 Hz.
RATE_HZ, DELAY_SPREAD_S, CARRIER_HZ, SPEED = 1e6, 300e-9, 3.5e9, 29.979


def qam16(noise: bool) -> Job:
    """Return a job that makes 16QAM under a root raised cosine, with noise or without."""
    bits, mapper = BinarySource(), Mapper(constellation=Constellation("qam", 4))
    upsample, pulse, channel = Upsampling(SAMPLES_PER_SYMBOL), RootRaisedCosineFilter(SPAN, 8, ROLLOFF), AWGN()
    power = torch.tensor(10 ** (-SNR_DB / 10) / SAMPLES_PER_SYMBOL)

    def job() -> int:
        x = pulse(upsample(mapper(bits([BATCH, 4 * (NUM_SAMPLES // SAMPLES_PER_SYMBOL + SPAN)]))))
        first = SPAN * SAMPLES_PER_SYMBOL
        x = x[:, first : first + NUM_SAMPLES]
        x = channel(x, power) if noise else x
        assert x.shape == (BATCH, NUM_SAMPLES)
        return BATCH

    return job


def tdl() -> Job:
    """Return a job that draws TDL-A channels, varying over the record, and passes noise through them."""
    model = TDL("A", DELAY_SPREAD_S, CARRIER_HZ, min_speed=SPEED, max_speed=SPEED)
    channel, batch = TimeChannel(model, RATE_HZ, NUM_SAMPLES), 4  # of 1 to 256, the fastest
    x = torch.randn(batch, 1, 1, NUM_SAMPLES, dtype=torch.complex64)

    def job() -> int:
        assert channel(x).shape[-1] >= NUM_SAMPLES
        return batch

    return job


if __name__ == "__main__":
    torch.set_num_threads(1)
    jobs = {"qam16": lambda: qam16(False), "qam16_awgn": lambda: qam16(True), "tdl": tdl}
    serve(jobs, version("sionna-no-rt"))
