"""How docs/results/lsm.md is made from rows, tables and pictures alike: `python -m groundwave.recipes.lsm_results`."""

import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from groundwave.bench.contest import ACCURACY, JOINED, SPREAD
from groundwave.bench.pictures import accuracy_against_labels, accuracy_against_snr
from groundwave.bench.rows import Row, aggregate
from groundwave.bench.tables import summarise
from groundwave.errors import DataError
from groundwave.page import Table
from groundwave.recipes import contrastive, fidelity, label_efficiency
from groundwave.recipes.contenders import Size, contenders
from groundwave.recipes.fewshot import FEWSHOT_METHODS, SOURCE, TRANSFER_METHODS
from groundwave.recipes.lsm_aims import MOD_CL, MORE, OURS, PROBE, aims
from groundwave.recipes.panels import DATA
from groundwave.recipes.results_page import Choose, Part, aimed, current, labels, missing, sources, write_page

SHOWN_DB = (-10.0, -4.0, 0.0, 4.0, 10.0, 18.0)
MODELS_DB = (-4.0, 0.0, 4.0, 10.0, 18.0)  # where there are models of LSM as published
SNRS_DB = tuple(range(-20, 20, 2))
EARLIER = "radioml as-published, earlier replica"  # before it had the published seed's fading
UNLIKE = ("radioml fixed", EARLIER)  # whose SNRs are others, so that nothing reported stands beside them
LABELLED = "SNR as labelled"
ORDER = (OURS, f"{OURS}, lda", "LSM as published", "", "cyclic moments", "cumulants", "chance")  # of lines and curves
PAPERS = ("LSM", "RadioML", "VT-CNN2", "MCLDNN", "SCLBSS", "Mod-CL", "contrastive", "episodic")

# What the sources report on the real RadioML 2016.10a.
CONTRASTIVE_AT_4_DB = {"LSM": 0.7371, "SCLBSS": 0.650, "SimSiam": 0.500, "SimCLR": 0.496}
_SHARES = (
    *(0.2056, 0.2208, 0.2148, 0.2048, 0.3044, 0.4860, 0.4016, 0.5288, 0.7576, 0.8036),
    *(0.9192, 0.9564, 0.9614, 0.9632, 0.9688, 0.9888, 0.9808, 0.9784, 0.9668, 0.9744),
)
LSM_5_SHOT = {float(snr): share for snr, share in zip(SNRS_DB, _SHARES, strict=True)}
FIDELITY = """\
Networks trained as in their sources, for at most as many epochs as the rows say (VT-CNN2 for 30 of 100), on single
records parted at random, not scaled. From 0 dB up the replica is slightly easier than the real file; below, it is as
hard as the file is at a label one to two dB lower. What is left unlike: texts and voices, the walk of the clocks, less
training, and the noise, which the file draws from one seed in every pass.
"""
TRANSFER = "Networks that learned six classes with all their labels, asked about five new ones as in (b).\n"

HEAD = """# LSM in full

LSM is the contrastive framework of a paper on *large-scale multi-modal signal models* ([Wen et al.](#sources)): an
encoder of samples and one of spectra learn, without labels, to agree on crops of a signal. It, its baselines and its
protocols are measured here. *LSM* alone means theirs; *LSM, ours* has its objective, and encoders of our own.

Made by `python -m groundwave.recipes.lsm_results` from the rows in `results/`. `groundwave run contrastive`,
`groundwave run fewshot`, `groundwave run transfer`, `groundwave run label-efficiency` and `groundwave run fidelity`
make the rows; `groundwave run lsm` makes ours alone, `groundwave run lsm-published` the published models.

Records are those of our replica of RadioML 2016.10a, as published (with its defects) and fixed, or of the real file
where a table names it. Numbers that others report are on the real file. The replica differs from it in its texts and
voices (random bits and synthetic audio instead of a play and a podcast), in the walk of its clocks, and in the draw of
all noise; modulators, offsets, fading with the published seed, the formula of the SNR, windows and scaling follow the
published generator. GNU Radio had two faders in 2016; with the newer one the signal is 5 dB weaker. The replica takes
the older, because with it a trial network (no rows) came nearer to VT-CNN2's reported curve below 0 dB: what agreement
there is at low SNR (first section) is in part chosen.

Parts and sides of a split share no group (a pass of the generator). Nothing is chosen on what is asked: the design of
ours was chosen on another draw of the data (the scene `radioml` with `seed` 777), which shares with the replica its
generator and, as published, its one channel. One piece is an exception: that features are whitened was decided on
three random class splits of panel (b), on records that are asked there. Intervals are over seeds, each of which parts,
draws and pretrains anew; a number without one is of a single seed. Most baselines have only the first seed; panel (a)
also tells that one alone.

The SNR is the label of the data set. In data as published it is not the ratio in the sampled band: by a slip of the
published generator 1 dB of it changes that ratio by 2 dB. *At once* means one answer for all these SNRs: labels and
queries are of any of them, and nobody says of which.
"""

# Who is who, by how names of methods end; a page names those that it has rows of.
LEGEND: Mapping[tuple[str, ...], str] = {
    (
        "LSM, ours",
    ): "one encoder for all SNRs, that is not told the SNR. A residual tower on the samples and a perceptron "
    "on cyclic moments are contrasted with each other, with themselves and side by side; the moments stand beside them "
    "as features. Features are whitened by what differs between two views of a record, and linear discriminants learn "
    "from the labels.",
    ("LSM, ours, lda",): "the same without whitening.",
    ("+ unlabelled",): "the same, and curriculum labelling of what was there to pretrain on at that SNR.",
    ("+ queries",): "the same of the queries themselves, all at once (transductive; compare with its like only).",
    ("linear probe",): "linear discriminants on features as they are.",
    (
        "cyclic moments + LDA",
    ): "those moments alone, nothing pretrained; what it lacks to ours is what pretraining gives.",
    ("cyclic moments, whitened",): "by the same views as ours, which takes unlabelled records and learns no network.",
    ("..., our encoder",): "another objective on our encoder, as long as ours, same records; beside *LSM, ours, lda*.",
    ("LSM as published", "SimCLR", "SimSiam", "MoCo"): "crops of 12 samples, a model for each SNR, in the paper's "
    "framework.",
    ("cumulants + logistic",): "higher-order cumulants, nothing pretrained.",
}

APPENDIX = """Rows of an earlier replica, before it had the published seed's fading: its signal was 2 to 4 dB weaker
than now. They compare with each other only; today's code does not make them again.
"""


def lsm_results(results: Path = Path("results"), out: Path = Path("docs/results/lsm.md")) -> Path:
    """Write the page and, in a folder of its name beside it, its pictures.

    Args:
        results: folder of rows.
        out: the page.

    Raises:
        DataError: there are no rows.
    """
    parts = [part for make in SECTIONS.values() for part in make(results)]
    if not parts:
        raise DataError(f"no rows of {', '.join(SECTIONS)} in {results}", "some", "run `groundwave run lsm` first")
    now = [part for part in parts if EARLIER not in part.title]
    earlier = [replace(part, level=3, pictures={}) for part in parts if part not in now]
    appendix = [Part("Appendix: an earlier replica", APPENDIX), *earlier] if earlier else []
    closing = [*missing(lacking(results)), *appendix, sources(*PAPERS)]
    return write_page(out, HEAD + legend(results), [*aimed(aims(results)), *now, *closing])


def legend(results: Path) -> str:
    """Say who the methods are that have rows."""
    known = {row.method for protocol in SECTIONS for row in current(results, protocol)}
    lines = []
    for names, says in LEGEND.items():
        shown = [f"*{name}*" for name in names if any(method.endswith(name.lstrip(".")) for method in known)]
        if shown:
            lines.append(textwrap.fill(f"- {', '.join(shown)}: {says}", 120, subsequent_indent="  ") + "\n")
    return "\n" + "".join(lines)


def lacking(results: Path) -> Iterator[str]:
    """Yield by which commands the methods of the panels get rows that have none."""
    for panel, command, option, members in panels():
        rows = current(results, panel)
        for data in DATA[:1] if panel == "fidelity" else DATA:
            known = {row.method for row in rows if row.data.startswith(f"radioml {data}") and row.data != EARLIER}
            absent = [name for name, titles in members.items() if not known.intersection(titles)]
            chosen = f" {option}={','.join(absent)}" if known else ""
            if absent:
                yield f"No rows yet of `groundwave run {command} data={data}{chosen}`."


def panels() -> Iterator[tuple[str, str, str, Mapping[str, Sequence[str]]]]:
    """Yield each file of rows, the command that makes it, and of an option of it the values with their methods."""
    known = contenders(Size())

    def titles(names: Sequence[str], ends: Sequence[str] = ("",)) -> dict[str, list[str]]:
        return {name: [way.name + end for way in known[name].ways for end in ends] for name in names}

    yield "fidelity", "fidelity", "networks", {name: [one.title] for name, one in fidelity.PUBLISHED.items()}
    yield "contrastive", "contrastive", "methods", titles(contrastive.METHODS)
    yield "fewshot-source", "fewshot new=source", "methods", titles(FEWSHOT_METHODS)
    yield "fewshot", "fewshot", "methods", titles(FEWSHOT_METHODS)
    yield "transfer-source", "transfer new=source", "methods", titles(TRANSFER_METHODS)
    yield "transfer", "transfer", "methods", titles(TRANSFER_METHODS)
    probed = titles(label_efficiency.METHODS, ("", ", linear probe"))
    yield "label-efficiency", "label-efficiency", "methods", probed
    yield "label-efficiency", "label-efficiency", "ceiling", {"mcldnn": ["MCLDNN, all labels"]}


def _by_data(results: Path, protocol: str) -> Iterator[tuple[str, list[Row]]]:
    """Yield the rows of each data set."""
    rows = current(results, protocol, ORDER)
    for data in sorted({row.data for row in rows}):
        yield data, [row for row in rows if row.data == data]


def snr_columns(rows: Sequence[Row]) -> dict[str, Choose]:
    """Return columns for the SNRs of rows, or some of them where there are many, and for means over several."""
    present = sorted({row.snr_db for row in rows if row.snr_db is not None})
    shown = present if len(present) <= len(SHOWN_DB) else [snr for snr in SHOWN_DB if snr in present]

    def at(snr: float) -> Choose:
        return lambda row: row.snr_db == snr

    columns = {f"{snr:g} dB": at(snr) for snr in shown}
    if set(MODELS_DB) < set(present):
        columns["-4, 0, 4, 10, 18 dB"] = lambda row: row.snr_db in MODELS_DB
    columns["SNR ≥ 0"] = lambda row: row.snr_db is not None and row.snr_db >= 0
    if present and present[0] < 0:
        columns["mean over SNRs"] = lambda row: row.snr_db is not None
    if any(row.snr_db is None for row in rows):
        name = f"{present[0]:g} to {present[-1]:g} dB at once" if present else "all at once"
        columns[name] = lambda row: row.snr_db is None
    return columns


def fidelity_part(results: Path) -> Iterator[Part]:
    """Yield the accuracy of published networks on the replica beside what their sources report."""
    groups = dict(_by_data(results, "fidelity"))
    if not groups:
        return
    known = {row.method for rows in groups.values() for row in rows}
    published = {source.title: source for source in fidelity.PUBLISHED.values() if source.title in known}
    body = [line for data, rows in groups.items() for name in published for line in _fidelity_lines(data, rows, name)]
    for name, source in published.items():
        told = dict(zip(SNRS_DB, source.by_snr, strict=True)) if source.by_snr else {}
        low, high = (f"{100 * share:.1f}" for share in source.overall)
        shown = [f"{100 * told[int(snr)]:.1f}" if told else "" for snr in SHOWN_DB]
        body.append([f"{name}, reported", "real file", *shown, low if low == high else f"{low} to {high}"])
    header = ["network", "data", *(f"{snr:g} dB" for snr in SHOWN_DB), "all SNRs"]
    caption = "macro recall in %, mean over seeds; what sources report is accuracy, the same for equally many records."
    curves = {
        f"{name}, reported": {float(snr): share for snr, share in zip(SNRS_DB, source.by_snr, strict=True)}
        for name, source in published.items()
        if source.by_snr
    }
    pictures = {
        f"fidelity, {data}": accuracy_against_snr(rows, 1 / 11, published=curves, snr=LABELLED)
        for data, rows in groups.items()
    }
    yield Part("How far to trust the replica", FIDELITY, {"Published networks": Table(header, body, caption)}, pictures)


def _fidelity_lines(data: str, rows: Sequence[Row], name: str) -> Iterator[list[str]]:
    def mean(snr: float | None) -> str:
        values = [r.value for r in rows if r.method == name and r.snr_db == snr and r.value is not None]
        return f"{100 * sum(values) / len(values):.1f}" if values else ""

    if any(row.method == name for row in rows):
        yield [name, data, *map(mean, SHOWN_DB), mean(None)]


def contrastive_part(results: Path) -> Iterator[Part]:
    """Yield panel (a) for each data set."""
    reported = ", ".join(f"{name} {100 * share:.1f}" for name, share in CONTRASTIVE_AT_4_DB.items())
    for data, rows in _by_data(results, "contrastive"):
        text = "Eleven classes, five labels each; everything else of the training part unlabelled.\n"
        points: dict[str, dict[float, float]] = {}
        if data not in UNLIKE:
            text += f"Reported on the real file at 4 dB: {reported} %.\n"
            points = {f"{name}, reported": {4.0: share} for name, share in CONTRASTIVE_AT_4_DB.items()}
        shown = without_leaks([row for row in rows if row.metric == ACCURACY and row.method != "chance"])
        more = [row for row in shown if row.method.endswith(MORE)]
        alone = [row for row in shown if not row.method.endswith(MORE)]
        pictures = {"labels alone": accuracy_against_snr(alone, 1 / 11, ACCURACY, points, LABELLED)} if alone else {}
        if len({row.method for row in more}) > 1:
            pictures["unlabelled records beside"] = accuracy_against_snr(more, 1 / 11, ACCURACY, snr=LABELLED)
        text += first_seed_alone(more) + _trained(rows)
        tables = {"Five labels per class": summarise(rows, snr_columns(rows), ACCURACY)}
        yield Part(f"(a) Contrastive methods, {data}", text, tables, pictures)


def first_seed_alone(rows: Sequence[Row]) -> str:
    """Say what methods have on the first seed, which all of them share; nothing where they share all seeds."""
    seeds = sorted({row.seed for row in rows})
    if len({(row.method, row.seed) for row in rows}) == len({row.method for row in rows}) * len(seeds):
        return ""
    shared = [row for row in rows if row.seed == seeds[0]]
    body = summarise(shared, {"": lambda row: row.snr_db is not None and row.snr_db >= 0}, ACCURACY).body
    told = ", ".join(f"*{name}* {share}" for name, share in body if share)
    return f"With unlabelled records beside, SNR ≥ 0, seed {seeds[0]} alone: {told} %.\n"


def new_classes_part(results: Path, protocol: str, title: str, text: str) -> Iterator[Part]:
    """Yield panel (b) or (c) for each data set."""
    for data, rows in _by_data(results, protocol):
        tables, pictures, said = {}, {}, ""
        for shots in sorted({row.shots for row in rows if row.shots is not None}, reverse=True):
            some = [row for row in rows if row.shots == shots]
            tables[f"5-way {shots}-shot"] = summarise(some, snr_columns(some), ACCURACY)
            if protocol == "fewshot":
                tables[f"5-way {shots}-shot, SNR ≥ 0, by what the new classes hold"] = summarise(
                    some, class_columns(), ACCURACY
                )
            if any(row.metric == SPREAD for row in some):
                spread = summarise(some, snr_columns(some), SPREAD, bold=False)
                tables[f"5-way {shots}-shot, standard deviation over episodes"] = spread
            like_theirs = protocol == "fewshot-source" and shots == 5 and data not in UNLIKE
            told = {"LSM, reported": LSM_5_SHOT} if like_theirs else {}
            seen = without_leaks([row for row in some if row.metric == ACCURACY and row.method != "chance"])
            pictures[f"{shots}-shot"] = accuracy_against_snr(seen, 1 / 5, ACCURACY, told, LABELLED)
            said = _behind(seen) if like_theirs else said
        yield Part(f"{title}, {data}", text + _trained(rows) + said, tables, pictures)


def _trained(rows: Sequence[Row]) -> str:
    """Say which networks stand for one of their own at each SNR, and which learned for less than their source says."""
    own = {
        way.name: contender.pretraining.schedule.epochs
        for contender in contenders(Size()).values()
        for way in contender.ways
        if contender.pretraining
    }
    found = {}
    for row in rows:
        name = row.method.removesuffix(JOINED)
        pretraining = row.config.get("pretraining")
        if pretraining and (epochs := pretraining["schedule"]["epochs"]) < own.get(name, 0):
            found[name.split(",")[0]] = f"{epochs} of {own[name]}"
    said = ""
    if any(row.method.endswith(JOINED) for row in rows):
        said = f"Methods *{JOINED[2:]}*: their sources have a network for each SNR, whose epochs are shorter.\n"
    told = ", ".join(f"*{name}* for {epochs}" for name, epochs in found.items())
    return said + (f"Epochs here, of those that their settings have: {told}.\n" if told else "")


def _behind(rows: Sequence[Row]) -> str:
    """Say at which SNRs LSM reports more than ours has."""
    cells = aggregate([row for row in rows if row.method == OURS], ("snr_db",), ACCURACY)
    found = {snr: cell.interval.mean for (snr,), cell in cells.items() if cell.interval and snr is not None}
    above = [f"{snr:g}" for snr in sorted(found) if LSM_5_SHOT[snr] > found[snr]]
    return f"With five labels LSM reports more than *{OURS}* has at {', '.join(above)} dB.\n" if above else ""


def class_columns() -> dict[str, Choose]:
    """Return columns by the pairs among the new classes that are hard to tell apart."""

    def high(row: Row) -> bool:
        return row.snr_db is not None and row.snr_db >= 0

    return {
        "all splits": high,
        "no such pair": lambda row: high(row) and not row.config.get("alike"),
        "QAM16 and QAM64": lambda row: high(row) and "QAM16-QAM64" in row.config.get("alike", ()),
        "AM-DSB and WBFM": lambda row: high(row) and "AM-DSB-WBFM" in row.config.get("alike", ()),
    }


def without_leaks(rows: Sequence[Row]) -> list[Row]:
    """Return the rows of honest methods and of all published leaks together; each by itself is in the tables."""
    alone = ("best epoch on test", "one support set", "LeakyReLU on the logits", "batch norm drifts")
    return [row for row in rows if not row.method.endswith(alone)]


def label_part(results: Path) -> Iterator[Part]:
    """Yield panel (d) for each data set."""
    for data, rows in _by_data(results, "label-efficiency"):
        overall = [row for row in rows if row.snr_db is None]
        text = "All SNRs together, N labels per class and SNR; features as they are, not whitened.\n"
        told: dict[str, dict[float, float]] = {}
        if data not in UNLIKE:
            reported = ", ".join(f"{100 * share:.1f}" for share in MOD_CL.values())
            text += "Mod-CL reports a linear probe on the real file at\n"
            text += f"{reported} % for N = {', '.join(map(str, MOD_CL))}, and 63.1 % with all labels.\n"
            text += _beside_mod_cl(overall)
            told = {"Mod-CL, reported": {float(count): share for count, share in MOD_CL.items()}}
        counts = sorted({row.shots for row in overall if row.shots is not None})
        columns: dict[str, Choose] = {f"N = {count}": labels(count) for count in counts}
        columns["all labels"] = labels(None)
        picture = accuracy_against_labels(overall, ACCURACY, told)
        tables = {"All SNRs": summarise(overall, columns, ACCURACY)}
        yield Part(f"(d) Label efficiency, {data}", text, tables, {"labels": picture})


def _beside_mod_cl(rows: Sequence[Row]) -> str:
    """Say by how many points the linear probe of ours differs from what Mod-CL reports."""
    cells = aggregate([row for row in rows if row.method == PROBE], ("shots",), ACCURACY)
    gaps = [
        f"{100 * (cell.interval.mean - MOD_CL[count]):+.1f}"
        for (count,), cell in sorted(cells.items(), key=lambda item: item[0][0] or 0)
        if count in MOD_CL and cell.interval
    ]
    return f"*{PROBE}* less that: {', '.join(gaps)} points.\n" if gaps else ""


SECTIONS: Mapping[str, Callable[[Path], Iterator[Part]]] = {
    "fidelity": fidelity_part,
    "contrastive": contrastive_part,
    "fewshot-source": lambda results: new_classes_part(
        results,
        "fewshot-source",
        "(b) Few-shot learning, the class split of the source",
        f"Pretrained on six classes, asked about the five that LSM's log holds: {', '.join(SOURCE)}.\n",
    ),
    "fewshot": lambda results: new_classes_part(
        results,
        "fewshot",
        "(b) Few-shot learning, random class splits",
        "Pretrained on six classes, asked about five new ones; each seed parts the classes otherwise.\n",
    ),
    "transfer-source": lambda results: new_classes_part(
        results, "transfer-source", "(c) Supervised transfer, the class split of the source", TRANSFER
    ),
    "transfer": lambda results: new_classes_part(
        results, "transfer", "(c) Supervised transfer, random class splits", TRANSFER
    ),
    "label-efficiency": label_part,
}


if __name__ == "__main__":
    from jsonargparse import auto_cli

    auto_cli(lsm_results, as_positional=False)
