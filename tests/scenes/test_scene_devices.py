"""Simulators on a GPU: every draw is made where the generator lives, and nothing stays on the processor."""

import pytest
from fake.devices import MetaGenerator, Watch

from groundwave.rng import generator
from groundwave.scenes.air import Air
from groundwave.scenes.domain import Domain
from groundwave.scenes.interferers import INTERFERERS
from groundwave.scenes.waveforms import WAVEFORMS

DOMAIN = Domain(num_devices=3, environment="TDL-D", doppler_hz=500.0, interference="sweep")


@pytest.mark.parametrize("name", WAVEFORMS)
def test_waveforms_draw_on_the_generators_device(name: str) -> None:
    draw = generator(0, name)
    with Watch() as watch:
        WAVEFORMS[name](3, 200, Air(4, 40e3), draw)
    assert set(watch.drawn) == {draw.device}


@pytest.mark.parametrize("name", WAVEFORMS)
def test_nothing_of_a_waveform_stays_on_the_processor(name: str) -> None:
    with Watch(elsewhere="meta"):
        assert WAVEFORMS[name](3, 200, Air(4, 40e3), MetaGenerator()).device.type == "meta"


@pytest.mark.parametrize("name", INTERFERERS)
def test_interferers_draw_on_the_generators_device(name: str) -> None:
    draw = generator(0, name)
    with Watch() as watch:
        INTERFERERS[name](3, 200, draw)
    assert set(watch.drawn) == {draw.device}


def test_a_domain_draws_on_the_generators_device() -> None:
    draw = generator(0, "domain")
    with Watch() as watch:
        DOMAIN.passage(3, 200, generator=draw)
    assert set(watch.drawn) == {draw.device}
