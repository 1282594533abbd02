"""Beam prediction from few measurements on real 60 GHz recordings (DeepSense 6G), and in a site that is new."""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from groundwave.bench.beam_powers import (
    NEIGHBOURS,
    BestMeasured,
    Committee,
    Guesser,
    HomeForest,
    Neighbours,
    SitesNetwork,
    above_noise,
    best_comb,
    combs,
    hits,
    known_of,
    measured_features,
    noise_of,
    scale_of,
    scored,
)
from groundwave.bench.cells import Cell, Sheet
from groundwave.bench.fewshot import FAILURES, reason
from groundwave.bench.methods import NUM_TREES
from groundwave.bench.plans import Plan, check_plan
from groundwave.contracts import Record
from groundwave.data.deepsense import open_deepsense
from groundwave.data.sources import Records
from groundwave.data.split import split
from groundwave.recipes.place import Place
from groundwave.rng import generator
from groundwave.signal.array import beam_gain, linear_array, steering
from groundwave.signal.codebook import fan, steered_beams

NUM_MEASURED = 8
SHARES = {"train": 0.6, "validation": 0.2, "test": 0.2}  # of the sequences of each site
TOPS = (1, 3)
SHIFTS = (0, -2, -1, 1, 2)  # beams by which the virtual sites differ
OURS = "ours"


@dataclass(frozen=True)
class Site:
    """Rows of one scenario by what they are for."""

    number: int
    parts: dict[str, Tensor]


def deepsense_beams(
    results: Path = Path("results"),
    *,
    runs: Path = Path("runs/beams"),
    data: str = "drives",
    seeds: Sequence[int] = (0, 1, 2),
    labels: int = 32,
    smoke: bool = False,
) -> Path:
    """Predict the strongest of 64 beams from 8 that were measured, and from position, in sequences that are new.

    Which 8 are measured is chosen on the training sides of all scenarios: an even comb, by nearest neighbours on the
    validation sequences. Then each scenario is taken as new: known are all others, on which the comb is chosen too, and
    none or a few labels of its training sequences.

    Args:
        results: folder of the file of rows.
        runs: folder of what a rehearsal writes.
        data: the `.npz` of DeepSense scenarios, or `drives`, a simulated street.
        seeds: of the splits and of what learns.
        labels: how few labels of a new scenario.
        smoke: as small as can be, to see that everything works; its rows go to RUNS/smoke/results.

    Returns:
        The file of rows.
    """
    sheet = Place(name="deepsense-beams", results=results, runs=runs, smoke=smoke).sheet()
    source = simulated_drives(num_sites=3 if smoke else 9) if data == "drives" else open_deepsense(data)
    street = Street(source, Path(data).name, sheet, smoke)
    for seed in seeds[:1] if smoke else seeds:
        sites = street.sites(seed)
        beams = street.chosen(sites)
        for site in sites:
            street.within(site, sites, beams, seed)
        for site in sites:
            street.new(site, sites, seed, labels)
    return sheet.path


def simulated_drives(num_sites: int, num_sequences: int = 10, num_records: int = 20) -> Records:
    """Return cars that pass base stations with 64 beams: `power`, `position`, `scenario`, as DeepSense has them."""
    draw = generator(0, "drives")
    positions = linear_array(16)
    weights = steered_beams(positions, fan(64, math.pi / 3))
    parts = []
    for site in range(num_sites):
        along = torch.linspace(-20, 20, num_records).expand(num_sequences, -1)
        across = (8 + 4 * torch.rand((num_sequences, 1), generator=draw)).expand(-1, num_records)
        azimuth = torch.atan2(along, across)
        angle = torch.stack([azimuth, torch.zeros_like(azimuth)], dim=-1).flatten(0, 1)
        gain = beam_gain(weights, steering(positions, angle)) / (along.square() + across.square()).flatten()[:, None]
        noise = 0.002 * (1 + torch.rand(gain.shape, generator=draw))
        parts.append(
            {
                "power": gain + noise,
                "position": torch.stack([across, along], dim=-1).flatten(0, 1),
                "scenario": torch.full((len(gain),), site + 1),
                "group": site * num_sequences + torch.arange(num_sequences).repeat_interleave(num_records),
            }
        )
    record = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    names = [f"scenario{1 + k // num_sequences}/{k % num_sequences}" for k in range(num_sites * num_sequences)]
    classes = [str(beam) for beam in range(64)]
    return Records({**record, "label": record["power"].argmax(dim=1)}, classes=classes, group_names=names)


class Street:
    """All scenarios with their rows of results.

    Args:
        source: records of `power`, `position` and `scenario`; groups are sequences.
        name: of the data.
        sheet: the rows.
        small: learners as small as can be.
    """

    def __init__(self, source: Records, name: str, sheet: Sheet, small: bool) -> None:
        record = source[torch.arange(len(source))]
        self.source, self.name, self.sheet = source, name, sheet
        self.size = (30, 30, 5) if small else (4000, 800, 100)  # steps of both networks, trees
        self.power, self.power_db = record["power"], 10 * record["power"].clamp_min(1e-12).log10()
        self.position, self.scenario = record["position"], record["scenario"]

    def sites(self, seed: int) -> list[Site]:
        """Return each scenario with its sequences dealt to training, validation and test."""
        numbers = self.scenario.unique().tolist()
        rows = {number: (self.scenario == number).nonzero()[:, 0] for number in numbers}
        return [Site(n, split(self.source, SHARES, seed=seed, indices=rows[n])) for n in numbers]

    def chosen(self, sites: Sequence[Site]) -> Tensor:
        """Return the beams to measure, chosen on training and validation sequences of these scenarios."""

        def value(beams: Tensor) -> float:
            total = 0.0
            for site in sites:
                known = self._seen(site, site.parts["train"], beams)
                asked = self._seen(site, site.parts["validation"], beams)
                total += hits(Neighbours().fit(known).predict(asked), asked["label"], 1)
            return total

        return best_comb(combs(self.power_db.shape[1], NUM_MEASURED), value)

    def within(self, site: Site, sites: Sequence[Site], beams: Tensor, seed: int) -> None:
        """Ask about the test sequences of a scenario whose other sequences have labels, as all others have."""
        own = torch.cat([site.parts["train"], site.parts["validation"]])
        for guesser in self.guessers(beams):
            self._ask(guesser, site, sites, beams, own, seed, None, "from 8 beams")
        for guesser in self.guessers(None):
            self._ask(guesser, site, [site], None, own, seed, None, "from position")

    def new(self, site: Site, sites: Sequence[Site], seed: int, labels: int) -> None:
        """Ask about the same sequences with no label of the scenario, or a few."""
        train = site.parts["train"]
        order = torch.randperm(len(train), generator=generator(seed, "labels", site.number))
        others = [other for other in sites if other is not site]
        beams = self.chosen(others)
        for guesser in self.guessers(beams):
            if guesser.name == OURS:
                self._ask(guesser, site, sites, beams, train[:0], seed, 0, "from 8 beams")
            self._ask(guesser, site, sites, beams, train[order[:labels]], seed, labels, "from 8 beams")

    def guessers(self, beams: Tensor | None) -> Iterator[Guesser]:
        """Yield what takes part, given what is measured: beams, or None for the position."""
        if beams is not None:
            yield Guesser("best of the measured", lambda _: BestMeasured(beams), {})
        yield Guesser("nearest neighbours", lambda _: Neighbours(), {"neighbours": NEIGHBOURS})
        yield Guesser("random forest", HomeForest, {"trees": NUM_TREES})
        shared, alone, trees = self.size
        if beams is not None:
            yield Guesser(
                OURS,
                lambda seed: SitesNetwork(seed, shared),
                {"steps": shared, "shifts": SHIFTS, "network": "SitesMLP"},
            )
        else:
            yield Guesser(OURS, lambda seed: Committee(seed, alone, trees), {"steps": alone, "trees": trees})

    def _ask(
        self,
        guesser: Guesser,
        site: Site,
        sites: Sequence[Site],
        beams: Tensor | None,
        own: Tensor,
        seed: int,
        labels: int | None,
        what: str,
    ) -> None:
        """Fill the cells of one guesser: it learns from `own` rows of the scenario and training rows of the others."""
        config: dict[str, Any] = {"input": what, "learner": guesser.name, **guesser.config}
        config |= {"measured": None if beams is None else beams.tolist()}
        place: dict[str, Any] = {"data": f"{self.name}, scenario {site.number}", "seed": seed, "shots": labels}
        cells = [Cell(method=f"{guesser.name}, {what}", metric=f"top-{k}", config=config, **place) for k in TOPS]
        if not self.sheet.missing(cells):
            return
        start = time.perf_counter()
        known = self._known(sites, site, beams, own)
        plan = self._plan(site, known["index"].unique(), own)
        try:
            asked = self._seen(site, site.parts["test"], beams)
            scores = scored(guesser, seed, known, asked)
        except FAILURES as error:
            self.sheet.fail(cells, reason(error))
            return
        proof: dict[str, Any] = {"split": plan.split, "split_hash": plan.hash(), "seconds": time.perf_counter() - start}
        for cell, top in zip(cells, TOPS, strict=True):
            self.sheet.fill(cell, hits(scores, asked["label"], top), n=len(scores), **proof)

    def _plan(self, site: Site, known: Tensor, own: Tensor) -> Plan:
        everything = tuple(range(self.power_db.shape[1]))
        plan = Plan(
            split="sequences of each scenario dealt whole, one asked about",
            pretraining=known,
            support=own,
            query=site.parts["test"],
            validation=known[:0],
            classes=everything,
            known=everything,
            support_seen=True,
        )
        return check_plan(plan, self.source.groups)

    def _known(self, sites: Sequence[Site], home: Site, beams: Tensor | None, own: Tensor) -> Record:
        """Return what may be known: `own` rows of the scenario asked about, and training rows of all others.

        Where beams are measured, virtual sites stand beside the others, whose beams point a little elsewhere, for what
        learns from several sites.
        """
        parts = []
        for site in sites:
            if site is home:
                parts.append(self._seen(site, own, beams))
            elif beams is not None:  # from position, which tells nothing elsewhere, each site learns alone
                rows = site.parts["train"]
                parts += [self._seen(site, rows, beams, shift, at_home=False) for shift in self._shifts(beams)]
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

    def _shifts(self, beams: Tensor) -> list[int]:
        """Return by how many beams sites are shifted, so that all measured ones remain."""
        return [k for k in SHIFTS if int(beams.min()) + k >= 0 and int(beams.max()) + k < self.power.shape[1]]

    def _seen(self, site: Site, rows: Tensor, beams: Tensor | None, shift: int = 0, *, at_home: bool = True) -> Record:
        """Return what rows show and their labels, in the scale of the site's training and validation rows.

        That scale takes no label. In a virtual site beam b is what beam b + `shift` was; rows whose best beam is then
        none are left out. Validation rows at home are marked (`validates`), for those that choose by them.
        """
        power, power_db = shifted(self.power, shift), shifted(self.power_db, shift)
        if shift:
            rows = rows[power_db[rows].amax(1) == self.power_db[rows].amax(1)]
        scaled = torch.cat([site.parts["train"], site.parts["validation"]])
        if beams is None:
            mean, spread = scale_of(self.position[scaled])
            seen = {"features": (self.position[rows] - mean) / spread}
        else:
            seen = {
                "features": measured_features(power_db[rows], beams, scale_of(power_db[scaled][:, beams])),
                "heard": above_noise(power[rows][:, beams], noise_of(power[scaled][:, beams])),
                "site": torch.full((len(rows),), site.number * len(SHIFTS) + SHIFTS.index(shift)),
                "weight": torch.full((len(rows),), 1 / len(SHIFTS) if shift else 1.0),
            }
        home = torch.full((len(rows),), at_home and shift == 0)
        return seen | known_of(power_db[rows], rows, home, home & torch.isin(rows, site.parts["validation"]))


def shifted(power: Tensor, shift: int) -> Tensor:
    """Return powers `[N, C]` of beams that lie `shift` further, nothing (-inf) where there is none."""
    if shift == 0:
        return power
    gone = power.new_full((len(power), abs(shift)), -torch.inf)
    return torch.cat([power[:, shift:], gone] if shift > 0 else [gone, power[:, :shift]], dim=1)
