"""Random perturbations of a record. The table `VIEWS`; to add a view, add its line."""

from collections.abc import Callable, Mapping

from groundwave.contracts import View
from groundwave.views.answers import ANSWERS, check_views
from groundwave.views.clock import Crop, Resample, TimeReverse
from groundwave.views.compose import Compose
from groundwave.views.level import AddNoise, Amplitude, Gain, Normalise
from groundwave.views.multipath import Filter
from groundwave.views.oscillator import Conjugate, FrequencyShift, QuarterTurns, Rotate

VIEWS: Mapping[str, Callable[..., View]] = {
    "add_noise": AddNoise,
    "amplitude": Amplitude,
    "compose": Compose,
    "conjugate": Conjugate,
    "crop": Crop,
    "filter": Filter,
    "frequency_shift": FrequencyShift,
    "gain": Gain,
    "normalise": Normalise,
    "quarter_turns": QuarterTurns,
    "resample": Resample,
    "rotate": Rotate,
    "time_reverse": TimeReverse,
}

__all__ = [
    "ANSWERS",
    "VIEWS",
    "AddNoise",
    "Amplitude",
    "Compose",
    "Conjugate",
    "Crop",
    "Filter",
    "FrequencyShift",
    "Gain",
    "Normalise",
    "QuarterTurns",
    "Resample",
    "Rotate",
    "TimeReverse",
    "check_views",
]
