"""The fading that all of RadioML 2016.10a went through: GNU Radio 3.7's flat faders at the generator's seed."""

import math

import numpy as np
import torch
from numpy.random import RandomState
from torch import Tensor

from groundwave.scenes.channel import Channel

_SEED = 0x1337  # in generate_RML2016.10a.py; path p draws from the seed 0x1337 + p
_NUM_SINUSOIDS = 8  # asked for; the fader of 3.7 adds up the last seven, each with twice the power it should have


def published_gains(channel: Channel, num_samples: int) -> Tensor:
    """Return the gains `[1, path, num_samples]` that the generator draws in every pass, whatever is sent.

    GNU Radio's fader was rewritten in June 2016, and nobody has said which one made the file of that autumn. The older
    one leaves the signal 4 to 5 dB stronger, the newer one about 1 dB weaker. The older was taken because accuracy at
    low SNR comes nearer to what VT-CNN2 reports on the file with it, if not up to it (`groundwave run fidelity`).

    Args:
        channel: the settings of the recipe.
        num_samples: how many instants.
    """
    times = torch.arange(num_samples, dtype=torch.float64)
    paths = [_fader(_SEED + p, channel.doppler, times) for p in range(len(channel.delays))]
    scatter, sights = zip(*paths, strict=True)
    k = channel.rician_k
    first = scatter[0] / math.sqrt(k + 1) + sights[0] * math.sqrt(k / (k + 1))
    gains = torch.stack([first, *scatter[1:]]) * torch.tensor(channel.path_gains)[:, None]
    return gains[None].to(torch.complex64)


def _fader(seed: int, doppler: float, times: Tensor) -> tuple[Tensor, Tensor]:
    """Return what arrives scattered, and in line of sight, by one path."""
    n = _NUM_SINUSOIDS
    words = RandomState(seed).randint(2**32, size=2 * n + 4, dtype=np.uint32)  # MT19937, as boost's
    angles = torch.from_numpy(2 * np.pi * words / 2**32 - np.pi)
    theta, sight, phases = angles[0], angles[1], angles[2:].view(n + 1, 2)
    arrival = (2 * math.pi * torch.arange(1, n) - math.pi + theta) / (4 * n)
    turns = 2 * math.pi * doppler * times
    in_phase = (turns * arrival.cos()[:, None] + phases[2:, :1]).cos().sum(dim=0)
    quadrature = (turns * arrival.sin()[:, None] + phases[2:, 1:]).cos().sum(dim=0)
    direct = turns * sight.cos() + phases[0, 0]
    return math.sqrt(2 / n) * torch.complex(in_phase, quadrature), torch.polar(torch.ones_like(direct), direct)
