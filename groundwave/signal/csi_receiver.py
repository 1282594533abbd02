"""What WiFi cards do to the channel that they report: the faults of an Intel 5300, an ESP32 and their like.

Each packet comes with its own gain (automatic gain control, in steps), its own start within the guard time (packet
detection delay) and sampling clock, which turn the subcarriers by a ramp, and its own carrier phase. All chains of a
card share those; each chain has its own gain and phase. Numbers are 8 bits; packets get lost or come late. As a
survey of them: Ma, Zhou and Wang, WiFi Sensing with Channel State Information, 2019, section 2.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Complex, Float
from torch import Generator, Tensor

from groundwave.signal.converter import quantise

_STEP_DB = 1.0  # of the gain
_STEPS = 3  # at most so many up or down
_STEP_RATE = 0.05  # share of packets before which the gain is set anew
_DETECTION_S = 25e-9  # standard deviation of the packet detection delay
_CLOCK = 5e-6  # standard deviation of the sampling clock's error
_GUARD_S = 400e-9  # the receiver moves its window by so much before the clock has drifted further


@dataclass(frozen=True)
class CSIFaults:
    """A draw of faults.

    Args:
        gain_db: of each packet.
        delay_s: of each packet.
        phase_rad: of each packet.
        chains: complex gains of the receive chains.
    """

    gain_db: Float[Tensor, "batch packet"]
    delay_s: Float[Tensor, "batch packet"]
    phase_rad: Float[Tensor, "batch packet"]
    chains: Complex[Tensor, "batch antenna"]


def draw_chains(
    num_radios: int, num_antennas: int, *, severity: float = 1.0, generator: Generator
) -> Complex[Tensor, "num_radios num_antennas"]:
    """Draw the gains of receive chains: 1.5 dB (standard deviation) apart, any phase; `severity` 0 makes them equal."""
    device = generator.device
    level = torch.randn((num_radios, num_antennas), generator=generator, device=device)
    angle = (2 * torch.rand((num_radios, num_antennas), generator=generator, device=device) - 1) * math.pi
    return torch.polar(10 ** (1.5 * severity * level / 20), min(severity, 1.0) * angle)


def draw_faults(
    times_s: Float[Tensor, "batch packet"],
    chains: Complex[Tensor, "batch antenna"],
    *,
    severity: float = 1.0,
    generator: Generator,
) -> CSIFaults:
    """Draw the faults of packets at `times_s`, received by `chains`; `severity` scales all of them, 0: none.

    The carrier phase of a packet is uniform at a severity of 1, as the carriers turn by many cycles between packets.
    """
    shape, device = times_s.shape, times_s.device

    def uniform() -> Tensor:
        return torch.rand(shape, generator=generator, device=device)

    steps = ((2 * _STEPS + 1) * uniform()).floor() - _STEPS
    clock = _CLOCK * torch.randn((len(times_s), 1), generator=generator, device=device)
    drift = torch.remainder(clock * times_s + _GUARD_S / 2, _GUARD_S) - _GUARD_S / 2
    detection = _DETECTION_S * torch.randn(shape, generator=generator, device=device)
    return CSIFaults(
        gain_db=severity * _STEP_DB * _held(steps, uniform() < _STEP_RATE),
        delay_s=severity * (drift + detection),
        phase_rad=severity * (2 * uniform() - 1) * math.pi,
        chains=chains,
    )


def _held(values: Tensor, renewed: Tensor) -> Tensor:
    """Return at each packet the value of the last one that was renewed; the first is."""
    place = torch.arange(values.shape[-1], device=values.device).expand(values.shape)
    return values.gather(-1, torch.where(renewed, place, 0).cummax(-1).values)


def apply_faults(
    csi: Complex[Tensor, "batch antenna subcarrier packet"],
    offsets_hz: Float[Tensor, " subcarrier"],
    faults: CSIFaults,
) -> Complex[Tensor, "batch antenna subcarrier packet"]:
    """Return what the card reports; `offsets_hz` are the subcarriers' distances from the carrier."""
    ramp = -2 * math.pi * offsets_hz[:, None] * faults.delay_s[:, None, :] + faults.phase_rad[:, None, :]
    common = torch.polar((10 ** (faults.gain_db / 20))[:, None, :].expand(ramp.shape).contiguous(), ramp)
    return csi * faults.chains[:, :, None, None] * common[:, None]


def quantise_packets(
    csi: Complex[Tensor, "batch antenna subcarrier packet"], bits: int = 8, headroom: float = 1.5
) -> Complex[Tensor, "batch antenna subcarrier packet"]:
    """Round I and Q to whole steps; the full scale is `headroom` times the record's largest, as the gain leaves it."""
    packets = csi.movedim(-1, 1).flatten(2)
    largest = torch.view_as_real(packets).abs().flatten(1).amax(1)
    full_scale = headroom * largest.clamp(min=torch.finfo(torch.float32).tiny)
    step = (full_scale * 2 ** (1 - bits))[:, None]
    rounded: Tensor = quantise(packets, step, full_scale[:, None]).unflatten(2, csi.shape[1:3]).movedim(1, -1)
    return rounded


def hold_lost(
    csi: Complex[Tensor, "batch antenna subcarrier packet"], lost: Bool[Tensor, "batch packet"]
) -> Complex[Tensor, "batch antenna subcarrier packet"]:
    """Put the nearest received packet in the place of each lost one (the earlier of two equally near)."""
    last = csi.shape[-1] - 1
    place = torch.arange(last + 1, device=csi.device).expand(lost.shape)
    far = 4 * (last + 1)
    before = torch.where(lost, -far, place).cummax(-1).values
    after = torch.where(lost, far, place).flip(-1).cummin(-1).values.flip(-1)
    nearest = torch.where(place - before <= after - place, before, after).clamp(0, last)
    return csi.gather(-1, nearest[:, None, None, :].expand(csi.shape))
