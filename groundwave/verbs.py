"""What the command line can do: one typed function a verb, whose docstring is its help.

Heavy imports are inside the functions, so that help answers at once. Each verb prints where it wrote what.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Unpack

from groundwave.atomic import check_output
from groundwave.errors import GroundwaveError
from groundwave.windows import Windows, reader_options


def demo(
    *,
    out: Path = Path("runs/demo"),
    recordings: Path | None = None,
    sample_rate: float | None = None,
    iq: str = "iq",
    label: str = "label",
    group: str = "group",
    classes: str | None = None,
    seed: int = 0,
    smoke: bool = False,
) -> None:
    """Run the main job end to end, offline, in minutes; writes OUT/report.html.

    Args:
        out: folder of the run.
        recordings: your own labelled windows (a store or a .npz), instead of simulated ones.
        sample_rate: of your recordings, in Hz, where they do not say.
        iq: name of the array of windows in your .npz.
        label: name of the array of labels in your .npz.
        group: name of the array of groups (recording, device, ...) in your .npz.
        classes: name of the array of class names in your .npz, if labels are numbers.
        seed: of labelled records, weights, draws and the recording; the unlabelled records are always the same.
        smoke: as small as it can be, to see that everything works.
    """
    options = dict(locals())
    check_output(out, new=False)
    from groundwave.recipes.demo import demo as run

    _wrote(run(**options), "report")


def doctor() -> int:
    """Say what works on this machine, what is missing, and what to do about it."""
    from groundwave.doctor import examine, show

    return show(examine())


def list_names(table: str | None = None) -> None:
    """List what there is to choose from: scenes, waveforms, formats, views, backbones, learners, models and more.

    Args:
        table: one of those; all by default.
    """
    from groundwave.catalogue import catalogue
    from groundwave.errors import lookup

    tables = catalogue()
    for name, members in {table: lookup(tables, table, "table")}.items() if table else tables.items():
        print(f"{name}:")
        for member, text in members().items():
            print(f"  {member:24}{text}")


def generate(name: str, *, num: int, out: Path, seed: int = 0, workers: int = 0, **scene: Any) -> None:
    """Generate records of a scene into a store, the same seed the same bytes; goes on from where it was interrupted.

    `groundwave generate NAME --help` shows the scene's own settings, `--scene.SETTING VALUE`. A scene of long
    recordings (`bursts`) writes SigMF with the truth as annotations instead.

    Args:
        name: a scene, see `groundwave list scenes`.
        num: how many records, or recordings.
        out: the store to make, or the folder of recordings.
        seed: another seed is another, independent series.
        workers: processes that make records, each with one thread; 0 makes them here. The bytes are the same.
        scene: the scene's settings.
    """
    check_output(out)
    from groundwave.recipes.bar import bar
    from groundwave.recipes.generate import generate as run

    with bar("generating") as progress:
        made = run(name, num=num, out=out, seed=seed, settings=scene, workers=workers, progress=progress)
    _wrote(out, f"{name}, {num} {made}{'s'[: num != 1]}")


def ingest(
    sources: list[Path],
    *,
    out: Path,
    sample_rate: float | None = None,
    num_samples: int | None = None,
    hop: int | None = None,
    format: str | None = None,
    datatype: str | None = None,
    num_channels: int | None = None,
    center: float | None = None,
    iq: str | None = None,
    csi: str | None = None,
    axes: str | None = None,
    scale: str | None = None,
    label: str | None = None,
    group: str | None = None,
    room: str | None = None,
    user: str | None = None,
    snr: str | None = None,
    classes: str | None = None,
    group_names: str | None = None,
    dtype: str = "int16",
    spectrogram: int | None = None,
    num_frames: int | None = None,
    frame_hop: int | None = None,
    average: int | None = None,
    window: str | None = None,
    phase: bool = False,
    reader: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Turn recordings or window sets into a training store; goes on from where it was interrupted.

    `groundwave ingest --format FORMAT --help` shows the format's own settings, too, `--reader.SETTING VALUE`.

    Args:
        sources: files, or folders of them.
        out: the store to make.
        sample_rate: in Hz, of CSI packets a second; required where a file does not say.
        num_samples: length of the windows that recordings are cut into; 1024 by default.
        hop: samples from one window to the next; the window's length by default.
        format: see `groundwave list formats`; by default told by each file's name.
        datatype: sample type of raw files (cu8, cs8, cs16, cf32, ...).
        num_channels: interleaved channels of raw files.
        center: centre frequency in Hz of recordings that do not say.
        iq: name of the array of windows in a .npz.
        csi: name of the array of CSI in a .npz, for the format csi-npz.
        axes: its axes after the first, such as "iq antenna packet subcarrier"; without packet it is cut into windows.
        scale: name of the array of what multiplies it.
        label: name of the array of labels in a .npz; "folder" labels recordings by their folder.
        group: name of the array of groups (recording, device, ...) in a .npz.
        room: name of the array of rooms in a .npz of CSI, or of whatever else a split may hold out.
        user: name of the array of people in a .npz of CSI.
        snr: name of the array of SNRs in dB in a .npz.
        classes: name of the array of class names in a .npz.
        group_names: name of the array of group names in a .npz.
        dtype: int16 or float32 in the store, for IQ.
        spectrogram: keep spectrograms of so many cells in frequency (decibels) instead of IQ.
        num_frames: cells in time of a spectrogram; 256 by default.
        frame_hop: samples from one window to the next; as many as cells in frequency by default (no overlap).
        average: windows whose mean power makes a frame of a spectrogram; 1 by default.
        window: hann (the default), hamming, blackman or rectangular.
        phase: keep the phases of a spectrogram, too, in radians.
        reader: the format's own settings.
    """
    options = dict(locals())
    check_output(out)
    if hop is not None and hop < 1:
        raise GroundwaveError(f"--hop {hop}", "at least 1 sample", "raise it, or leave it out")
    from groundwave.data.ingest import ingest as run
    from groundwave.recipes.bar import bar

    with bar("ingesting") as progress:
        store = run(**options, progress=progress)
    if silent := store.manifest.notes.get("silent", 0):
        print(f"left out: {silent} records without any power")
    _wrote(out, f"{len(store)} records of {store.manifest.shapes()}, {len(store.classes)} classes")


def audit(
    data: str,
    *,
    out: Path = Path("runs/audit"),
    num: int = 20_000,
    window: int = 1024,
    seed: int = 0,
    strict: bool = False,
    format: str | None = None,
    datatype: str | None = None,
    snr: str | None = None,
    group_names: str | None = None,
    scene: Mapping[str, Any] = MappingProxyType({}),
    **windows: Unpack[Windows],
) -> int:
    """Say what is wrong with a data set: SNR, empty classes, one channel, copies, give-aways, clipping, ...

    Prints the findings, and writes OUT/audit.json and OUT/audit.html with tables and pictures.
    `groundwave audit SCENE --help` shows a scene's own settings, `--scene.SETTING VALUE`.

    Args:
        data: a store, a file of windows, a recording, or the name of a scene.
        out: folder of the report.
        num: most records to look at, evenly from all classes and SNRs; of a scene, how many to draw.
        window: length in samples of the windows that a recording is cut into.
        seed: of a scene, and of which records are looked at.
        strict: exit with 1 if there is a finding.
        format: see `groundwave list formats`; by default told by the name.
        datatype: sample type of a raw recording (cu8, cs8, cs16, cf32, ...).
        snr: name of the array of SNRs in dB in a .npz.
        group_names: name of the array of group names in a .npz.
        scene: the scene's settings.
        windows: see `Windows`.
    """
    own = {"format": format, "datatype": datatype, "snr": snr, "group_names": group_names}
    options = {**own, **reader_options(windows)}
    check_output(out, new=False)
    from groundwave.recipes.audit import audit as run
    from groundwave.recipes.bar import bar

    with bar("auditing", "step") as progress:
        text, count = run(
            data, out=out, num=num, window=window, seed=seed, options=options, scene=scene, progress=progress
        )
    print(text)
    print()
    _wrote(out / "audit.html", "tables and pictures")
    _wrote(out / "audit.json", "the same for a machine")
    return 1 if strict and count else 0


def pretrain(
    *,
    data: str,
    out: Path,
    setting: str = "modulation",
    objective: str | None = None,
    backbone: str | None = None,
    modality: str | None = None,
    epochs: int = 10,
    batch_size: int = 256,
    lr: float = 1e-3,
    num_records: int = 20_000,
    num_samples: int = 1024,
    seed: int = 0,
    **windows: Unpack[Windows],
) -> None:
    """Pretrain a backbone, most often without labels; the same command resumes an interrupted run.

    Args:
        data: a store, a file of windows, a recording, or the name of a scene.
        out: folder of the run; the model is OUT/model.
        setting: of IQ: modulation, device (families of devices; pairs are two windows of one recording), or
            lsm-published.
        objective: see `groundwave list objectives`; protonet, relationnet and supervised learn from labels. By default
            lsm for IQ, msm for spectrograms and CSI.
        backbone: see `groundwave list backbones`; by default lsm for IQ, vit for spectrograms and CSI.
        modality: what of the records to learn from: iq, spec or csi; by default the first of these that they hold.
        epochs: passes over the records.
        batch_size: records per step.
        lr: peak learning rate.
        num_records: how many to draw from a scene.
        num_samples: length of a scene's records, and of windows cut from a recording.
        seed: of weights, order, views, and of a scene.
        windows: see `Windows`.
    """
    check_output(out, new=False)
    from groundwave.recipes.pretrain import pretrain as run

    run(
        data,
        out=out,
        setting=setting,
        objective=objective,
        backbone=backbone,
        modality=modality,
        epochs=epochs,
        batch_size=batch_size,
        lr=lr,
        num_records=num_records,
        num_samples=num_samples,
        seed=seed,
        options=reader_options(windows),
    )
    _wrote(out / "model", "model")
    _wrote(out / "logs", "training curves")


def adapt(
    *,
    model: str,
    data: Path,
    shots: int,
    out: Path,
    learner: str = "logistic",
    seed: int = 0,
    **windows: Unpack[Windows],
) -> None:
    """Learn a head from a few labels per class on a frozen model, and score it on groups that lent no label.

    A model that had a head for these classes, such as one of another front-end, is scored with that as well.

    Args:
        model: packaged model or model folder.
        data: store or .npz of labelled records.
        shots: labelled records per class.
        out: the new model folder.
        learner: see `groundwave list learners`.
        seed: of which records are labelled.
        windows: see `Windows`.
    """
    check_output(out)
    from groundwave.recipes.adapt import adapt as run

    result = run(model, data=data, shots=shots, out=out, learner=learner, seed=seed, options=reader_options(windows))
    if result.before:
        print(f"macro recall on other groups before, with the head that it had: {_percent(result.before)}")
    print(f"macro recall on other groups: {_percent(result.recall)}")
    for name, recall in result.beside.items():
        print(f"beside it, with the same labels, {name}: {_percent(recall)}")
    print(f"chance: {100 / len(result.model.classes):.1f} %")
    if result.left_out:
        print(f"left out, for all their records are of one group: {', '.join(result.left_out)}")
    _wrote(out, f"model with {len(result.model.classes)} classes from {result.num_labels} labels")


def _percent(recall: tuple[float, float, float, int]) -> str:
    mean, low, high, n = recall
    return f"{100 * mean:.1f} % (95 % interval {100 * low:.1f} to {100 * high:.1f}, {n} draws)"


def predict(
    input: Path,
    *,
    model: str,
    out: Path | None = None,
    sample_rate: float | None = None,
    format: str | None = None,
    datatype: str | None = None,
    iq: str | None = None,
    threshold_db: float = 3.0,
    min_cells: int = 9,
) -> None:
    """Label a recording (SigMF annotations beside it) or a set of windows (a table of labels and confidences).

    A model of IQ labels stretches of time in which there is a signal; a model of spectrograms whose head tells the
    class of each cell labels boxes in time and frequency.

    Args:
        input: a recording, a store, or a .npz of windows.
        model: an adapted model: packaged or a folder.
        out: where to write; by default beside the input, as NAME.groundwave.sigmf-meta or NAME.groundwave.csv.
        sample_rate: of the recording in Hz, where it does not say.
        format: see `groundwave list formats`; by default told by the name.
        datatype: sample type of a raw recording (cu8, cs8, cs16, cf32, ...).
        iq: name of the array of windows in a .npz.
        threshold_db: power over the noise floor from which a signal counts, for a model of IQ.
        min_cells: patches of fewer cells of a class are dropped, for a model of spectrograms.
    """
    check_output(out)
    if min_cells < 1:
        raise GroundwaveError(f"--min-cells {min_cells}", "at least 1", "raise it, or leave it out")
    from groundwave.recipes.predict import predict as run

    options = {"sample_rate_hz": sample_rate, "datatype": datatype, "iq": iq}
    path, found = run(
        model, input, out=out, format=format, threshold_db=threshold_db, min_cells=min_cells, options=options
    )
    _wrote(path, found)


def embed(
    *,
    model: str,
    data: Path,
    out: Path,
    **windows: Unpack[Windows],
) -> None:
    """Write the features of records, with their labels and groups, as a .npz.

    Args:
        model: packaged model or model folder.
        data: a store or a .npz of windows.
        out: the .npz to make.
        windows: see `Windows`.
    """
    check_output(out)
    from groundwave.recipes.predict import embed as run

    shape = run(model, data, out=out, options=reader_options(windows))
    _wrote(out, f"{shape[0]} records of {shape[1]} features")


def bench(protocol: str, **settings: Any) -> int:
    """Run a protocol: the same data, splits and labels for every method, a row of results for each.

    `groundwave bench PROTOCOL --help` shows the protocol's own settings.

    Args:
        protocol: see `groundwave list protocols`.
        settings: the protocol's.

    Returns:
        The exit status: 1 where every cell that was tried failed.
    """
    from groundwave.bench.rows import appended, reasons
    from groundwave.catalogue import protocol_of

    check_output(settings.get("results"), new=False)
    check_output(settings.get("runs"), new=False)
    with appended() as rows:
        path = protocol_of(protocol)(**settings)
    _wrote(path, "rows of results")
    return _tell_failed(reasons(rows))


def run(recipe: str, **settings: Any) -> int:
    """Run a recipe: pretrain and score as one figure of a paper does; finished runs and rows are kept.

    `groundwave run RECIPE --help` shows the recipe's own settings; each may also be given as `SETTING=VALUE`, several
    values with commas between them.

    Args:
        recipe: see `groundwave list recipes`.
        settings: the recipe's.

    Returns:
        The exit status: 1 where every cell that was tried failed.
    """
    from groundwave.bench.rows import appended, reasons
    from groundwave.catalogue import recipe_of

    check_output(settings.get("results"), new=False)
    check_output(settings.get("runs"), new=False)
    with appended() as rows:
        paths = recipe_of(recipe)(**settings)
    for path in [paths] if isinstance(paths, Path) else paths:
        _wrote(path, "rows of results")
    return _tell_failed(reasons(rows))


def _tell_failed(cells: list[str | None]) -> int:
    """Tell how many of the cells that a command tried failed; return its exit status, 1 where all did."""
    failed = [reason for reason in cells if reason is not None]
    if failed:
        print(
            f"{len(failed)} of its cells failed, the last one because: {failed[-1]}\nThe same command tries them again."
        )
    return int(0 < len(failed) == len(cells))


def report(
    *, results: Path = Path("results"), out: Path = Path("runs/report.html"), readme: Path | None = None
) -> None:
    """Make tables and pictures from rows of results: an HTML file, or the tables and numbers of a README.

    Args:
        results: folder of PROTOCOL.jsonl files.
        out: the HTML file to write.
        readme: a README to fill instead: tables between `<!-- results:PROTOCOL -->` and `<!-- end -->`, and values
            between `<!-- result:PROTOCOL -->` and `<!-- end -->`.
    """
    check_output(out, new=False)
    from groundwave.recipes.results import fill, summarise

    if readme is not None:
        fill(readme, results)
        _wrote(readme, "filled")
    else:
        _wrote(summarise(results, out), "report")


def _wrote(path: Path, what: str) -> None:
    print(f"{what}: {path}")
