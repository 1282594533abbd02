"""The page of semantic communication: rounds to a level by hand, and every part from rows."""

from pathlib import Path

from groundwave.bench.rows import Row, append
from groundwave.recipes.semantic_results import semantic_results
from groundwave.recipes.semantic_rounds import OURS, SUPERVISED, first, rounds_table

# Accuracy after rounds of two seeds; ours is where supervised training nearly ends after half of its rounds, or never.
CURVES = {
    (SUPERVISED, 0): {0: 0.1, 10: 0.4, 20: 0.79, 40: 0.8},
    (SUPERVISED, 1): {0: 0.1, 10: 0.4, 20: 0.6, 40: 0.8},
    (OURS, 0): {0: 0.2, 10: 0.8, 20: 0.8, 40: 0.9},
    (OURS, 1): {0: 0.2, 10: 0.5, 20: 0.5, 40: 0.7},
}


def row(method: str, metric: str, value: float, seed: int, **told: object) -> Row:
    return Row(
        protocol="semantic-communication",
        method=method,
        data="rgbd (rgb,depth)",
        metric=metric,
        value=value,
        n=100,
        seed=seed,
        **{"shots": 80, **told},  # type: ignore[arg-type]
    )


def rows() -> list[Row]:
    found = []
    for (method, seed), curve in CURVES.items():
        found += [row(method, f"accuracy after {rounds} rounds", value, seed) for rounds, value in curve.items()]
        found += [row(method, "accuracy", curve[40], seed), row(method, "accuracy", 0.5, seed, snr_db=0.0)]
        found += [row(method, "Mbit per round", 0.25, seed), row(method, "accuracy without depth", 0.3, seed)]
    for what in ("rgb, depth (Gaussian copula)", "rgb, depth (KSG)", "all, label (Ross)", "all, label (probe)"):
        found.append(row(OURS, f"information, common: {what}", 1.0, 0, shots=None))
    found += [row(f"{OURS}, a new class", "AUROC of the new class", 0.75, seed, shots=5) for seed in (0, 1)]
    return found


def test_rounds_to_a_level_are_counted_by_hand() -> None:
    table = rounds_table(rows(), [80])
    assert table.body[0] == [SUPERVISED, "30"]  # 20 and 40
    assert table.body[1] == [OURS, "10, 50.0 %; never in 1 of 2"]
    assert first([(0, 0.1), (5, 0.6)], 0.7) is None


def test_the_page_has_each_part_and_says_what_is_missing(tmp_path: Path) -> None:
    for one in rows():
        append(tmp_path / "semantic-communication.jsonl", one)
    text = semantic_results(tmp_path, tmp_path / "semantic.md").read_text()
    for part in ("What a missing sensor costs", "What the blocks know", "Noticed and added", "energy (J)"):
        assert part in text
    assert f"| {SUPERVISED} | 80.0 ± 0.0 |" in text
    assert f"| {OURS} | 50.0 ± 127.1 |" in text  # what a missing sensor costs: 0.9 and 0.7 less 0.3
    assert "modalities=iq,spec" in text
    assert len(list((tmp_path / "semantic").glob("*.png"))) == 5
