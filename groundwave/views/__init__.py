"""Random perturbations of a record. The table `VIEWS`, and `PICTURE_VIEWS`; to add a view, add its line."""

from collections.abc import Callable, Mapping

from groundwave.contracts import View
from groundwave.views.answers import ANSWERS, check_views
from groundwave.views.clock import Crop, Resample, TimeReverse
from groundwave.views.compose import Compose
from groundwave.views.hardware import OtherFrontEnd
from groundwave.views.level import AddNoise, Amplitude, Gain, Normalise
from groundwave.views.multipath import Filter
from groundwave.views.oscillator import Conjugate, FrequencyShift, QuarterTurns, Rotate
from groundwave.views.picture import AddColourNoise, AddDepthNoise, ColourJitter, CropPicture, FlipPicture, ScaleDepth

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
    "other_front_end": OtherFrontEnd,
    "quarter_turns": QuarterTurns,
    "resample": Resample,
    "rotate": Rotate,
    "time_reverse": TimeReverse,
}

PICTURE_VIEWS: Mapping[str, Callable[..., View]] = {
    "add_colour_noise": AddColourNoise,
    "add_depth_noise": AddDepthNoise,
    "colour_jitter": ColourJitter,
    "crop_picture": CropPicture,
    "flip_picture": FlipPicture,
    "scale_depth": ScaleDepth,
}

__all__ = [
    "ANSWERS",
    "PICTURE_VIEWS",
    "VIEWS",
    "AddColourNoise",
    "AddDepthNoise",
    "AddNoise",
    "Amplitude",
    "ColourJitter",
    "Compose",
    "Conjugate",
    "Crop",
    "CropPicture",
    "Filter",
    "FlipPicture",
    "FrequencyShift",
    "Gain",
    "Normalise",
    "OtherFrontEnd",
    "QuarterTurns",
    "Resample",
    "Rotate",
    "ScaleDepth",
    "TimeReverse",
    "check_views",
]
