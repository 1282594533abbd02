"""What rows of semantic communication do not have yet: docs/results/semantic.md's list of open ends."""

from collections.abc import Iterator, Mapping, Sequence

from groundwave.bench.rows import Row
from groundwave.bench.semantic import ACCURACY
from groundwave.bench.semantic_asides import RECALL_OF_NEW, title_of_new, title_of_separate
from groundwave.recipes.semantic_communication import (
    COMMON,
    LAMDA,
    METHODS,
    NUM_SYMBOLS,
    OF_NEW,
    PLENTY,
    SEEDS,
    SHARES,
    SHOTS_OF_NEW,
    SIZES,
)
from groundwave.recipes.semantic_sets import PAIRS
from groundwave.recipes.spectrogram_sets import counts_of

COUNTS = counts_of(SHARES, SIZES.train)
# By the recipe's word for a method: what rows call it, and its numbers of labels.
EXPECTED: Mapping[str, tuple[tuple[str, ...], tuple[int, ...]]] = {
    **{word: ((method.title,), COUNTS) for word, method in METHODS.items()},
    "separate": (tuple(map(title_of_separate, (NUM_SYMBOLS, PLENTY * NUM_SYMBOLS))), COUNTS),
    "new-class": (tuple(title_of_new(METHODS[word].title) for word in OF_NEW), (SHOTS_OF_NEW,)),
}
SWEPT = tuple(f"{METHODS['ours'].title}, {name} " for name in ("common", "lambda"))  # how such methods begin


def lacking(rows: Sequence[Row]) -> Iterator[str]:
    """Yield what of the recipe has no rows, or has them of some labels and seeds only."""
    for pair, sensors in PAIRS.items():
        data = f"{sensors.scene} ({pair})"
        known = {
            (row.method, row.shots, row.seed)
            for row in rows
            if row.data == data and row.metric in (ACCURACY, RECALL_OF_NEW) and row.snr_db is None
        }
        absent, partly = [], []
        for word, (titles, counts) in EXPECTED.items():
            wanted = {(title, count, seed) for title in titles for count in counts for seed in SEEDS}
            if not wanted & known:
                absent.append(word)
                continue
            for title in titles:
                found = {count: len({(title, count, seed) for seed in SEEDS} & known) for count in counts}
                if any(number < len(SEEDS) for number in found.values()):
                    told = ", ".join(f"{n or 'none'} with {count} labels" for count, n in found.items())
                    partly.append(f"Of {len(SEEDS)} seeds of *{title}* ({pair}): {told}.")
        if absent:
            yield f"No rows yet of `{_command(pair)} methods={','.join(absent)}`."
        yield from partly
    if not any(row.method.startswith(SWEPT) for row in rows):
        yield f"No rows yet of a sweep: `common` other than {COMMON}, `lamda` other than {LAMDA}."


def _command(pair: str) -> str:
    return f"groundwave run semantic-communication modalities={pair}"
