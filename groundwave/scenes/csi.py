"""WiFi channel state information of a moving person: activities as labels; rooms, people and access points."""

import math
from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from groundwave.contracts import Record
from groundwave.errors import lookup
from groundwave.rng import generator
from groundwave.scenes.knobs import require
from groundwave.scenes.rooms import draw_rooms
from groundwave.signal.csi_receiver import apply_faults, draw_chains, draw_faults, hold_lost, quantise_packets
from groundwave.signal.gait import ACTIVITIES, Person, draw_habits
from groundwave.signal.noise import noise_like
from groundwave.signal.scatterers import SPEED_OF_LIGHT_M_S, blockage, channel, scattered_paths
from groundwave.signal.skeleton import CROSS_SECTIONS, Pose, scatterers


class CSI:
    """Records `csi` complex64 `[antenna, subcarrier, packet]` of one person who does one thing in a room.

    A person is eight scatterers on a skeleton, which also shade the straight path; walls (reflected up to twice) and
    furniture stand still. Reflections by way of a person and then a wall are left out. Rooms, people and access points
    come from the seed and are the same in all blocks. The power of a record is 1 before the card's faults, noise not
    counted.

    Args:
        classes: activities to tell apart.
        num_rooms: rooms to draw from; `room` tells which.
        num_users: people to draw from; `user` tells who.
        num_access_points: transmitter, receiver and card in each room to draw from; `access_point` tells which.
        num_antennas: of the receiver.
        num_subcarriers: evenly over the band.
        num_packets: in a record.
        packet_rate_hz: packets a second.
        carrier_hz: of the channel.
        bandwidth_hz: from the first to the last subcarrier.
        snr_db: lowest and highest SNR, uniform in decibels.
        severity: of the card's faults: gain steps, start and phase of packets, unequal chains, 8 bits; 0: none.
        jitter: how late a packet may come, as a share of the time between packets; records do not tell.
        lost: share of packets that get lost; the nearest one stands in their place.
        records_per_class: of each class in a block.
        provenance: tell what was drawn, as `drawn_...`.
        seed: another seed is another, independent scene with other rooms and people.

    Raises:
        GroundwaveError: a setting that no record can have.
    """

    def __init__(
        self,
        *,
        classes: Sequence[str] = tuple(ACTIVITIES),
        num_rooms: int = 8,
        num_users: int = 16,
        num_access_points: int = 2,
        num_antennas: int = 3,
        num_subcarriers: int = 30,
        num_packets: int = 256,
        packet_rate_hz: float = 50.0,
        carrier_hz: float = 5.32e9,
        bandwidth_hz: float = 17.5e6,
        snr_db: tuple[float, float] = (20.0, 40.0),
        severity: float = 1.0,
        jitter: float = 0.2,
        lost: float = 0.02,
        records_per_class: int = 2,
        provenance: bool = False,
        seed: int = 0,
    ) -> None:
        for name in classes:
            lookup(ACTIVITIES, name, "activity")
        counts = {
            "num_rooms": num_rooms,
            "num_users": num_users,
            "num_access_points": num_access_points,
            "num_antennas": num_antennas,
            "num_subcarriers": num_subcarriers,
            "num_packets": num_packets,
            "records_per_class": records_per_class,
        }
        low, high = snr_db
        require(
            ("classes", classes, 0 < len(set(classes)) == len(classes), "at least one, each once"),
            *((name, value, value >= 1, "at least 1") for name, value in counts.items()),
            ("packet_rate_hz", packet_rate_hz, 0 < packet_rate_hz < math.inf, "a positive number"),
            ("carrier_hz", carrier_hz, 0 < carrier_hz < math.inf, "a positive number"),
            ("bandwidth_hz", bandwidth_hz, 0 <= bandwidth_hz < 2 * carrier_hz, "from 0 to twice the carrier"),
            ("snr_db", snr_db, -math.inf < low <= high < math.inf, "lowest, then highest, both finite"),
            ("severity", severity, 0 <= severity < math.inf, "a finite number, no less than 0"),
            ("jitter", jitter, 0 <= jitter <= 1, "from 0 to 1"),
            ("lost", lost, 0 <= lost < 1, "from 0 to less than 1"),
        )
        self.classes: Sequence[str] = tuple(classes)
        self.num_per_block = len(classes) * records_per_class
        self.packet_rate_hz, self.num_packets, self.snr_db = packet_rate_hz, num_packets, snr_db
        self.severity, self.jitter, self.lost = severity, jitter, lost
        self.provenance, self.seed = provenance, seed
        edge = bandwidth_hz / 2 if num_subcarriers > 1 else 0.0
        self.offsets_hz = torch.linspace(-edge, edge, num_subcarriers)
        self.wavelength_m = SPEED_OF_LIGHT_M_S / carrier_hz
        # In double precision the subcarriers of a wide band keep their distances.
        self.frequencies_hz = carrier_hz + self.offsets_hz.double()
        draw = generator(seed, "csi", "rooms")
        self.rooms = draw_rooms(num_rooms, num_access_points, num_antennas, self.wavelength_m / 2, draw)
        self.habits = draw_habits(num_users, generator=generator(seed, "csi", "users"))
        cards = generator(seed, "csi", "cards")
        self.chains = draw_chains(num_rooms * num_access_points, num_antennas, severity=severity, generator=cards)
        self._direct, self._around = self.rooms.still(self.frequencies_hz, self.wavelength_m)

    def block(self, b: int) -> Record:
        """Return block `b`, a pure function of (seed, settings, b)."""
        draw, num = generator(self.seed, "csi", "block", b), self.num_per_block
        label = torch.arange(num)[torch.randperm(num, generator=draw)] % len(self.classes)
        room = torch.randint(len(self.rooms.size), (num,), generator=draw)
        user = torch.randint(len(self.habits["height_m"]), (num,), generator=draw)
        access_point = torch.randint(self.rooms.transmitters.shape[1], (num,), generator=draw)
        times_s = (torch.arange(self.num_packets) + self.jitter * self._uniform(draw)) / self.packet_rate_hz
        body, drawn = self._moving(label, (room, access_point), user, times_s, draw)
        clean = self._heard(room, access_point, body)
        low, high = self.snr_db
        snr_db = low + (high - low) * torch.rand(num, generator=draw)
        csi = clean + 10 ** (-snr_db / 20)[:, None, None, None] * noise_like(clean, generator=draw)
        number = b * num + torch.arange(num)
        return {
            "csi": self._reported(csi, times_s, room, access_point, draw),
            "label": label,
            "snr_db": snr_db,
            "sample_rate_hz": torch.full((num,), self.packet_rate_hz, dtype=torch.float64),
            "room": room,
            "user": user,
            "access_point": access_point,
            "group": number,
            "index": number,
            **({f"drawn_{name}": values for name, values in drawn.items()} if self.provenance else {}),
        }

    def _uniform(self, draw: Generator) -> Tensor:
        return torch.rand((self.num_per_block, self.num_packets), generator=draw)

    def _moving(
        self, label: Tensor, link: tuple[Tensor, Tensor], user: Tensor, times_s: Tensor, draw: Generator
    ) -> tuple[Tensor, Record]:
        """Return where the scatterers of each person are `[record, scatterer, packet, 3]`, and what was drawn."""
        num = len(label)
        phase, moment, radius, heading = torch.rand((4, num), generator=draw)
        who = Person(
            **{name: values[user] for name, values in self.habits.items()},
            phase=phase,
            moment_s=moment * 0.6 * self.num_packets / self.packet_rate_hz,
            radius_m=0.7 + 0.5 * radius,
        )
        heading = 2 * math.pi * heading
        centre = self.rooms.places(*link, who.radius_m, draw)
        start = centre + who.radius_m[:, None] * torch.stack((heading.sin(), -heading.cos()), 1)
        body = times_s.new_empty(num, len(CROSS_SECTIONS), self.num_packets, 3)
        for code in label.unique().tolist():
            rows = (label == code).nonzero().squeeze(1)
            some = Person(**{name: values[rows] for name, values in vars(who).items()})
            pose: Pose = ACTIVITIES[self.classes[code]](times_s[rows], some)
            body[rows] = scatterers(pose, some.height_m, start[rows], heading[rows])
        return body, {"start": start, "heading_rad": heading, "times_s": times_s}

    def _heard(self, room: Tensor, access_point: Tensor, body: Tensor) -> Tensor:
        """Return the channels of a person in a room, of unit power."""
        sender, antennas = self.rooms.transmitters[room, access_point], self.rooms.receivers[room, access_point]
        sections = torch.tensor(CROSS_SECTIONS).expand(len(room), -1)
        lengths, amplitudes = scattered_paths(sender, body, antennas, sections, self.wavelength_m)
        moving = channel(lengths, amplitudes, self.frequencies_hz)
        shade = blockage(sender, antennas, body[:, 0])[:, :, None]
        direct, around = (still[room, access_point][..., None] for still in (self._direct, self._around))
        csi = direct * shade + around + moving
        return csi / csi.abs().square().mean((1, 2, 3), keepdim=True).sqrt()

    def _reported(self, csi: Tensor, times_s: Tensor, room: Tensor, access_point: Tensor, draw: Generator) -> Tensor:
        """Return what the card makes of it."""
        chains = self.chains[room * self.rooms.transmitters.shape[1] + access_point]
        faults = draw_faults(times_s, chains, severity=self.severity, generator=draw)
        lost = self._uniform(draw) < self.lost
        lost[:, 0] = False  # so that there is one to stand in for others
        csi = apply_faults(csi, self.offsets_hz, faults)
        csi = quantise_packets(csi) if self.severity > 0 else csi
        silent = (csi == 0).all(2).any(1)  # all of an antenna was less than a step: readers call that lost, too
        gone = lost | silent
        return hold_lost(csi, torch.where(gone.all(1, keepdim=True), lost, gone))
