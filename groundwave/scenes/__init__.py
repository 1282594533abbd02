"""Simulators: an address in, labelled records out. The table `SCENES`; to add a scene, add its line.

`LONG_SCENES` makes whole recordings with the truth beside them: `scene.recording(b)` instead of `scene.block(b)`.
"""

from collections.abc import Callable, Mapping

from groundwave.contracts import Scene
from groundwave.scenes.angles import Angles
from groundwave.scenes.beams import Beams
from groundwave.scenes.bursts import Bursts
from groundwave.scenes.cellular import Cellular
from groundwave.scenes.csi import CSI
from groundwave.scenes.ism_band import ISMBand
from groundwave.scenes.modulations import Modulations
from groundwave.scenes.occupancy import Occupancy
from groundwave.scenes.radioml import RadioML
from groundwave.scenes.rgbd import RGBD
from groundwave.scenes.rml22 import RML22
from groundwave.scenes.spectrogram import Spectrogram

SCENES: Mapping[str, Callable[..., Scene]] = {
    "angles": Angles,
    "beams": Beams,
    "csi": CSI,
    "modulations": Modulations,
    "radioml": RadioML,
    "rml22": RML22,
    "spectrogram": Spectrogram,
    "cellular": Cellular,
    "ism-band": ISMBand,
    "occupancy": Occupancy,
    "rgbd": RGBD,
}

LONG_SCENES: Mapping[str, Callable[..., Bursts]] = {
    "bursts": Bursts,
}
