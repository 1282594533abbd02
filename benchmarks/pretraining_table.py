"""The Markdown table of benchmarks/pretraining.py, from its rows."""

from collections.abc import Sequence
from statistics import median

from groundwave.bench.rows import Row

ASKED = 2.5
TITLES = {"published": "LSM as published", "ours": "LSM, ours"}

HEAD = """# Samples per second of pretraining

{hardware}; {date}; Groundwave {version}.

*Plain*: the same model in a plain PyTorch loop in float32. *Groundwave*: `groundwave.train.fit` as it is by default.
Both began with the same weights, saw the same views of the same records, and took turns; medians of {turns} turns
(lowest to highest), without the first. Products of matrices (2048 x 2048) were measured between the turns; shares of
them are those of the operations that the model has, without those that Groundwave does twice to keep less in memory.

| model | records a step | plain | Groundwave | times | bf16 product | of it reached | fp32 product | plain of it |
|---|---:|---:|---:|---:|---:|---:|---:|---:|
"""

CURVE = """
## The loss of both: {title}

Largest difference {worst:.2%} of the plain loop's loss, mean difference {mean:+.2%}.

| step | plain | Groundwave |
|---:|---:|---:|
"""


def table(rows: Sequence[Row]) -> str:
    """Return the page: speeds, then the loss curves side by side."""
    models = list(dict.fromkeys(row.data for row in rows))
    turns = max(row.seed for row in rows)
    first = rows[0]
    page = HEAD.format(hardware=first.hardware, date=first.date, version=first.version, turns=turns)
    page += "".join(_line([row for row in rows if row.data == name]) for name in models)
    return page + "".join(_curve([row for row in rows if row.data == name]) for name in models)


def _line(rows: Sequence[Row]) -> str:
    plain, ours = (_speeds(rows, loop) for loop in ("plain", "groundwave"))
    per_record = rows[0].config["operations"] / rows[0].n
    wide, narrow = (median(_speeds(rows, f"matrix product, {t}")) for t in ("float32", "bfloat16"))
    times = median(ours) / median(plain)
    cells = (
        TITLES[rows[0].data],
        f"{rows[0].n:,}",
        _text(plain),
        _text(ours),
        f"{times:.2f} {'✓' if times >= ASKED else '✗'}",
        f"{narrow / 1e12:.2f} TFLOP/s",
        f"{median(ours) * per_record / narrow:.0%}",
        f"{wide / 1e12:.2f} TFLOP/s",
        f"{median(plain) * per_record / wide:.0%}",
    )
    return f"| {' | '.join(cells)} |\n"


def _speeds(rows: Sequence[Row], loop: str) -> list[float]:
    """Return a value a turn, without the first where there are more: memory is new there."""
    found = [row.value for row in rows if row.method == loop and row.metric != "loss" and row.value is not None]
    return found[1:] or found


def _text(values: Sequence[float]) -> str:
    return f"{median(values):,.0f} ({min(values):,.0f} to {max(values):,.0f})"


def _curve(rows: Sequence[Row]) -> str:
    losses: dict[str, dict[int, float]] = {"plain": {}, "groundwave": {}}
    for row in rows:
        if row.metric == "loss" and row.episode is not None and row.value is not None:
            losses[row.method][row.episode] = row.value
    plain, ours = losses.values()
    apart = [ours[step] / plain[step] - 1 for step in plain]
    head = CURVE.format(title=TITLES[rows[0].data], worst=max(map(abs, apart)), mean=sum(apart) / len(apart))
    return head + "".join(f"| {step} | {plain[step]:.4f} | {ours[step]:.4f} |\n" for step in plain)
