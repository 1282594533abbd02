"""What docs/results/beams.md lacks: rungs, pairs of antennas and trainings without rows, and the commands for them."""

from collections.abc import Iterator, Mapping, Sequence

from groundwave.bench.contest import ACCURACY
from groundwave.bench.rows import Row
from groundwave.recipes import angles, deepbeam_cnn, protobeam, protobeam_published
from groundwave.recipes.beam_sets import AWAY, HOME, PAIRS, SHOTS

# Of the commands that ask pairs of antennas: their methods, and the numbers of labels that each is asked with.
ASKED: Mapping[str, Mapping[str, Sequence[int]]] = {
    "protobeam-published": dict.fromkeys(protobeam_published.STEPS, SHOTS),
    "protobeam-published setting=published": dict.fromkeys(protobeam_published.FULL_STEPS, SHOTS),
    "protobeam": {way.name: SHOTS for way in (*protobeam.ways(protobeam.TITLE), *protobeam.classical())}
    | {protobeam.PLAIN: SHOTS, protobeam.UNLABELLED: SHOTS},
    "deepbeam-cnn": deepbeam_cnn.methods(deepbeam_cnn.TITLE),
    "deepbeam-cnn setting=published": deepbeam_cnn.methods(deepbeam_cnn.FULL),
}


def lacking(name: str, rows: Sequence[Row]) -> Iterator[str]:
    """Yield what of a recipe has no rows: the command, and the methods where it would bring some of them only.

    Args:
        name: of the recipe.
        rows: its rows that have a value.
    """
    if name in ASKED:
        for command in (command for command in ASKED if command.split()[0] == name):
            yield from _pairs_lacking(command, rows)
    elif name == "angles" and rows:
        known = {row.data for row in rows}
        none = [data for data in (*angles.SETTINGS, "unseen") if data not in known]
        yield from [f"`groundwave run angles data={','.join(none)}`"] if none else []
    elif not rows:
        yield f"`groundwave run {name}`"


def _pairs_lacking(command: str, rows: Sequence[Row]) -> Iterator[str]:
    """Yield the pairs of antennas that lack the same methods, all of them or some."""
    known = {(row.method, row.data, row.shots, row.seed) for row in rows if row.metric == ACCURACY}
    pairs_by: dict[tuple[str, ...], list[int]] = {}
    for pair in PAIRS:
        methods = tuple(
            method
            for method, counts in ASKED[command].items()
            if not {(method, f"beams, {at}", count, pair) for at in (HOME, AWAY) for count in counts} <= known
        )
        if methods:
            pairs_by.setdefault(methods, []).append(pair)
    for methods, pairs in pairs_by.items():
        chosen = f" pairs={','.join(map(str, pairs))}" if len(pairs) < len(PAIRS) else ""
        some = len(methods) < len(ASKED[command])
        told = ": " + "; ".join(f"*{method}*" for method in methods) if some else ""
        yield f"`groundwave run {command}{chosen}`{told}"
