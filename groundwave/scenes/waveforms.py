"""Every transmitter by name. To add one, add a line to the table of its file, or a file with its table here."""

from groundwave.scenes.air import Waveform
from groundwave.scenes.analog import ANALOG
from groundwave.scenes.keying import KEYING
from groundwave.scenes.linear import LINEAR
from groundwave.scenes.multicarrier import MULTICARRIER
from groundwave.scenes.packets import PACKETS
from groundwave.scenes.plain import PLAIN
from groundwave.scenes.radar import RADAR
from groundwave.scenes.spread import SPREAD

WAVEFORMS: dict[str, Waveform] = {
    **LINEAR,
    **KEYING,
    **ANALOG,
    **MULTICARRIER,
    **SPREAD,
    **RADAR,
    **PACKETS,
    **PLAIN,
}
