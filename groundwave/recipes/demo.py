"""The main job, end to end: from unlabelled records to a measured, exported and working model, and a report."""

import json
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from groundwave.adapt import LEARNERS
from groundwave.atomic import write_atomically
from groundwave.bench.fewshot import measure
from groundwave.bench.methods import CLASSICAL, MOMENTS, Method, from_scratch, probe
from groundwave.bench.rows import latest, read
from groundwave.data.episodes import episodes
from groundwave.data.recording import Annotation, Recording
from groundwave.data.sigmf import open_sigmf
from groundwave.data.sigmf_out import write_annotations, write_sigmf
from groundwave.deploy.annotate import annotate
from groundwave.deploy.export import export
from groundwave.errors import OutputExistsError
from groundwave.model import Model
from groundwave.pretrain.run import pretrain
from groundwave.recipes.demo_job import Job, own, simulated
from groundwave.recipes.demo_report import Findings, demo_report
from groundwave.recipes.modulation import BACKBONE, OBJECTIVE, VIEWS
from groundwave.rng import generator, stable_hash
from groundwave.scenes.bursts import Bursts
from groundwave.train import Schedule
from groundwave.views import Crop

PACKAGED = "modulation-small"
SNRS_DB = (-4.0, 0.0, 4.0, 10.0, 16.0)
NUM_SHOTS = 5


@dataclass(frozen=True)
class Size:
    """How much the demo does; the default takes some minutes on two cores.

    Args:
        blocks: blocks of 1540 unlabelled records.
        steps: gradient steps of pretraining.
        quick: episodes for methods that learn in a moment.
        slow: episodes for training a network from scratch.
        snrs_db: where to measure.
        recording_s: length of the recording to annotate.
    """

    blocks: int = 10
    steps: int = 120
    quick: int = 20
    slow: int = 5
    snrs_db: tuple[float, ...] = SNRS_DB
    recording_s: float = 20.0


SMOKE = Size(blocks=1, steps=6, quick=2, slow=2, snrs_db=(16.0,), recording_s=3.0)


def demo(
    out: Path = Path("runs/demo"),
    *,
    recordings: Path | None = None,
    sample_rate: float | None = None,
    iq: str = "iq",
    label: str = "label",
    group: str = "group",
    classes: str | None = None,
    seed: int = 0,
    smoke: bool = False,
) -> Path:
    """Do the main job on simulated radio, or on your own labelled windows, and write a report.

    Pretrains a small model without labels, adapts it and the packaged `modulation-small` with five labels per class,
    measures both at each SNR beside simpler methods with the same labels, exports the model, annotates a recording.

    Args:
        out: folder for everything that is written; an unfinished run of the same arguments in it is continued.
        recordings: your own windows (a file of windows or a store) with labels and groups, instead of simulated ones.
        sample_rate: of your recordings, in hertz.
        iq: name of the array of windows in your .npz.
        label: name of the array of labels.
        group: name of the array that says which recording a window is from; no group is on both sides of a test.
        classes: name of the array of class names, if your labels are numbers.
        seed: of labelled records, initial weights, episodes and the recording; the unlabelled records are always the
            same.
        smoke: a tiny run to see that everything works.

    Returns:
        The report.

    Raises:
        OutputExistsError: `out` holds a demo with other arguments, or anything else.
        DataError: `recordings` are not labelled windows of several recordings.
        ContractError: the packaged model does not take them.
    """
    arguments = {key: value if value is None else str(value) for key, value in locals().items() if key != "out"}
    console, report, size = Console(), out / "report.html", SMOKE if smoke else Size()
    if _holds(out, arguments) and report.exists():
        console.print(f"Nothing to do: {report} is there. Remove {out} to run the demo again.")
        return report
    start = time.perf_counter()
    packaged = Model.load(PACKAGED)
    if recordings is None:
        _claim(out, arguments)
        job = simulated(out, blocks=size.blocks, snrs_db=size.snrs_db, seed=seed)
    else:
        job = own(recordings, sample_rate, seed, iq=iq, label=label, group=group, classes=classes)
        packaged.contract.prepare(job.clearest["iq"])  # now rather than after minutes of pretraining
        _claim(out, arguments)
    job.times["gather unlabelled and labelled records"] = time.perf_counter() - start
    with job.step(console, f"pretrain on {len(job.unlabelled)} unlabelled records"):
        pretrained = _pretrain(job, out, size, seed)
    with job.step(console, f"adapt with {NUM_SHOTS} labels per class and measure on held-out groups"):
        _measure(job, pretrained, packaged, out / "rows.jsonl", size, seed)
    with job.step(console, "export and check against PyTorch"):
        adapted = _adapt(packaged, job, seed)
        for path, write in ((out / "model", adapted.save), (out / "model.onnx", partial(export, adapted))):
            if not path.exists():
                write(path)
    annotated = None
    if recordings is None:
        with job.step(console, f"annotate a recording of {size.recording_s:.0f} s"):
            annotated = _annotate(adapted, out / "air", size, seed)
    console.print("[bold cyan]•[/] write the report")
    models = {"before pretraining": _untrained(job), "pretrained here": pretrained, PACKAGED: packaged}
    findings = Findings(
        data=job.data,
        rows=latest(read(out / "rows.jsonl")),
        classes=job.classes,
        trials=job.trials,
        pools=job.pools,
        models=models,
        times=job.times,
        annotated=annotated,
    )
    demo_report(report, findings, num_shots=NUM_SHOTS, seed=seed)
    console.print(f"[bold green]Done.[/] Look at {report}")
    console.print(f"  adapted model: {out / 'model'}   ONNX: {out / 'model.onnx'}   rows: {out / 'rows.jsonl'}")
    return report


def _holds(out: Path, arguments: dict[str, Any]) -> bool:
    """Return whether `out` holds a demo of these arguments; raises `OutputExistsError` when it holds anything else."""
    record = out / "demo.json"
    if record.is_file():
        if record.read_text() == json.dumps(arguments):
            return True
        raise OutputExistsError(f"{out} with a demo of other arguments")
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise OutputExistsError(out)
    return False


def _claim(out: Path, arguments: dict[str, Any]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    write_atomically(out / "demo.json", json.dumps(arguments).encode())


def _pretrain(job: Job, out: Path, size: Size, seed: int) -> Model:
    batch_size = min(256, max(32, len(job.unlabelled) // 8))
    epochs = max(1, size.steps // max(1, len(job.unlabelled) // batch_size))
    simulated = None not in job.trials
    return pretrain(
        job.source,
        indices=job.unlabelled,
        out=out / "pretraining",
        contract=job.contract,
        views=(Crop(job.crop), *VIEWS[1:]),
        schedule=Schedule(epochs=epochs, lr=1.5e-3, weight_decay=0.05),
        backbone_args=BACKBONE,
        objective_args={**OBJECTIVE, "answer": "modulation" if simulated else None},
        batch_size=batch_size,
        seed=seed,
    )


def _untrained(job: Job) -> Model:
    """Return the same network with random weights, to be seen beside the pretrained one."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stable_hash("untrained"))
        return Model.build("lsm", job.contract, BACKBONE)


def _measure(job: Job, pretrained: Model, packaged: Model, results: Path, size: Size, seed: int) -> None:
    """Score every method on the same episodes at each SNR; rows already written are kept."""
    quick: list[Method] = [
        probe(f"{PACKAGED}, frozen", packaged),
        probe("pretrained here, frozen", pretrained),
        MOMENTS,
        *CLASSICAL,
    ]
    support, query = job.pools or (None, None)
    for snr_db, record in job.trials.items():
        for methods, num_episodes in ((quick, size.quick), ([from_scratch(pretrained, job.crop)], size.slow)):
            measure(
                record,
                methods,
                protocol="demo",
                data=job.data,
                results=results,
                num_shots=NUM_SHOTS,
                num_episodes=num_episodes,
                seed=seed,
                support_pool=support,
                query_pool=query,
                snr_db=snr_db,
            )


def _adapt(model: Model, job: Job, seed: int) -> Model:
    """Adapt a model with five labels per class, taken from the clearest records."""
    record = job.clearest
    stream = generator(seed, "demo", "support")
    support_pool = job.pools[0] if job.pools else None
    drawn = episodes(
        record["label"], None, num_shots=NUM_SHOTS, num_episodes=1, generator=stream, support_pool=support_pool
    )
    support, _ = next(drawn)
    present, label = record["label"][support].unique(return_inverse=True)
    learner = LEARNERS["logistic"]().fit({"features": model.embed(record["iq"][support]), "label": label})
    names = tuple(job.classes[int(c)] for c in present)
    return model.with_head(learner.head_name, learner.head, learner.head_args(), names)


def _annotate(
    model: Model, folder: Path, size: Size, seed: int
) -> tuple[Recording, list[Annotation], list[Annotation]]:
    """Simulate a recording of bursts, annotate it, and return it with what was found and the truth."""
    num_bursts = max(2, round(size.recording_s * 0.6))
    scene = Bursts(duration_s=size.recording_s, num_bursts=num_bursts, burst_s=(0.2, 1.3), seed=1_000_003 + seed)
    path = folder / "bursts.sigmf-meta"
    iq, bursts = scene.recording(0)
    truth = [Annotation(burst.start, burst.count, label=burst.modulation) for burst in bursts]
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_sigmf(path, iq.numpy(), scene.sample_rate_hz)
    recording = open_sigmf(path)
    found = annotate(model, recording)
    beside = folder / "bursts.groundwave.sigmf-meta"
    if not beside.exists():
        write_annotations(recording, found)
    return recording, found, truth
