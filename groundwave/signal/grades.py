"""What radios are made of: typical ranges of their imperfections, by grade.

Sources: crystals within 20 ppm, carrier and symbol clock from one oscillator, carrier leakage below -15 dB, flatness
within 2 dB (IEEE 802.11-2020, 17.3.9); a receiver dongle 40 ppm off, its 8 bits offset by 0.1 steps (owners' reports),
its tuner at -98 dBc/Hz, 10 kHz away (R820T data sheet); the calibrated AD9361 with 0.2 %, 0.2 degrees, an image at
-50 dBc, and 12 bits (maker's forum and data sheet). Where no figure is published the range is our choice: ripple in
the lab, amplifier back-off, times and errors of the gain control.
"""

from dataclasses import dataclass

Range = tuple[float, float]

PHASE_NOISE_SHAPE = ((1e2, 20.0), (1e3, 4.0), (1e4, 0.0), (1e5, -4.0), (1e6, -24.0), (1e7, -40.0))
"""A synthesiser's phase noise in dB relative to 10 kHz: reference, plateau inside the loop, oscillator, floor."""

REFERENCE_CARRIER_HZ = 1e9
"""Carrier at which phase noise is stated; it grows by 20 dB per decade of carrier."""


@dataclass(frozen=True)
class Grade:
    """Ranges within which the devices of a grade lie, uniformly."""

    ppm: Range
    """Crystal error; carrier and sampling clock share it."""
    wander_ppm: Range
    """Its standard deviation from record to record: temperature."""
    phase_noise_dbc: Range
    """dBc/Hz at 10 kHz from a carrier of 1 GHz."""
    jitter_s: Range
    """Rms jitter of the sampling clock."""
    imbalance_db: Range
    """Gain of Q over I, transmitter and receiver alike."""
    imbalance_deg: Range
    """Error of the right angle between I and Q."""
    leakage_db: Range
    """Carrier leakage of the transmitter, relative to the signal."""
    dc_db: Range
    """DC offset of the receiver, relative to the level that its gain control aims at."""
    ripple_db: Range
    """Peak gain ripple of each filter."""
    back_off_db: Range
    """Saturation power of the amplifier over mean input power."""
    smoothness: Range
    """Rapp's p."""
    am_pm_deg: Range
    """Phase shift of the amplifier at saturation."""
    bits: tuple[int, int]
    """Bits of the converter."""
    headroom_db: Range
    """Full scale over the rms amplitude that the gain control aims at."""
    agc_s: Range
    """Time constant of the gain control."""
    agc_error_db: Range
    """Standard deviation of the level that the gain control starts from."""


GRADES: dict[str, Grade] = {
    "cheap": Grade(
        ppm=(-30.0, 30.0),
        wander_ppm=(0.1, 1.0),
        phase_noise_dbc=(-100.0, -85.0),
        jitter_s=(5e-12, 1e-10),
        imbalance_db=(-0.5, 0.5),
        imbalance_deg=(-3.0, 3.0),
        leakage_db=(-40.0, -20.0),
        dc_db=(-50.0, -25.0),
        ripple_db=(0.3, 1.5),
        back_off_db=(4.0, 10.0),
        smoothness=(1.5, 3.0),
        am_pm_deg=(2.0, 10.0),
        bits=(8, 12),
        headroom_db=(6.0, 12.0),
        agc_s=(1e-4, 1e-2),
        agc_error_db=(0.5, 3.0),
    ),
    "lab": Grade(
        ppm=(-2.5, 2.5),
        wander_ppm=(0.01, 0.1),
        phase_noise_dbc=(-115.0, -103.0),
        jitter_s=(2e-13, 2e-12),
        imbalance_db=(-0.02, 0.02),
        imbalance_deg=(-0.2, 0.2),
        leakage_db=(-60.0, -45.0),
        dc_db=(-70.0, -50.0),
        ripple_db=(0.05, 0.3),
        back_off_db=(12.0, 20.0),
        smoothness=(2.0, 3.0),
        am_pm_deg=(0.5, 2.0),
        bits=(12, 14),
        headroom_db=(9.0, 15.0),
        agc_s=(1e-3, 1e-1),
        agc_error_db=(0.1, 0.5),
    ),
}
