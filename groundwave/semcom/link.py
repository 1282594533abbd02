"""The wireless link between a sensor and its server: symbols in, what the receiver makes of them out."""

import math
from typing import NamedTuple

import torch
from torch import Generator, Tensor, nn

from groundwave.data.typed import COUNT, WHOLE
from groundwave.errors import DataError, GroundwaveError
from groundwave.signal.block_fading import capacity, draw_gains, equalise, estimate_gains
from groundwave.signal.noise import noise_like

MOST_DB = 200.0  # beyond any link, and single precision holds its noise


class Block(NamedTuple):
    """What one use of a link draws.

    Args:
        gains: complex `[B]`, of unit mean power.
        estimates: what the receiver takes the gains for, complex `[B]`.
        noise_power: per complex symbol `[B]`.
        noise: complex `[B, symbols]`, of that power.
    """

    gains: Tensor
    estimates: Tensor
    noise_power: Tensor
    noise: Tensor


class Link(nn.Module):
    """A block-fading channel with white noise: each record is a block of symbols under one gain.

    A record is `2 * num_symbols` reals, I and Q in turn, which `normalise` scales to symbols of unit mean power.
    `forward` sends such symbols: y = h x + n, and the receiver returns its linear estimate of x. The SNR is the mean
    over gains: symbols have power 1, gains have mean power 1, noise has 10^(-snr/10). Gradients pass through all of it.

    Args:
        num_symbols: complex symbols per record: the budget.
        snr_db: lowest and highest SNR, uniform in decibels for each record; twice the same is a fixed one.
        rician_k: power of the line of sight over the rest, linear; 0 is Rayleigh fading, infinity none.
        num_pilots: symbols from which the receiver estimates the gain of each record; 0: it is told the gain.

    Raises:
        GroundwaveError: a setting that no link can have.
    """

    def __init__(
        self,
        num_symbols: int,
        snr_db: tuple[float, float] = (10.0, 10.0),
        rician_k: float = math.inf,
        num_pilots: int = 0,
    ) -> None:
        super().__init__()
        low, high = map(float, snr_db)
        for name, value, good, expected in (
            ("num_symbols", num_symbols, COUNT.fits(num_symbols), "a budget of at least one symbol, a whole number"),
            ("snr_db", snr_db, -MOST_DB <= low <= high <= MOST_DB, f"lowest and highest, within {MOST_DB:g} dB"),
            ("rician_k", rician_k, rician_k >= 0, "0 or more; inf is no fading"),
            ("num_pilots", num_pilots, WHOLE.fits(num_pilots), "0 (the gain is known) or more, a whole number"),
        ):
            if not good:
                raise GroundwaveError(f"{name} {value}", expected, f"change {name}")
        self.num_symbols, self.snr_db = num_symbols, (low, high)
        self.rician_k, self.num_pilots = float(rician_k), num_pilots

    @property
    def num_reals(self) -> int:
        """Reals of a record."""
        return 2 * self.num_symbols

    def at(self, snr_db: float) -> "Link":
        """Return the same link at one SNR."""
        return Link(self.num_symbols, (snr_db, snr_db), self.rician_k, self.num_pilots)

    def config(self) -> dict[str, object]:
        """Return all settings, as rows tell them."""
        plain = {"num_symbols": self.num_symbols, "snr_db": list(self.snr_db), "num_pilots": self.num_pilots}
        return {**plain, "rician_k": self.rician_k if math.isfinite(self.rician_k) else "inf"}

    def draw(self, num_records: int, *, generator: Generator) -> Block:
        """Draw SNR, gain, noise and the error of the estimate for each record, on the generator's device."""
        low, high = self.snr_db
        level = torch.rand(num_records, generator=generator, device=generator.device)
        noise_power = 10 ** (-(low + (high - low) * level) / 10)
        gains = draw_gains(num_records, self.rician_k, generator=generator)
        zeros = torch.zeros(num_records, self.num_symbols, dtype=torch.complex64, device=generator.device)
        noise = noise_power.sqrt()[:, None] * noise_like(zeros, generator=generator)
        estimates = gains
        if self.num_pilots:
            estimates = estimate_gains(gains, noise_power, self.num_pilots, generator=generator)
        return Block(gains, estimates, noise_power, noise)

    def transmit(self, symbols: Tensor, block: Block) -> Tensor:
        """Return what the antenna receives, complex `[B, symbols]`, of reals `[B, 2 * symbols]`."""
        return block.gains[:, None] * as_complex(symbols) + block.noise

    def forward(self, symbols: Tensor, generator: Generator) -> Tensor:
        """Return the receiver's estimate of reals `[B, 2 * symbols]`, of the same shape.

        Raises:
            DataError: another number of reals than the budget has, or some that are not finite.
        """
        self._check(symbols)
        block = self.draw(len(symbols), generator=generator)
        return as_reals(equalise(self.transmit(symbols, block), block.estimates, block.noise_power))

    def _check(self, symbols: Tensor) -> None:
        if symbols.dim() != 2 or symbols.shape[1] != self.num_reals:
            raise DataError(
                got=f"symbols of shape {tuple(symbols.shape)}",
                expected=f"[records, {self.num_reals}]: I and Q of {self.num_symbols} symbols each",
                do="give the encoder that width, or the link that budget",
            )
        bad = int((~symbols.isfinite()).any(dim=1).sum())
        if bad:
            raise DataError(
                got=f"symbols that are not finite in {bad} of {len(symbols)} records",
                expected="finite numbers, which an antenna can send",
                do="see whether the encoder has diverged, or its inputs hold NaN",
            )


class DigitalLink(Link):
    """The same budget spent on bits: values are quantised, and a code that reaches capacity brings all bits unharmed.

    What the code may carry is the capacity of the channel at the link's mean SNR, over many blocks. Each value gets
    the same whole number of bits; where there is less than one for each, the first values get one and the others are
    not sent (they arrive as zeros). Quantisers are uniform over +- `REACH` times the values' root mean square, which
    `normalise` has made sqrt(1/2). Gradients pass as if nothing had been quantised. It is the reference for features
    that are sent digitally; no recipe trains through it.
    """

    REACH = 3.0

    def config(self) -> dict[str, object]:
        """Return all settings, as rows tell them, and that they are of bits."""
        return {**super().config(), "digital": True}

    def at(self, snr_db: float) -> "DigitalLink":
        """Return the same link at one SNR."""
        return DigitalLink(self.num_symbols, (snr_db, snr_db), self.rician_k, self.num_pilots)

    def num_bits(self) -> int:
        """Return the whole bits that a record may have."""
        middle = torch.tensor(sum(self.snr_db) / 2, dtype=torch.float64)
        return int(self.num_symbols * float(capacity(middle, self.rician_k)) + 1e-9)

    def allocation(self) -> tuple[int, int]:
        """Return how many values are sent, and the bits of each."""
        return allocation(self.num_bits(), self.num_reals)

    def forward(self, symbols: Tensor, generator: Generator) -> Tensor:
        """Return the quantised values; nothing is random. Raises `DataError` as any link does."""
        self._check(symbols)
        count, width = self.allocation()
        sent = quantised(symbols[:, :count], width, self.REACH * math.sqrt(0.5))
        kept = torch.cat([sent, torch.zeros_like(symbols[:, count:])], dim=1)
        return symbols + (kept - symbols).detach()


LEAST_POWER = 1e-30
MOST_BITS = 16  # of a value: finer steps change nothing


def allocation(num_bits: int, num_values: int) -> tuple[int, int]:
    """Return how many of the values can be sent with so many bits, and with how many bits each."""
    width = min(max(num_bits // num_values, 1), MOST_BITS)
    return min(num_values, num_bits // width), width


def quantised(values: Tensor, num_bits: int, reach: float | Tensor) -> Tensor:
    """Return the middles of the 2^bits equal steps from -reach to reach in which values lie; beyond, the outermost."""
    num_steps = 1 << num_bits
    step = 2 * reach / num_steps
    level = ((values + reach) / step).floor().clamp(0, num_steps - 1)
    return (level + 0.5) * step - reach


def normalise(values: Tensor) -> Tensor:
    """Scale each record of reals `[B, 2 * symbols]` to complex symbols of mean power 1; zeros stay zeros."""
    mean_power = 2 * values.square().mean(dim=-1, keepdim=True)
    return values * mean_power.clamp(min=LEAST_POWER).rsqrt()


def as_complex(reals: Tensor) -> Tensor:
    """Return complex `[B, symbols]` of reals `[B, 2 * symbols]`."""
    return torch.view_as_complex(reals.unflatten(-1, (-1, 2)).contiguous())


def as_reals(symbols: Tensor) -> Tensor:
    """Undo `as_complex`."""
    return torch.view_as_real(symbols).flatten(-2)
