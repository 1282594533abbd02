"""The table and the picture of a cascade."""

import csv
import io
from collections.abc import Sequence
from dataclasses import fields

from matplotlib.figure import Figure

from groundwave.bench.rows import hardware
from groundwave.model import Model
from groundwave.page import PALETTE, Section, Table, clean, new_figure, render
from groundwave.recipes.compress_measured import Candidate

HEADER = (
    *("form", "backend", "validation %", "test %", "parameters", "MMACs", "file kB", "peak kB"),
    *("p50 ms", "p95 ms", "records/s"),
)
CAPTION = (
    "p50 and p95 over test records, one at a time. MMACs of a form with exits are the mean over test records, its peak "
    "is that of a record that goes all the way; ONNX Runtime does not tell its peak (–)."
)
MARKS = {"PyTorch": "o", "ONNX Runtime": "s"}


def table(found: Sequence[Candidate]) -> str:
    """Return all candidates as CSV: every field, then the accuracy at each SNR."""
    snrs = sorted({snr for one in found for snr in one.by_snr})
    names = [field.name for field in fields(Candidate) if field.name != "by_snr"]
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow([*names, *(f"test_at_{snr:g}_db" for snr in snrs)])
    for one in found:
        writer.writerow([*(getattr(one, name) for name in names), *(one.by_snr.get(snr, "") for snr in snrs)])
    return text.getvalue()


def front(found: Sequence[Candidate]) -> list[Candidate]:
    """Return those that no other beats in both time and validation accuracy, fastest first."""
    best: list[Candidate] = []
    for one in sorted(found, key=lambda c: (c.p50_s, -c.validation)):
        if not best or one.validation > best[-1].validation:
            best.append(one)
    return best


def report(
    found: Sequence[Candidate], chosen: Candidate, notes: Sequence[str], budget: str, exits: Model | None
) -> str:
    """Return one page: what was asked and chosen, the table, the Pareto front, accuracy by SNR."""
    base = found[0]
    lead = f"Budget {budget}: {chosen.beside(base)}."
    told = [*notes, f"Measured on {hardware()}; ONNX Runtime with one thread. Validation chose; test chose nothing."]
    if exits is not None:
        policy = exits.policy
        told.append(
            f"Exits after steps {', '.join(map(str, exits.spec['exits']['after']))} of the backbone, by {policy.rule} "
            f"below {', '.join(f'{value:.3g}' for value in policy.thresholds)}."
        )
    forms = Table(HEADER, [_line(one) for one in found], CAPTION)
    sections = [Section("All forms", told, [forms], {"Pareto front": picture(found)})]
    if any(len(one.by_snr) > 1 for one in found):
        sections.append(Section("Accuracy by SNR", tables=[_by_snr(found)]))
    return render("Compression", sections, lead)


def picture(found: Sequence[Candidate]) -> Figure:
    """Draw validation accuracy over the time of a record, and the front."""
    figure, axes = new_figure()
    for number, one in enumerate(found):
        colour = PALETTE[number % len(PALETTE)]
        axes.plot(1e3 * one.p50_s, 100 * one.validation, MARKS[one.backend], color=colour, label=_name(one))
    best = front(found)
    axes.step(
        [1e3 * one.p50_s for one in best], [100 * one.validation for one in best], where="post", color="0.6", zorder=0
    )
    axes.set(xlabel="median time of a record, batch 1 (ms)", ylabel="accuracy on validation (%)", xscale="log")
    axes.legend(fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    clean(axes)
    return figure


def _name(one: Candidate) -> str:
    return f"{one.title} ({one.backend})"


def _line(one: Candidate) -> list[str]:
    return [
        one.title,
        one.backend,
        *(f"{100 * share:.1f}" for share in (one.validation, one.test)),
        f"{one.parameters:,}",
        f"{one.macs / 1e6:.3g}",
        f"{one.file_bytes / 1e3:.0f}",
        "–" if one.peak_bytes is None else f"{one.peak_bytes / 1e3:.0f}",
        *(f"{1e3 * seconds:.3g}" for seconds in (one.p50_s, one.p95_s)),
        f"{one.per_second:.0f}",
    ]


def _by_snr(found: Sequence[Candidate]) -> Table:
    snrs = sorted({snr for one in found for snr in one.by_snr})
    body = [[_name(one), *(f"{100 * one.by_snr[snr]:.1f}" for snr in snrs)] for one in found]
    return Table(["form", *(f"{snr:g} dB" for snr in snrs)], body, "test records, %")
