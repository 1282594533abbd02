"""The whole cascade on a packaged encoder and on a ViT: smaller, faster, and what it costs."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from shutil import rmtree
from time import perf_counter
from typing import Any

import torch

from groundwave.bench.cells import Cell, Sheet
from groundwave.bench.plans import Plan
from groundwave.compress.distil import Labels, Scored
from groundwave.contract import SpectrogramContract
from groundwave.data.batch import loader
from groundwave.data.sources import Records
from groundwave.data.spectrograms import Transform
from groundwave.model import Model
from groundwave.nn.heads import LinearHead
from groundwave.recipes.compress import Budget
from groundwave.recipes.compress import cascade as compressed
from groundwave.recipes.compress_measured import Candidate
from groundwave.recipes.compress_parts import Part, deal, inputs, parts_of
from groundwave.recipes.place import Place
from groundwave.rng import stable_hash
from groundwave.scenes.radioml import RadioML
from groundwave.train import Schedule, fit

MODELS = ("iq-small", "vit")
CLASSES = ("BPSK", "QPSK", "8PSK", "QAM16", "GFSK", "CPFSK", "AM-DSB", "WBFM")
SNRS_DB = (0, 6, 12, 18)
DATA_SEED = 88
TRANSFORM = Transform(num_freqs=32, num_frames=32, hop=32, num_averaged=1)  # 1024 samples
VIT: Mapping[str, Any] = {"num_channels": 1, "dim": 128, "depth": 6, "num_heads": 4, "patch": (8, 8)}
TINY_VIT = {**VIT, "dim": 32, "depth": 1}
BUDGET = Budget("accuracy", 0.005)
SHRINK = (2.0, 4.0, 10.0)
METRICS = (
    *("accuracy", "validation accuracy", "parameters", "MMACs", "file kB", "ms", "ms, p95", "records/s"),
    "peak kB",
)


def cascade(
    results: Path = Path("results"),
    *,
    runs: Path = Path("runs/accelerated"),
    models: Sequence[str] = MODELS,
    seeds: Sequence[int] = (0, 1, 2),
    records_per_cell: int = 120,
    epochs: int = 6,
    smoke: bool = False,
) -> Path:
    """Adapt a model to eight modulations with all labels, then prune, quantise and add exits, within half a point.

    Args:
        results: folder of the file of rows.
        runs: folder of training runs, and of each cascade's own report.
        models: `vit`, which is trained from random weights on spectrograms, or packaged encoders of IQ.
        seeds: of split, weights and order.
        records_per_cell: of a class at an SNR.
        epochs: of the original, and after each step.
        smoke: as small as can be, to see that everything works; its rows go to RUNS/smoke/results.

    Returns:
        The file of rows.
    """
    place = Place(name="cascade", results=results, runs=runs, smoke=smoke)
    sheet = place.sheet()
    shrink: tuple[float, ...] = SHRINK
    if smoke:
        models, seeds, records_per_cell, epochs, shrink = ("vit",), tuple(seeds)[:1], 4, 1, (1.5,)
    source = _simulated(records_per_cell)
    for name in models:
        for seed in seeds:
            setting = _Setting(name, seed, records_per_cell, epochs, shrink)
            _run(setting, TINY_VIT if smoke else VIT, source, sheet, place.home / "cascade")
    return sheet.path


@dataclass(frozen=True)
class _Setting:
    """What tells one cascade from another."""

    model: str
    seed: int
    records_per_cell: int
    epochs: int
    shrink: tuple[float, ...]

    def cells(self, title: str) -> list[Cell]:
        """Return the cells of one form."""
        config = {**asdict(self), "budget": BUDGET._asdict()}
        told = {"method": f"{self.model}: {title}", "data": "radioml fixed", "seed": self.seed, "config": config}
        return [Cell(metric=metric, **told) for metric in METRICS]  # type: ignore[arg-type]


def _run(setting: _Setting, vit: Mapping[str, Any], source: Records, sheet: Sheet, home: Path) -> None:
    """Fill the cells of one model and seed, unless they are filled: the chosen form is the last one."""
    if not sheet.missing(setting.cells("chosen")[:1]):
        return
    started, seed = perf_counter(), setting.seed
    plan = deal(source, seed)
    model = _model(setting.model, seed, vit)
    parts = parts_of(model, source, plan)
    here = home / f"{setting.model}-{seed}"
    _taught(model, parts["train"], here / "original", setting)
    rmtree(here / "cascade", ignore_errors=True)  # of a run that was interrupted before its rows were written
    found, chosen = compressed(
        model,
        parts,
        BUDGET,
        out=here / "cascade",
        shrink=setting.shrink,
        epochs=setting.epochs,
        seed=seed,
        title="accuracy=-0.5",
    )
    forms = {f"{one.title}, {one.backend}": one for one in found} | {"chosen": chosen}
    seconds = (perf_counter() - started) / len(forms)
    for title, one in forms.items():
        _fill(sheet, setting.cells(title), one, plan, parts["test"], seconds)


def _fill(sheet: Sheet, cells: list[Cell], one: Candidate, plan: Plan, test: Part, seconds: float) -> None:
    values = (
        *(one.test, one.validation, one.parameters, one.macs / 1e6),
        *(one.file_bytes / 1e3, 1e3 * one.p50_s, 1e3 * one.p95_s, one.per_second),
        *(() if one.peak_bytes is None else (one.peak_bytes / 1e3,)),
    )
    told = {"split": plan.split, "split_hash": plan.hash(), "seconds": seconds / len(METRICS)}
    for cell, value in zip(cells, values, strict=False):
        sheet.fill(cell, value, n=len(plan.query), **told)  # type: ignore[arg-type]
    for snr_db, share in one.by_snr.items():
        num = int((test.snr_db == snr_db).sum())
        sheet.fill(replace(cells[0], snr_db=snr_db), share, n=num, **told)  # type: ignore[arg-type]


def _simulated(records_per_cell: int) -> Records:
    scene = RadioML(
        "fixed",
        num_samples=1024,
        classes=CLASSES,
        snrs_db=SNRS_DB,
        records_per_cell=records_per_cell,
        seed=DATA_SEED,
    )
    record = scene.block(0)
    record["spec"] = TRANSFORM.cells(record["iq"][:, None])["spec"]
    names = [str(group) for group in range(int(record["group"].max()) + 1)]
    return Records(record, classes=scene.classes, group_names=names)


def _model(name: str, seed: int, vit: Mapping[str, Any]) -> Model:
    """Return a packaged encoder, or a ViT with random weights, with a new head."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stable_hash(seed, "cascade", name))
        if name == "vit":
            contract = SpectrogramContract(
                num_freqs=TRANSFORM.num_freqs,
                num_frames=TRANSFORM.num_frames,
                hop=TRANSFORM.hop,
                num_averaged=TRANSFORM.num_averaged,
                window=TRANSFORM.window,
            )
            model = Model.build("vit", contract, dict(vit))
        else:
            model = Model.load(name)
        args = {"in_features": model.num_features, "out_features": len(CLASSES)}
        return model.with_head("linear", LinearHead(model.num_features, len(CLASSES)), args, CLASSES)


def _taught(model: Model, train: Part, out: Path, setting: _Setting) -> None:
    """Let the whole model learn from all labels."""
    assert model.head is not None
    records = Records({"x": train.x, "label": train.label})
    size = min(64, len(train.x))
    fit(
        Labels(Scored(model.backbone.requires_grad_(True), model.head), inputs),
        lambda epoch: loader(records, batch_size=size, seed=setting.seed, drop_last=True, epoch=epoch),
        schedule=Schedule(epochs=setting.epochs, lr=1e-3),
        out=out,
        seed=setting.seed,
        config={"records_per_cell": setting.records_per_cell},
        device="cpu",
        progress=False,
    )
    model.modules().eval()
