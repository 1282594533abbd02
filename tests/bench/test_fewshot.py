"""The few-shot engine: same episodes for all, honest sides, rows that resume; and the methods it compares."""

import json
from pathlib import Path

import pytest
import torch

from groundwave.bench.fewshot import measure, score
from groundwave.bench.methods import CLASSICAL, Chance, Forest, Method, attributed, from_scratch, probe, weights_sha256
from groundwave.bench.rows import read
from groundwave.contracts import Record
from groundwave.data.sources import Records
from groundwave.errors import ContractError, DataError
from groundwave.model import InputContract, Model
from groundwave.recipes.ism_fewshot import halves, labelled

NUM_CLASSES, NUM_GROUPS, PER_GROUP = 3, 6, 4


@pytest.fixture
def record() -> dict[str, torch.Tensor]:
    """Tones whose frequency is their class; six groups a class, four records a group."""
    stream = torch.Generator().manual_seed(0)
    label = torch.arange(NUM_CLASSES).repeat_interleave(NUM_GROUPS * PER_GROUP)
    group = torch.arange(NUM_CLASSES * NUM_GROUPS).repeat_interleave(PER_GROUP)
    cycles = torch.tensor([-0.3, 0.05, 0.3])[label][:, None]
    noise = torch.randn(len(label), 256, dtype=torch.complex64, generator=stream)
    return {"iq": torch.exp(2j * torch.pi * cycles * torch.arange(256)) + 0.3 * noise, "label": label, "group": group}


def peak(iq: torch.Tensor) -> torch.Tensor:
    """A feature that solves the task: the frequency of the strongest bin, as a point on the circle."""
    angle = 2 * torch.pi * torch.fft.fft(iq).abs().argmax(-1) / iq.shape[-1]
    return torch.stack([angle.cos(), angle.sin()], dim=-1)


def model() -> Model:
    torch.manual_seed(0)
    contract = InputContract(num_samples=256, min_samples=64, max_samples=256)
    towers = {"time": {"kind": "xcit", "dim": 16, "depth": 1}, "frequency": {"kind": "welch", "dim": 16}}
    return Model.build("lsm", contract, {"towers": towers})


def run(
    record: dict[str, torch.Tensor], methods: list[Method], path: Path, num_episodes: int = 3, num_shots: int = 1
) -> list[str]:
    scores = measure(
        record, methods, protocol="p", data="d", results=path, num_shots=num_shots, num_episodes=num_episodes, seed=0
    )
    return [score.method for score in scores]


def test_methods_meet_the_same_episodes_and_only_missing_ones_are_run(
    record: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    path = tmp_path / "rows.jsonl"
    solve, guess = Method("peak", lambda _: probe("", model()).learner(0), peak), CLASSICAL[-1]
    assert run(record, [solve], path) == ["peak"] * 3
    assert run(record, [solve, guess], path, num_episodes=4) == ["peak"] + ["chance"] * 4
    assert run(record, [solve, guess], path, num_episodes=4) == []
    rows = read(path)
    by_episode = {(row.method, row.episode): row.split_hash for row in rows}
    assert len(by_episode) == len(rows) == 8
    assert all(by_episode["peak", e] == by_episode["chance", e] for e in range(4))
    assert len({row.split_hash for row in rows}) == 4
    assert min(row.value for row in rows if row.method == "peak") > 0.95
    assert all(row.n == NUM_CLASSES * NUM_GROUPS // 2 * PER_GROUP for row in rows)


def test_the_same_name_with_other_weights_or_settings_is_another_method(
    record: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    path, first, second = tmp_path / "rows.jsonl", model(), model()
    with torch.no_grad():
        next(second.backbone.parameters()).add_(0.1)
    methods = [probe("m", first), probe("m", second), probe("m", first, "ridge"), attributed(probe("m", first), peak)]
    methods += [from_scratch(first, crop=128, steps=1), from_scratch(first, crop=128, steps=2)]
    assert [len(run(record, [method], path, num_episodes=1)) for method in methods] == [1] * 6
    assert run(record, methods, path, num_episodes=1) == []
    assert len({row.config_hash for row in read(path)}) == 6
    scores = measure(
        record, methods[:1], protocol="p", data="d", results=path, num_shots=1, num_episodes=1, seed=0, config={"x": 1}
    )
    assert len(scores) == 1
    assert read(path)[-1].config == {**read(path)[0].config, "x": 1}


def test_the_hash_of_weights_is_the_one_of_the_saved_model(tmp_path: Path) -> None:
    saved = json.loads((model().save(tmp_path / "m") / "config.json").read_text())
    assert weights_sha256(model()) == saved["weights_sha256"]
    assert probe("m", model()).config["weights_sha256"] == saved["weights_sha256"][:12]


def test_a_failed_episode_is_a_row_with_its_reason_and_is_tried_again(
    record: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    path, healthy = tmp_path / "rows.jsonl", False

    class Fragile(Forest):
        def fit(self, support: Record) -> "Fragile":
            if not healthy and self.seed == 1:
                raise RuntimeError("no convergence")
            super().fit(support)
            return self

    def deaf(iq: torch.Tensor) -> torch.Tensor:
        raise ContractError("short records", "long ones", "give longer ones")

    methods = [Method("fragile", Fragile, peak), Method("deaf", Forest, deaf), CLASSICAL[-1]]
    assert run(record, methods, path) == ["fragile"] * 2 + ["chance"] * 3
    failed = {(row.method, row.episode): row.failed for row in read(path) if row.failed}
    assert failed[("fragile", 1)] == "RuntimeError: no convergence"
    assert {episode for method, episode in failed if method == "deaf"} == {0, 1, 2}
    assert failed[("deaf", 0)] == "got short records; expected long ones; give longer ones"
    healthy = True
    assert run(record, methods, path) == ["fragile"]
    assert {row.split_hash for row in read(path) if row.episode == 1} == {read(path)[1].split_hash}


def test_a_fault_of_ours_is_not_a_failed_episode(record: dict[str, torch.Tensor], tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        run(record, [Method("broken", lambda: Forest(), peak)], tmp_path / "rows.jsonl")  # type: ignore[misc,arg-type]


def test_classes_of_an_episode_need_not_be_numbered_from_zero(record: dict[str, torch.Tensor]) -> None:
    two = (record["label"] > 0).nonzero()[:, 0]
    episode = (two[::PER_GROUP], two[1::PER_GROUP])
    (result,) = score(record, {5: episode}, [Method("peak", lambda _: Forest(0), peak)])
    assert (result.episode, result.macro_recall) == (5, 1.0)
    assert set(result.prediction.tolist()) == {1, 2}


@pytest.mark.parametrize(
    "method", [*CLASSICAL[:3], probe("frozen", model()), from_scratch(model(), crop=128, steps=40)]
)
def test_every_method_learns_what_is_easy(record: dict[str, torch.Tensor], method: Method, tmp_path: Path) -> None:
    run(record, [method, CLASSICAL[-1]], tmp_path / "rows.jsonl", num_episodes=2, num_shots=5)
    values = {row.method: row.value for row in read(tmp_path / "rows.jsonl")}
    assert values["chance"] < 0.6
    # Cumulants do not see where in the band a tone is; among 273 features, a linear rule on 15 records sees it dimly.
    easy = {"cumulants + logistic": 0.2, "features + logistic": 0.45}.get(method.name, 0.75)
    assert values[method.name] > easy


def test_attributes_stand_beside_the_features(record: dict[str, torch.Tensor]) -> None:
    plain = probe("frozen", model())
    both = attributed(plain, peak)
    iq = record["iq"][:5]
    torch.testing.assert_close(both.embed(iq), torch.cat([plain.embed(iq), peak(iq)], dim=1))
    assert both.name == plain.name


def test_guesses_and_trees_are_repeatable(record: dict[str, torch.Tensor]) -> None:
    known = {**record, "features": peak(record["iq"])}
    for learner in (Chance, Forest):
        first, second = (learner(3).fit(known).predict(known) for _ in range(2))
        torch.testing.assert_close(first, second)
        assert first.shape == (len(record["iq"]), NUM_CLASSES)


def test_captures_are_halved_within_families_and_small_families_are_never_asked() -> None:
    groups_of = {0: 6, 1: 4, 2: 2}
    label = torch.tensor([c for c, n in groups_of.items() for _ in range(3 * n)])
    group = torch.arange(12).repeat_interleave(3)
    record = {"iq": torch.ones(36, 8, dtype=torch.complex64), "label": label, "group": group}
    source = Records(record, classes=("a", "b", "c"), group_names=[f"capture {i}" for i in range(12)])
    sides = halves(source, seed=0)
    assert torch.cat([sides["train"], sides["test"]]).sort().values.tolist() == list(range(36))
    assert not set(group[sides["train"]].tolist()) & set(group[sides["test"]].tolist())
    assert {c: group[sides["test"]][label[sides["test"]] == c].unique().numel() for c in range(3)} == {0: 3, 1: 2, 2: 0}
    assert set(label[labelled(record, **sides)].tolist()) == {0, 1}
    assert not torch.equal(halves(source, seed=1)["test"], sides["test"])
    few = {**record, "group": label}
    with pytest.raises(DataError, match="capture ids"):
        halves(Records(few, classes=("a", "b", "c"), group_names=["one", "two", "three"]), seed=0)
