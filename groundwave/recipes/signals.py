"""How docs/signals.md is made, every number and picture by our own code: `python -m groundwave.recipes.signals`."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from groundwave.atomic import write_atomically
from groundwave.bench.signal_pictures import rooms_picture, waveform_picture, wideband_picture
from groundwave.contracts import Record
from groundwave.page import png
from groundwave.rng import generator
from groundwave.scenes.air import Air, Waveform
from groundwave.scenes.analog import ANALOG
from groundwave.scenes.cellular import Cellular
from groundwave.scenes.ism_band import ISMBand
from groundwave.scenes.keying import KEYING
from groundwave.scenes.linear import LINEAR, ROLLOFF, SPAN
from groundwave.scenes.multicarrier import MULTICARRIER
from groundwave.scenes.occupancy import Occupancy
from groundwave.scenes.packets import PACKETS
from groundwave.scenes.plain import PLAIN
from groundwave.scenes.radar import RADAR
from groundwave.scenes.rgbd import RGBD
from groundwave.scenes.spectrogram import Spectrogram
from groundwave.scenes.spread import SPREAD
from groundwave.signal.demodulate import matched, matched_offset
from groundwave.signal.noise import power, unit_power
from groundwave.signal.pulse import root_raised_cosine
from groundwave.signal.spectrum import occupied_bandwidth, power_spectrum, spectrogram_db

SECTIONS: Mapping[str, Mapping[str, Waveform]] = {
    "Linear modulations": LINEAR,
    "Frequency and continuous-phase keying": KEYING,
    "Analog": ANALOG,
    "Multicarrier": MULTICARRIER,
    "Spread spectrum": SPREAD,
    "Radar": RADAR,
    "Packets": PACKETS,
    "Plain": PLAIN,
}
AIR = Air(8)
NUM_RECORDS = 64
NUM_SAMPLES = 16_384
NUM_FREQS = 256
HEAD = f"""# Signals

Every waveform of `groundwave list waveforms`, drawn by the code that generates it; made by
`python -m groundwave.recipes.signals`.

Left: mean power spectrum. Right: the symbols that a matched filter sees, or where in frequency and time one record has
its power. Frequencies are in nominal bandwidths (the symbol rate, chip rate, swept band or critical rate of the
subcarriers; a waveform that has one by standard says it in hertz), as `Air.samples_per_symbol` counts them. B99 is the
bandwidth that holds 99 % of the power, in the same unit; the crest factor is the 99.9 % quantile of the power over its
mean. Both are of {NUM_RECORDS} records of {NUM_SAMPLES // AIR.samples_per_symbol} symbols.
"""

WIDE_BAND = """## Wide band

One record of each scene of whole bands: what a receiver sees, and its truth.

**spectrogram**: any waveforms.<br>![A spectrogram with boxes, and its mask]({folder}/spectrogram.png)

**cellular**: an NR carrier, an LTE carrier and a radar.<br>![NR, LTE and radar, and their mask]({folder}/cellular.png)

**ism-band**: whatever sends at 2.4 GHz.<br>![WiFi and others, and their mask]({folder}/ism-band.png)

**occupancy**: patterns in slotted time.<br>![Slotted emitters, and their mask]({folder}/occupancy.png)
"""
ROOMS = """## Rooms

**rgbd**: a room of each class, in colour and in depth; above with 32 by 32 pixels, as in training, below the same with
160 by 160. Furniture is in both; the pattern of the wallpaper is in colour alone, the relief of the walls in depth
alone.<br>![Rooms of ten
classes in colour and in depth]({folder}/rgbd.png)
"""
WIDE_SCENES: Mapping[str, Callable[[], Spectrogram | Cellular | ISMBand | Occupancy]] = {
    "spectrogram": partial(Spectrogram, seed=2, num_per_block=1, num_emitters=(5, 5)),
    "cellular": partial(Cellular, seed=3, num_per_block=7, classes=("NR", "LTE", "radar"), emitter_snr_db=(15, 30)),
    "ism-band": partial(
        ISMBand,
        seed=6,
        num_per_block=1,
        num_emitters=(6, 6),
        bandwidth_mhz=(40, 60),
        emitter_snr_db=(15, 30),
        gain_steps=0.0,
    ),
    "occupancy": partial(Occupancy, seed=1, num_per_block=1, num_emitters=(5, 5)),
}


def signals(out: Path = Path("docs/signals.md")) -> Path:
    """Write the page and, in a folder of its name beside it, one picture a waveform."""
    pictures = out.with_suffix("")
    pictures.mkdir(parents=True, exist_ok=True)
    text = [HEAD]
    for title, table in SECTIONS.items():
        text.append(f"## {title}\n")
        text.append(
            "| waveform | family | what it is | nominal | B99 | crest | source |\n|---|---|---|---:|---:|---:|---|"
        )
        drawn = {name: draw(name, waveform) for name, waveform in table.items()}
        text += [line(name, table[name], iq) for name, iq in drawn.items()]
        text.append("")
        shown = []
        for name, iq in drawn.items():
            file = pictures / f"{name}.png"
            write_atomically(file, png(picture(name, iq)))
            shown.append(f"**{name}**<br>![Spectrum and view of {name}]({pictures.name}/{file.name})")
        text += ["| | |\n|---|---|", *(f"| {' | '.join(shown[i : i + 2])} |" for i in range(0, len(shown), 2)), ""]
    for name in WIDE_SCENES:
        write_atomically(pictures / f"{name}.png", png(wideband(name)))
    text.append(WIDE_BAND.format(folder=pictures.name))
    write_atomically(pictures / "rgbd.png", png(rooms()))
    text.append(ROOMS.format(folder=pictures.name))
    write_atomically(out, "\n".join(text).encode())
    return out


def wideband(name: str) -> Figure:
    """Return the picture of the record with most emitters in the first block of a scene of whole bands."""
    scene = WIDE_SCENES[name]()
    block = scene.block(0)
    row = int(block["box_label"].ge(0).sum(1).argmax()) if "box_label" in block else 0
    record = {key: values[row].numpy() for key, values in block.items()}
    there = record["box_label"] >= 0 if "boxes" in record else np.zeros(0, bool)
    names = [scene.classes[label] for label in record["box_label"][there]] if "boxes" in record else []
    boxes = record["boxes"][there] if "boxes" in record else np.zeros((0, 4))
    return wideband_picture(
        record["spec"], record["mask"], boxes, names, _hop(scene, block), num_classes=len(scene.classes)
    )


def rooms() -> Figure:
    """Return the picture of a room of each class of the scene `rgbd`, small and large."""
    scenes = (RGBD(height=size, width=size, rooms_per_class=1, pictures_per_room=1, seed=1) for size in (32, 160))
    records = [scene.block(0) for scene in scenes]
    order = [record["label"].argsort() for record in records]
    pictures = [
        (record["rgb"][rows].movedim(1, -1).numpy(), record["depth"][rows, 0].numpy())
        for record, rows in zip(records, order, strict=True)
    ]
    return rooms_picture(pictures, RGBD.classes)


def _hop(scene: Spectrogram | Cellular | ISMBand | Occupancy, block: Record) -> int:
    """Return the samples from one column to the next."""
    if isinstance(scene, Spectrogram):
        return scene.grid.hop
    if isinstance(scene, ISMBand):
        return scene.screen(float(block["sample_rate_hz"][0])).num_averaged * scene.num_freqs
    return scene.screen.num_averaged * scene.screen.num_freqs


def draw(name: str, waveform: Waveform) -> Tensor:
    """Return clean IQ `[NUM_RECORDS, NUM_SAMPLES]`, analog messages sampled as densely as the others."""
    air = Air(AIR.samples_per_symbol, AIR.samples_per_symbol * (waveform.bandwidth_hz or AIR.sample_rate_hz))
    return unit_power(waveform(NUM_RECORDS, NUM_SAMPLES, air, generator(0, "signals", name)))


def line(name: str, waveform: Waveform, iq: Tensor) -> str:
    """Return a waveform's line of the table."""
    mean_spectrum = torch.fft.ifft(torch.fft.fft(iq).abs().square().mean(0).sqrt())
    occupied = float(occupied_bandwidth(mean_spectrum)) * AIR.samples_per_symbol
    crest_db = 10 * np.log10(np.quantile(iq.abs().square().numpy(), 0.999) / float(power(iq).mean()))
    nominal = f"{waveform.bandwidth_hz / 1e3:,.5g} kHz" if waveform.bandwidth_hz else ""
    cells = (name, waveform.family, waveform.text, nominal, f"{occupied:.2f}", f"{crest_db:.1f} dB", waveform.source)
    return f"| {' | '.join(cells)} |"


def picture(name: str, iq: Tensor) -> Figure:
    """Return the picture of a waveform: constellation where its symbols make one, otherwise time and frequency."""
    spectrum = 10 * torch.log10(power_spectrum(iq, NUM_FREQS).mean(0).clamp(min=1e-9))
    frequency = (torch.arange(NUM_FREQS) / NUM_FREQS - 0.5) * AIR.samples_per_symbol
    left = ((spectrum - spectrum.max()).numpy(), frequency.numpy())
    if name in LINEAR:
        return waveform_picture(*left, symbols(name, iq[0]).numpy())
    view = spectrogram_db(iq[0, : NUM_SAMPLES // 2], 128, 32)
    return waveform_picture(*left, view.numpy(), symbols=NUM_SAMPLES / 2 / AIR.samples_per_symbol)


def symbols(name: str, iq: Tensor) -> Tensor:
    """Return what a synchronised receiver decides on."""
    sps = AIR.samples_per_symbol
    pulse, late = (root_raised_cosine(sps, SPAN, ROLLOFF, delay) for delay in (0.0, 0.5))
    return matched_offset(iq, pulse, late, sps) if name == "OQPSK" else matched(iq, pulse, sps)


if __name__ == "__main__":
    from jsonargparse import auto_cli

    auto_cli(signals, as_positional=False)
