"""Classes without signal: records that are white and Gaussian where the labels promise the strongest signal."""

import math

from torch import Tensor

from groundwave.audit.finding import Finding, Outcome, names
from groundwave.audit.sample import Sample
from groundwave.page import Table
from groundwave.signal.spectrum import power_spectrum

NUM_BINS = 32
LEAST = 2000  # complex samples of a class
RIPPLE_LIMIT_DB, KURTOSIS_LIMIT, PSEUDO_LIMIT = 0.3, 0.03, 0.05


def check_empty(sample: Sample) -> Outcome:
    """Test whiteness, Gaussianity and circularity of each class, at its highest SNRs."""
    least = max(5, math.ceil(LEAST / sample.iq.shape[-1]))
    rows = sample.members(sample.strong(), least)
    measured = {name: statistics(sample.unit(here)) for name, here in rows.items()}
    empty = [name for name, found in measured.items() if is_noise(found)]
    body = [
        [name, f"{m[0]:.2f}", f"{m[2]:+.3f}", f"{m[4]:.3f}", "noise" if name in empty else "signal"]
        for name, m in measured.items()
    ]
    caption = (
        f"Of noise: ripple below {RIPPLE_LIMIT_DB} dB, excess below {KURTOSIS_LIMIT}, "
        f"|E x^2| / E|x|^2 below {PSEUDO_LIMIT}; each beyond chance"
    )
    table = Table(["class", "ripple of the spectrum (dB)", "excess kurtosis", "|E x^2|", "looks like"], body, caption)
    notes = [] if rows else ["Too few records for a test."]
    return Outcome(_findings(empty, measured), notes, [table] if rows else [])


def statistics(iq: Tensor) -> tuple[float, float, float, float, float]:
    """Return ripple (dB) and its standard error, excess kurtosis and its error, and the size of the pseudo-power.

    Of records at unit power: the spectrum's standard deviation over frequency beyond chance; E|x|^4 - 2, corrected for
    the normalisation of each record (2n / (n + 1) for n Gaussian samples); root mean square of E x^2 beyond chance.
    """
    n, num_samples = iq.shape
    spectra = power_spectrum(iq, NUM_BINS)
    level = spectra.mean(0)
    chance = (spectra.var(0) / n).mean()
    ripple = (level.var() - chance).clamp(min=0).sqrt() / level.mean()
    ripple_error = float((chance / NUM_BINS).sqrt())
    fourth = iq.abs().pow(4).mean(-1) - 2 * num_samples / (num_samples + 1)
    pseudo = (iq.square().mean(-1).abs().square().mean() - 2 / num_samples).clamp(min=0).sqrt()
    decibel = 10 / math.log(10)
    return (
        decibel * float(ripple),
        decibel * ripple_error,
        float(fourth.mean()),
        float(fourth.std()) / math.sqrt(n),
        float(pseudo),
    )


def is_noise(found: tuple[float, float, float, float, float]) -> bool:
    """Return whether nothing tells the records from white circular Gaussian noise."""
    ripple, ripple_error, kurtosis, kurtosis_error, pseudo = found
    return (
        ripple < max(RIPPLE_LIMIT_DB, 4 * ripple_error)
        and abs(kurtosis) < max(KURTOSIS_LIMIT, 4 * kurtosis_error)
        and pseudo < PSEUDO_LIMIT
    )


def _findings(empty: list[str], measured: dict[str, tuple[float, float, float, float, float]]) -> list[Finding]:
    if not empty:
        return []
    ripple = max(measured[name][0] for name in empty)
    kurtosis = max((measured[name][2] for name in empty), key=abs)
    return [
        Finding(
            what=f"Nothing but noise in {'a class' if len(empty) == 1 else f'{len(empty)} classes'}: {names(empty)}.",
            evidence=f"at the highest SNRs the spectrum ripples by {ripple:.2f} dB and E|x|^4 - 2 is {kurtosis:+.3f}",
            value=ripple,
            limit=RIPPLE_LIMIT_DB,
            why="A model learns noise under the name of a signal; its recall there says nothing about that signal.",
            do="Look at its generator or recorder; leave the class out, or name it noise if that is what it is.",
            about=empty,
        )
    ]
