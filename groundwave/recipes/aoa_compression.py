"""Azimuth and elevation from raw IQ of an array, by a network of 548 thousand weights, and by two of 20 thousand."""

from collections.abc import Sequence
from copy import deepcopy
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import torch
from safetensors.torch import save
from torch import Tensor, nn

from groundwave.atomic import write_atomically
from groundwave.bench.cells import Cell, Sheet
from groundwave.bench.direction_pictures import quiver
from groundwave.bench.directions import classical
from groundwave.bench.plans import Plan
from groundwave.compress.cost import cost, measure
from groundwave.compress.distil import Directions, Scored
from groundwave.compress.prune import num_parameters, prune
from groundwave.compress.quantize import quantize
from groundwave.contract import ArrayContract
from groundwave.data.batch import loader
from groundwave.data.sources import Records
from groundwave.deploy.export import converted, start_session
from groundwave.model import Model
from groundwave.nn.heads import DirectionHead
from groundwave.page import png
from groundwave.recipes.compress_parts import deal, inputs
from groundwave.recipes.place import Place
from groundwave.rng import stable_hash
from groundwave.scenes.angles import Angles
from groundwave.train import Schedule, fit

SHRINK = (4.0, 12.0, 27.4)  # by how much the weights are divided; the source ends at 27.4
SIZE, SPACING, NUM_SAMPLES = (4, 4), 0.5, 64
SHARES = {"train": 0.8, "validation": 0.1, "test": 0.1}
DATA_SEED = 549
MEASURED_ON = 256  # records on which a group's damage is measured, and integers are calibrated
AT_ONCE = 256
BATCH = 64
DRAWN = 150  # records of the quiver plot
ORIGINAL, ONE_LAYER = "original", "one layer, distilled"
# A filter across the elements at one instant is a beam, and its rectified mean a level: all that a network needs.
BEAMS = {"widths": (90,), "kernel": 1, "hidden": 90}
METRICS = (
    *("azimuth error (deg)", "elevation error (deg)", "parameters", "MMACs", "file kB", "ms"),
    *("ms, ONNX Runtime", "records/s, ONNX Runtime", "file kB, ONNX"),
)


class Side(NamedTuple):
    """Records as the network takes them: channels `[N, 2 * antennas, time]`, their directions, snapshots, SNRs."""

    x: Tensor
    angle: Tensor
    array: Tensor


def aoa_compression(
    results: Path = Path("results"),
    *,
    runs: Path = Path("runs/accelerated"),
    seeds: Sequence[int] = (0, 1, 2),
    num_records: int = 12_000,
    epochs: int = 3,
    smoke: bool = False,
) -> Path:
    """Train the reference network for angles, prune it step by step, learn on from the original, turn it into integers.

    Beside what is left of it learns one of a single layer of filters, from the same teacher, and as long as the
    smallest has learned in all.

    Args:
        results: folder of the file of rows.
        runs: folder of training runs, and of the quiver plot of angle errors before and after.
        seeds: of split, weights and order.
        num_records: of the scene `angles`, one source each, four fifths of which are learned from.
        epochs: of the original; each pruned network has as many, that of one layer as many as all pruned ones.
        smoke: as small as can be, to see that everything works; its rows go to RUNS/smoke/results.

    Returns:
        The file of rows.
    """
    place = Place(name="aoa-compression", results=results, runs=runs, smoke=smoke)
    sheet = place.sheet()
    shrink: tuple[float, ...] = SHRINK
    if smoke:
        seeds, num_records, epochs, shrink = tuple(seeds)[:1], 80, 1, SHRINK[:1]
    record = _simulated(num_records)
    for seed in seeds:
        bench = _Bench(sheet, record, seed, place.home, num_records, epochs)
        bench.run(shrink)
    return place.path


def _simulated(num_records: int) -> Records:
    size = min(1000, num_records)
    scene = Angles(
        size=SIZE,
        spacing=SPACING,
        num_sources=(1, 1),
        snr_db=(0.0, 20.0),
        num_front_ends=1,
        num_samples=NUM_SAMPLES,
        records_per_class=size,
        seed=DATA_SEED,
    )
    blocks = [scene.block(b) for b in range(-(-num_records // size))]
    record = {name: torch.cat([block[name] for block in blocks]) for name in blocks[0]}
    record["group"] = torch.arange(len(record["label"]))  # every record has a source, paths and bits of its own
    return Records(record, classes=scene.classes, group_names=[str(row) for row in record["group"].tolist()])


class _Bench:
    """One seed: the records that it parts, the original, and everything that is made of it.

    Args:
        sheet: where rows go.
        source: records with directions.
        seed: of split, weights and order.
        home: folder of runs.
        num_records: how many the source has.
        epochs: of the original and of each pruned network.
    """

    def __init__(self, sheet: Sheet, source: Records, seed: int, home: Path, num_records: int, epochs: int) -> None:
        self.sheet, self.source, self.seed, self.home = sheet, source, seed, home
        self.num_records, self.epochs = num_records, epochs
        self.plan: Plan = deal(source, seed, shares=SHARES)
        self.contract = ArrayContract(NUM_SAMPLES, NUM_SAMPLES, NUM_SAMPLES, SIZE, SPACING)
        self.train, self.test = (self._side(rows) for rows in (self.plan.support, self.plan.query))

    def run(self, shrink: Sequence[float]) -> None:
        """Fill the cells of every form that has none yet."""
        titles = [ORIGINAL, *(f"pruned {factor:g} x" for factor in shrink)]
        if not self.sheet.missing(self._cells(f"{ONE_LAYER}, INT8")[:1]):
            return
        self._classical()
        network = self._original()
        first, teacher = self._measured(ORIGINAL, network), network
        for title, factor in zip(titles[1:], shrink, strict=True):
            network = self._pruned(title, network, teacher, num_parameters(teacher) / factor)
            last = self._measured(title, network)
        beams = self._measured(ONE_LAYER, self._one_layer(teacher, len(shrink) * self.epochs))
        figure = quiver(self.test.angle, {ORIGINAL: first, titles[-1]: last, ONE_LAYER: beams}, DRAWN)
        pictures = self.home / "pictures"
        pictures.mkdir(parents=True, exist_ok=True)
        write_atomically(pictures / f"aoa-compression-seed-{self.seed}.png", png(figure))

    def _side(self, rows: Tensor) -> Side:
        record = self.source[rows]
        return Side(
            self.contract.channels(self.contract.prepare(record["array"])), record["angle"][:, 0], record["array"]
        )

    def _original(self) -> Scored:
        network = self._new({})
        return self._taught(ORIGINAL, network, Directions(network, inputs), self.epochs)

    def _one_layer(self, teacher: Scored, epochs: int) -> Scored:
        network = self._new(BEAMS)
        return self._taught(ONE_LAYER, network, Directions(network, inputs, deepcopy(teacher)), epochs)

    def _new(self, args: dict[str, Any]) -> Scored:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(stable_hash(self.seed, "aoa"))
            model = Model.build("aoanet", self.contract, args)
            return Scored(model.backbone, DirectionHead(model.num_features))

    def _pruned(self, title: str, network: Scored, teacher: Scored, target: float) -> Scored:
        few = Side(*(column[:MEASURED_ON] for column in self.train))
        left = prune(network, partial(_loss, part=few), target).network
        assert isinstance(left, Scored)
        left.requires_grad_(True)
        return self._taught(title, left, Directions(left, inputs, deepcopy(teacher)), self.epochs)

    def _taught(self, title: str, network: Scored, objective: nn.Module, epochs: int) -> Scored:
        records = Records({"x": self.train.x, "angle": self.train.angle})
        fit(
            objective,
            lambda epoch: loader(
                records, batch_size=min(128, len(records)), seed=self.seed, drop_last=True, epoch=epoch
            ),
            schedule=Schedule(epochs=epochs, lr=2e-3),
            out=self.home / "aoa-compression" / title.replace(", ", "-").replace(" ", "-") / str(self.seed),
            seed=self.seed,
            config={"num_records": self.num_records},
            device="cpu",
            progress=False,
        )
        return network.eval()

    def _classical(self) -> None:
        """Ask MUSIC, which knows how the array stands, and whoever answers straight ahead."""
        started = perf_counter()
        finder = classical(SIZE, SPACING)[0]
        found = finder.find(self.test.array, 1)[:, 0]
        self._fill(finder.title, dict(zip(METRICS, _errors(found, self.test.angle), strict=False)), started)
        ahead = self.test.angle * 0
        self._fill("straight ahead", dict(zip(METRICS, _errors(ahead, self.test.angle), strict=False)), started)

    def _measured(self, title: str, network: Scored) -> Tensor:
        """Fill the cells of a network, in PyTorch, and in ONNX Runtime in floats and integers; return its answers."""
        started = perf_counter()
        found = _answers(network, self.test.x)
        one = self.test.x[:1].clone()
        content = _onnx(network, one)
        small = quantize(content, self.train.x[:MEASURED_ON])
        sessions = {"float": start_session(content), "int8": start_session(small)}
        runs = {name: partial(session.run, None, {"channels": one.numpy()}) for name, session in sessions.items()}
        spent = cost(network, one)
        shared = {"parameters": float(num_parameters(network)), "MMACs": spent.macs / 1e6}
        own = {
            **dict(zip(METRICS, _errors(found, self.test.angle), strict=False)),
            **shared,
            "file kB": len(save({k: v.contiguous() for k, v in network.state_dict().items()})) / 1e3,
            "ms": 1e3 * measure(torch.no_grad()(lambda: network(one)), 200).p50,
            "ms, ONNX Runtime": 1e3 * measure(runs["float"], 400).p50,
            "records/s, ONNX Runtime": self._throughput(sessions["float"]),
            "file kB, ONNX": len(content) / 1e3,
        }
        self._fill(title, own, started)
        said = torch.from_numpy(sessions["int8"].run(None, {"channels": self.test.x.numpy()})[0])
        integers = {
            **dict(zip(METRICS, _errors(said, self.test.angle), strict=False)),
            **shared,
            "ms, ONNX Runtime": 1e3 * measure(runs["int8"], 400).p50,
            "records/s, ONNX Runtime": self._throughput(sessions["int8"]),
            "file kB, ONNX": len(small) / 1e3,
        }
        self._fill(f"{title}, INT8", integers, started)
        return found

    def _throughput(self, session: Any) -> float:
        """Return records a second in batches."""
        batch = {"channels": self.test.x[torch.arange(BATCH) % len(self.test.x)].numpy()}
        return BATCH / measure(lambda: session.run(None, batch), 20).p50

    def _fill(self, title: str, values: dict[str, float], started: float) -> None:
        cells = {cell.metric: cell for cell in self._cells(title)}
        seconds = max((perf_counter() - started) / len(values), 1e-4)
        told = {"split": self.plan.split, "split_hash": self.plan.hash(), "seconds": seconds}
        for metric, value in values.items():
            self.sheet.fill(cells[metric], value, n=len(self.plan.query), **told)  # type: ignore[arg-type]

    def _cells(self, title: str) -> list[Cell]:
        config = {"num_records": self.num_records, "epochs": self.epochs, "num_samples": NUM_SAMPLES, "size": SIZE}
        return [Cell(method=title, data="angles", seed=self.seed, metric=metric, config=config) for metric in METRICS]


@torch.no_grad()
def _answers(network: nn.Module, x: Tensor) -> Tensor:
    return torch.cat([network(some) for some in x.split(AT_ONCE)])


def _loss(network: nn.Module, part: Side) -> float:
    return sum(_errors(_answers(network, part.x), part.angle))


def _errors(found: Tensor, wanted: Tensor) -> tuple[float, float]:
    """Return the mean absolute errors of azimuth and elevation in degrees, as the source counts them."""
    azimuth, elevation = (found - wanted).abs().rad2deg().mean(dim=0).tolist()
    return azimuth, elevation


def _onnx(network: nn.Module, one: Tensor) -> bytes:
    batch = ({0: torch.export.Dim("batch")},)
    return converted(network, (one.expand(2, -1, -1),), ["channels"], ["angle"], {}, batch)
