"""The page of semantic communication: rounds to a level by hand, and every part from rows."""

from dataclasses import replace
from pathlib import Path

import pytest

from groundwave.bench.information import AS_MANY
from groundwave.bench.rows import Row, append
from groundwave.bench.semantic_pictures import accuracy_against_traffic
from groundwave.recipes.semantic_aims import aims
from groundwave.recipes.semantic_blocks import informed
from groundwave.recipes.semantic_communication import METHODS, PRETRAINING
from groundwave.recipes.semantic_lacking import COUNTS, lacking
from groundwave.recipes.semantic_results import beside_stage_two, semantic_results
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


def test_a_sweep_has_a_table_of_its_own(tmp_path: Path) -> None:
    other = f"{OURS}, common 0.5"
    for one in [*rows(), row(other, "accuracy", 0.75, 1)]:
        append(tmp_path / "semantic-communication.jsonl", one)
    text = semantic_results(tmp_path, tmp_path / "semantic.md").read_text()
    assert text.count(other) == 1
    assert f"| {OURS} | 70.0 |" in text  # of the one seed that was swept
    assert f"| {other} | **75.0** |" in text


@pytest.mark.parametrize("unit", ["rounds", "Mbit"])
def test_intervals_are_shaded_of_three_seeds_or_more(unit: str) -> None:
    found = [one for one in rows() if one.shots == 80]
    two = accuracy_against_traffic(found, unit).axes[0]
    assert (len(two.lines), len(two.collections)) == (2, 0)
    third = [replace(one, seed=2) for one in found if one.method == OURS and one.seed == 0]
    assert len(accuracy_against_traffic(found + third, unit).axes[0].collections) == 1


def lines_of(rows: list[Row]) -> dict[str, list[str]]:
    table = aims(rows)
    assert table
    return {line[0]: line[1:] for line in table.body}


def test_a_head_start_has_its_own_line_of_rounds() -> None:
    title = METHODS["ours-head-start"].title
    found = rows() + [row(title, f"accuracy after {n} rounds", 0.8, seed) for n in (0, 10) for seed in (0, 1)]
    what = f"rounds to 95 % of the final accuracy of *{SUPERVISED}*, 80 labels"
    assert lines_of(found)[f"{what}, head start"] == ["25 %", "0.0 %", "✓"]
    assert f"{what}, head start" not in lines_of(rows())


def test_the_grid_that_rounds_are_read_from_is_told() -> None:
    caption = rounds_table(rows(), [80]).caption
    assert "on 100 records was asked after 0, 10, 20, 40 rounds; the first of these" in caption
    assert f"rounds to 95 % of the final accuracy of *{SUPERVISED}*, 80 labels" in lines_of(rows())


def test_shares_of_rounds_are_cut_off_at_zero() -> None:
    found = [one if one.seed == 0 or one.value != 0.7 else replace(one, value=0.8) for one in rows()]
    assert rounds_table(found, [80]).body[1] == [OURS, "25, 75.0 (0.0 to 392.7) %"]  # 10 of 20 and 40 of 40


@pytest.mark.parametrize(("spread", "met"), [(0.1, "✓"), (0.4, "✗")])
def test_more_bits_count_where_the_interval_is_above_zero(spread: float, met: str) -> None:
    found = [row(OURS, f"information, {AS_MANY} (Ross)", 1.0, seed) for seed in range(3)]
    for seed, sign in enumerate((-1, 0, 1)):
        found.append(row(OURS, "information, all: all, label (Ross)", 1.3 + sign * spread, seed))
    assert lines_of(found)[f"bits of all: all, label less {AS_MANY} (Ross)"][2] == met


def test_what_a_missing_sensor_costs_is_told_of_each() -> None:
    found = [row(method, "accuracy", 0.8, seed) for method in (OURS, SUPERVISED) for seed in (0, 1, 2)]
    for sensor, mine, its in (("rgb", 0.3, 0.5), ("depth", 0.7, 0.4)):
        for seed in (0, 1, 2):
            for method, left in ((OURS, mine), (SUPERVISED, its + 0.01 * seed)):
                found.append(row(method, f"accuracy without {sensor}", left, seed))
    lines = lines_of(found)
    assert lines["what it costs to miss rgb, 80 labels"][2] == "✗"
    assert lines["what it costs to miss depth, 80 labels"][2] == "✓"
    assert lines["what a missing sensor costs in the mean, 80 labels"][1].startswith("-4.0")


@pytest.mark.parametrize(("lower", "met"), [(0.3, "✓"), (0.05, "✗")])
def test_an_ablation_is_behind_where_intervals_are_apart(lower: float, met: str) -> None:
    other = METHODS["intra"].title
    found = [row(OURS, "accuracy", 0.7 + 0.02 * seed, seed, shots=n) for seed in range(3) for n in (800, 400)]
    table = aims([*found, *rows()])
    assert table
    assert "Not yet measured: ahead of *intra only*, *cross only, CLIP*" in table.caption
    found += [replace(one, method=other, value=one.value - lower) for one in found if one.value]
    lines = lines_of(found)
    assert lines[f"final accuracy beside *{other}*, 400 labels"][2] == met
    assert f"final accuracy beside *{other}*, 800 labels" not in lines, "labels are many there"


@pytest.mark.parametrize(("seconds", "met"), [(600.0, "✓"), (2400.0, "✗")])
def test_minutes_of_pretraining_are_those_of_each_seed_s_longest_cell(seconds: float, met: str) -> None:
    config = {"stage_one": {"epochs": PRETRAINING.epochs}}
    told = {"hardware": "a processor, 2 threads, no accelerator", "config": config}
    found = [row(OURS, "accuracy", 0.7, seed, seconds=seconds, **told) for seed in (0, 1)]
    found += [row(OURS, "accuracy", 0.7, seed, seconds=9.0, shots=40, **told) for seed in (0, 1)]
    line = ["30 on 2 cores", f"{seconds / 60:.1f}, 2 threads", met]
    assert lines_of(found)["minutes of edge pretraining, stage two included"] == line
    wide = [replace(one, hardware="a processor, 16 threads, no accelerator") for one in found]
    assert "minutes of edge pretraining, stage two included" not in lines_of(wide + rows())


def test_what_is_lacking_is_counted_by_labels_and_seeds() -> None:
    found = [row(METHODS["intra"].title, "accuracy", 0.5, seed, shots=n) for seed in range(5) for n in COUNTS]
    found += [row("separate design, 16 symbols a picture", "accuracy", 0.5, seed, shots=800) for seed in (0, 1)]
    told = list(lacking(found))
    words = "supervised,clip,all-common,ours,ours-one-moment,ours-head-start,new-class"
    assert f"No rows yet of `groundwave run semantic-communication modalities=rgb,depth methods={words}`." in told
    told_of_16 = "2 with 800 labels, none with 400 labels, none with 80 labels."
    assert f"Of 5 seeds of *separate design, 16 symbols a picture* (rgb,depth): {told_of_16}" in told
    assert "No rows yet of a sweep: `common` other than 0.75, `lamda` other than 0.0051." in told
    swept = row(f"{OURS}, common 0.5", "accuracy", 0.5, 0)
    assert not any("sweep" in line for line in lacking([*found, swept]))


def test_traffic_between_devices_is_told_beside_stage_two() -> None:
    (part,) = beside_stage_two([*rows(), row(OURS, "Mbit between devices", 500.0, 0)])
    assert "sends 500 Mbit more" in part.text
    assert "50 times what stage two sends in all\n(40 rounds, 10 Mbit)" in part.text
    assert not list(beside_stage_two(rows()))


def test_where_estimators_disagree_most_is_told() -> None:
    bits = {"common: all": (1.5, 1.4), "unique: depth": (1.6, -0.001)}
    found = [
        row(OURS, f"information, {what}, label ({name})", value, 0)
        for what, values in bits.items()
        for name, value in zip(("Ross", "probe"), values, strict=True)
    ]
    (part,) = informed(found, "rgbd")
    assert "disagree, most on *unique: depth, label*: Ross 1.60 bits, probe 0.00 bits." in part.text
