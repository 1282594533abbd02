"""What the panels of LSM share: data sets, seeds and contenders, one plan after another."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundwave.bench.contest import Contender, Questions, Setting, compete
from groundwave.bench.plans import Plan
from groundwave.recipes.contenders import TINY, Size, chosen, contenders
from groundwave.recipes.place import Place
from groundwave.recipes.radioml_sets import RECORDS_PER_CELL, DataSet, open_set
from groundwave.scenes.radioml import SNRS_DB

DATA = ("as-published", "fixed")
ALL_SNRS: tuple[float, ...] = tuple(map(float, SNRS_DB))
SMOKE_SNR = 10.0
SMOKE_RECORDS = 120  # of a class at an SNR: a few passes of the published generator
SMOKE_BATCH = 256

PlanOf = Callable[[DataSet, int], tuple[Plan, dict[str, Any]]]


@dataclass(frozen=True, kw_only=True)
class Panel(Place):
    """A panel: who takes part, on which data, parted how.

    Args:
        plan: from a data set and a seed to who may see what, and settings to store with each row.
        data: data sets, see `open_set`.
        methods: names of contenders.
        seeds: of splits, weights and draws.
        folder: of pretraining runs, in that of all runs; by default the panel's name.
        by: what splits keep whole, see `open_set`.
        epochs: of each pretraining, instead of the contender's own.
        joint: one encoder for all SNRs for those, too, that have one for each.
    """

    plan: PlanOf
    data: Sequence[str]
    methods: Sequence[str]
    seeds: Sequence[int]
    folder: str = ""
    by: str = "groups"
    epochs: int | None = None
    joint: bool = False

    def snrs_db(self, wanted: Sequence[float]) -> tuple[float, ...]:
        """Return at which SNRs to ask."""
        return (SMOKE_SNR,) if self.smoke else tuple(map(float, wanted))

    def contenders(self) -> list[Contender]:
        """Return the contenders, joined where that is asked for."""
        found = chosen(self.methods, contenders(TINY if self.smoke else Size()))
        return [self.shortened(one.joined() if self.joint else one) for one in found]

    def shortened(self, contender: Contender) -> Contender:
        """Return a contender whose pretraining is as long as this panel wants it."""
        if self.smoke:
            return contender.shortened(1, SMOKE_BATCH)
        return contender if self.epochs is None else contender.shortened(self.epochs)

    def contest(self, questions: Questions, contenders: Sequence[Contender] | None = None) -> Path:
        """Let contenders, those of the panel's methods by default, answer on each data set; return the file of rows."""
        answering = self.contenders() if contenders is None else [self.shortened(one) for one in contenders]
        for setting in self.settings():
            for contender in answering:
                compete(contender, questions, setting)
        return self.path

    def settings(self) -> Iterator[Setting]:
        """Yield each data set with each seed's plan."""
        sheet = self.sheet()
        for data in self.data[:1] if self.smoke else self.data:
            opened = self._open(data)
            for seed in self.seeds[:1] if self.smoke else self.seeds:
                plan, config = self.plan(opened, seed)
                yield Setting(
                    data=opened.name,
                    source=opened.source,
                    snr_db=opened.snr_db,
                    plan=plan,
                    seed=seed,
                    sheet=sheet,
                    runs=self.home / (self.folder or self.name),
                    config={**opened.config, **config},
                    progress=not self.smoke,
                )

    def _open(self, data: str) -> DataSet:
        if self.smoke:
            return open_set(data, snrs_db=(SMOKE_SNR,), records_per_cell=SMOKE_RECORDS, by=self.by)
        return open_set(data, snrs_db=ALL_SNRS, records_per_cell=RECORDS_PER_CELL, by=self.by)
