"""Simulators: an address in, labelled records out. The table `SCENES`; to add a scene, add its line."""

from collections.abc import Callable, Mapping

from groundwave.contracts import Scene
from groundwave.scenes.radioml import RadioML

SCENES: Mapping[str, Callable[..., Scene]] = {
    "radioml": RadioML,
}
