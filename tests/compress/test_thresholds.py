"""Calibration against trying everything; what is measured; models with exits on disk."""

from functools import partial
from itertools import pairwise, product
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from groundwave.compress.exits import published
from groundwave.compress.thresholds import (
    Judged,
    Point,
    by_snr,
    calibrate,
    expected_seconds,
    judge,
    leaving_seconds,
)
from groundwave.errors import GroundwaveError
from groundwave.model import InputContract, Model
from groundwave.nn.exits import RULES, Policy, exit_settings, multi_exit
from groundwave.nn.heads import LinearHead
from groundwave.rng import generator


def judged(seed: int, num: int = 12, exits: int = 1, rule: str = "entropy") -> Judged:
    draw = generator(seed, "judged")
    doubt = torch.rand(num, exits, generator=draw)
    sure = torch.rand(num, exits + 1, generator=draw)
    return Judged(doubt, torch.cat([sure[:, :-1] > doubt, sure[:, -1:] > 0.2], dim=1), rule)


def by_trying(known: Judged, seconds: list[float], loss: float, strict: bool = True) -> tuple[float, float]:
    """The fastest of all cuts between doubts, one record at a time."""
    best = (float("inf"), 0.0)
    values = [0.0, *((a + b) / 2 for a, b in pairwise(sorted(known.doubt.flatten().tolist()))), 1.0]
    full = sum(row[-1] for row in known.correct.tolist()) / len(known.doubt)
    for thresholds in product(values, repeat=known.doubt.shape[1]):
        right = time = 0.0
        for doubts, correct in zip(known.doubt.tolist(), known.correct.tolist(), strict=True):
            exit = next((k for k, (d, t) in enumerate(zip(doubts, thresholds, strict=True)) if d < t), len(doubts))
            right, time = right + correct[exit] / len(known.doubt), time + seconds[exit] / len(known.doubt)
        if right >= full - loss - 1e-9 or not strict:
            best = min(best, (time, -right))
    return best[0], -best[1]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), loss=st.sampled_from([0.0, 0.1, 0.3]))
def test_one_exit_is_calibrated_as_well_as_can_be(seed: int, loss: float) -> None:
    known = judged(seed)
    found = calibrate(known, [1.0, 3.0], loss=loss)
    seconds, accuracy = by_trying(known, [1.0, 3.0], loss)
    assert found.seconds == pytest.approx(seconds)
    assert found.accuracy == pytest.approx(accuracy)


def test_a_search_that_forgets_accuracy_is_caught() -> None:
    known = judged(3)
    assert by_trying(known, [1.0, 3.0], 0.0, strict=False)[0] < calibrate(known, [1.0, 3.0], loss=0.0).seconds


@pytest.mark.parametrize("seed", range(4))
def test_two_exits_keep_the_accuracy_and_come_near_the_best(seed: int) -> None:
    known, seconds = judged(seed, exits=2), [1.0, 2.0, 4.0]
    found = calibrate(known, seconds, loss=0.1)
    best, _ = by_trying(known, seconds, 0.1)
    assert found.accuracy >= known.correct[:, -1].double().mean() - 0.1 - 1e-9
    assert best - 1e-9 <= found.seconds <= best + 0.5


def outcome(known: Judged, policy: Policy, seconds: list[float]) -> tuple[float, float]:
    return float(known.right(policy).double().mean()), known.scores(policy, seconds)[1]


def test_within_a_time_it_is_as_accurate_as_can_be() -> None:
    known = judged(1, num=40)
    found = calibrate(known, [1.0, 3.0], budget=2.0)
    assert found.seconds <= 2.0
    for value in known.doubt[:, 0].tolist():
        accuracy, seconds = outcome(known, Policy((value,)), [1.0, 3.0])
        assert accuracy <= found.accuracy or seconds > 2.0


def test_an_impossible_time_says_which_is_reachable() -> None:
    known = judged(1)
    with pytest.raises(GroundwaveError, match="at least 1e\\+03 ms"):
        calibrate(known, [1.0, 3.0], budget=0.5)
    with pytest.raises(GroundwaveError, match="may be given up"):
        calibrate(known, [1.0, 3.0])


@pytest.mark.parametrize("value", [-0.01, 1.5, float("nan")])
def test_a_loss_that_is_none_says_what_the_whole_network_reaches(value: float) -> None:
    known = judged(1, num=40)
    whole = 100 * float(known.correct[:, -1].double().mean())
    with pytest.raises(
        GroundwaveError, match=rf"a loss of {value:g}; expected a share from 0.* {whole:.1f} %.*3e\+03 ms"
    ):
        calibrate(known, [1.0, 3.0], loss=value)


@pytest.mark.parametrize("value", [-1.0, 0.0, float("nan")])
def test_a_time_that_is_none_says_which_is_reachable(value: float) -> None:
    with pytest.raises(GroundwaveError, match=r"at least 1e\+03 ms"):
        calibrate(judged(1), [1.0, 3.0], budget=value)


@pytest.mark.parametrize("seconds", [[1.0], [1.0, 2.0, 3.0], [0.0, 1.0], [1.0, float("nan")]])
def test_times_that_do_not_belong_to_the_exits_are_refused(seconds: list[float]) -> None:
    with pytest.raises(GroundwaveError, match="leaving_seconds"):
        calibrate(judged(1), seconds, loss=0.1)
    with pytest.raises(GroundwaveError, match="a margin of -1"):
        calibrate(judged(1), [1.0, 3.0], loss=0.1, margin=-1)


@pytest.mark.parametrize("margin", [0.0, 1.0])
def test_within_a_median_time_half_of_the_records_keep_it(margin: float) -> None:
    known, seconds = judged(2, num=41), [1.0, 3.0]
    policy = calibrate(known, seconds, budget=1.5, median=True, margin=margin).policy
    early = int((known.leave(policy) == 0).sum())
    assert early >= 41 * (0.5 + margin * 0.5 / 41**0.5)
    strict = calibrate(known, seconds, budget=1.5, margin=margin)  # in the mean, three quarters have to leave
    assert early < int((known.leave(strict.policy) == 0).sum())
    whole = calibrate(known, seconds, budget=3.0, median=True)
    assert whole.accuracy >= float(known.correct[:, -1].double().mean())


@pytest.mark.parametrize("rule", RULES)
def test_what_is_judged_is_what_happens(rule: str) -> None:
    torch.manual_seed(0)
    network = multi()
    x, label = torch.randn(40, 2, 128), torch.arange(40) % 10
    known = judge(network, iter([(x[:16], label[:16]), (x[16:], label[16:])]), rule)
    thresholds = tuple(min(1.0, float(known.doubt[:, k].median()) + 1e-4) for k in range(2))
    found = network.answer(x, Policy(thresholds, rule))
    torch.testing.assert_close(known.leave(Policy(thresholds)), found.exit)
    torch.testing.assert_close(known.right(Policy(thresholds)), found.probabilities.argmax(-1) == label)
    with pytest.raises(GroundwaveError, match="no records"):
        judge(network, iter([]), rule)


def multi() -> torch.nn.Module:
    network = published("V0").eval()
    settings = exit_settings(network.backbone, torch.zeros(1, 2, 128), (1, 3), 10)
    made = multi_exit(network.backbone, network.head, (1, 3), settings, "pooled").eval()
    for head in made.exits:
        torch.nn.init.normal_(head.layers[-1].weight)
    return made


def test_snr_by_snr() -> None:
    torch.manual_seed(0)
    network = multi()
    x, label, snr = torch.randn(12, 2, 128), torch.arange(12) % 10, torch.tensor([0.0, 10.0]).repeat(6)
    policy = Policy((0.4, 0.4))
    exits = network.answer(x, policy).exit
    answers = {"exits": partial(network.answer, policy=policy), "again": partial(network.answer, policy=policy)}
    for batch_size in (1, 4):
        points = by_snr(answers, x, label, snr, num_places=3, batch_size=batch_size, num_runs=2)
        assert [point[:2] for point in points["exits"].values()] == [point[:2] for point in points["again"].values()]
        for value, point in points["exits"].items():
            shares = exits[snr == value].bincount(minlength=3).double() / 6
            assert point.shares == pytest.approx(shares.tolist())
            assert point.seconds > 0
    seconds = leaving_seconds(network, x[:1], num_runs=5)
    assert len(seconds) == 3
    assert min(seconds) > 0


def test_the_time_of_a_mix_is_its_mean() -> None:
    points = {0.0: Point((0.0, 1.0), 0.5, 3.0), 10.0: Point((1.0, 0.0), 0.9, 1.0)}
    assert expected_seconds(points, {0.0: 1, 10.0: 3}) == 1.5
    with pytest.raises(GroundwaveError, match="measure it, too"):
        expected_seconds(points, {5.0: 1})
    with pytest.raises(GroundwaveError, match="correct the mix"):
        expected_seconds(points, {0.0: 0})


def model_with_exits(iq: torch.Tensor) -> Model:
    torch.manual_seed(0)
    contract = InputContract(num_samples=128, min_samples=128, max_samples=128)
    model = Model.build("xcit", contract, {"dim": 16, "depth": 3, "num_heads": 2})
    args = {"in_features": model.num_features, "out_features": 3}
    model = model.with_head("linear", LinearHead(**args), args, ("a", "b", "c"))
    settings = exit_settings(model.backbone, torch.zeros(1, 2, 128), (1, 2), 3)
    exits = multi_exit(model.backbone, model.head, (1, 2), settings, "pooled")
    for head in exits.exits:
        torch.nn.init.normal_(head.layers[-1].weight)
    x = model.contract.channels(model.contract.prepare(iq))
    middle = judge(exits, iter([(x, torch.zeros(len(x)).long())])).doubt[:, 0].median()
    return model.with_exits(exits, settings, "pooled", Policy((float(middle), 0.0)))


def test_a_model_with_exits_comes_back_and_uses_them(tmp_path: Path) -> None:
    iq = torch.randn(20, 128, dtype=torch.complex64, generator=generator(0, "iq"))
    model = model_with_exits(iq)
    loaded = Model.load(model.save(tmp_path / "m"))
    assert loaded.policy == model.policy
    torch.testing.assert_close(loaded.predict(iq), model.predict(iq))
    x = model.contract.channels(model.contract.prepare(iq))
    answered = loaded.exits.answer(x, loaded.policy)
    assert len(set(answered.exit.tolist())) > 1
    torch.testing.assert_close(loaded.predict(iq), answered.probabilities)
    model.spec["exits"]["policy"]["thresholds"] = [0.0, 0.0]
    torch.testing.assert_close(model.predict(iq), model.head(model.embed(iq)).softmax(-1))
    new_head = loaded.with_head("linear", loaded.head, loaded.spec["head"]["args"], ("x", "y", "z"))
    assert new_head.exits is None
    assert "exits" not in new_head.spec


def test_noise_that_nothing_helps_leaves_early_without_loss() -> None:
    """Half of the records are surely right at once, half are as wrong at the end as they are at the exit."""
    doubt = torch.cat([torch.linspace(0.0, 0.2, 50), torch.linspace(0.8, 1.0, 50)])[:, None]
    easy = torch.arange(100) < 50
    known = Judged(doubt, torch.stack([easy, easy], dim=1), "entropy")
    assert calibrate(known, [1.0, 4.0], loss=0.0, hopeless=True).seconds == pytest.approx(1.0)
    torn = Judged(doubt, torch.stack([easy, easy | (doubt[:, 0] > 0.95)], dim=1), "entropy")
    found = calibrate(torn, [1.0, 4.0], loss=0.0, hopeless=True)
    assert found.accuracy == float(torn.correct[:, 1].double().mean())
    assert found.seconds < calibrate(torn, [1.0, 4.0], loss=0.0).seconds + 1e-9


@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 10_000), exits=st.integers(1, 2))
def test_bounds_of_hopelessness_only_ever_save_time(seed: int, exits: int) -> None:
    known, seconds = judged(seed, exits=exits, num=40), [1.0, 2.0, 4.0][-exits - 1 :]
    both = calibrate(known, seconds, loss=0.05, hopeless=True)
    assert both.accuracy >= float(known.correct[:, -1].double().mean()) - 0.05 - 1e-9
    leaving = known.leave(both.policy)
    for row, doubts in zip(leaving.tolist(), known.doubt.tolist(), strict=True):
        gone = both.policy.hopeless or (2.0,) * exits
        places = [k for k in range(exits) if doubts[k] < both.policy.thresholds[k] or doubts[k] >= gone[k]]
        assert row == (places[0] if places else exits)


def test_a_margin_keeps_what_was_promised_on_other_records() -> None:
    """Without one, the budget is used up to the last record of validation, and half of all tests exceed it."""
    exceeded = {0.0: 0, 1.64: 0}
    for seed in range(20):
        known, others = judged(seed, num=200), judged(seed + 1000, num=200)
        for margin in exceeded:
            policy = calibrate(known, [1.0, 3.0], loss=0.05, margin=margin).policy
            exceeded[margin] += others.scores(policy, [1.0, 3.0])[0] > 0.05
    assert exceeded[0.0] >= 7
    assert exceeded[1.64] <= 4
    with pytest.raises(GroundwaveError, match="at least 1e\\+03 ms"):
        calibrate(judged(1), [1.0, 3.0], budget=0.5, margin=1.64)


def test_bounds_of_hopelessness_that_make_no_sense() -> None:
    for bounds in ((0.5,), (-1.0, 0.5), (float("nan"), 0.5)):
        with pytest.raises(GroundwaveError, match="calibrate the thresholds"):
            Policy((0.1, 0.1), "entropy", bounds)
