"""The closed form of a linear head: least squares of an independent solver, whatever the mean of the tokens."""

import numpy as np
import pytest
import torch

from groundwave.adapt.answering import Answering, Headed, OnSeen
from groundwave.adapt.ridge import PENALTIES, gather, solution, solve
from groundwave.data.sources import Records
from groundwave.errors import GroundwaveError
from groundwave.nn.dense import ContextDecoder, LightDecoder, LinearDecoder
from groundwave.rng import generator
from groundwave.tasks import TASKS

GRID, PATCH, SIZE = (3, 4), (2, 2), (6, 8)
TASK = TASKS["segmentation"](classes=("noise", "a", "b"))


def examples(num: int = 40, offset: float = 0.0) -> Records:
    """Return tokens `[B, 12, 5]` of which the classes of their cells are almost a linear function."""
    draw = generator(3, "ridge")
    tokens = torch.randn(num, 12, 5, generator=draw)
    scores = tokens @ torch.randn(5, 3 * 4, generator=draw)
    cells = scores.reshape(num, 3, 4, 3, 2, 2).permute(0, 3, 1, 4, 2, 5).reshape(num, 3, *SIZE)
    return Records({"inputs": tokens + offset, "target": cells.argmax(dim=1).to(torch.uint8)})


def by_hand(x: np.ndarray, mask: np.ndarray, penalty: float) -> tuple[np.ndarray, np.ndarray]:
    """Return weights and bias by one least-squares problem with a row for each penalised weight, token by token."""
    rows, wanted = [], []
    for tokens, classes in zip(x, mask, strict=True):
        for number, token in enumerate(tokens):
            row, column = divmod(number, GRID[1])
            patch = classes[2 * row : 2 * row + 2, 2 * column : 2 * column + 2].ravel()
            rows.append(token)
            wanted.append([float(cell == name) for name in range(3) for cell in patch])
    a, y = np.array(rows), np.array(wanted)
    mean = a.mean(axis=0)
    scale = penalty * np.mean(np.sum((a - mean) ** 2, axis=0))
    a = np.hstack([a - mean, np.ones((len(a), 1))])
    held = np.hstack([np.sqrt(scale) * np.eye(len(mean)), np.zeros((len(mean), 1))])
    found = np.linalg.lstsq(np.vstack([a, held]), np.vstack([y, np.zeros((len(mean), y.shape[1]))]), rcond=None)[0]
    return found[:-1], found[-1] - mean @ found[:-1]


@pytest.mark.parametrize("offset", [0.0, 300.0])
@pytest.mark.parametrize("penalty", [1e-4, 0.1])
def test_it_is_what_least_squares_say(penalty: float, offset: float) -> None:
    known = examples(offset=offset)
    everything = known[torch.arange(len(known))]
    weight, bias = solution(gather(LinearDecoder(5, 3, PATCH), GRID, known), penalty)
    inputs = everything["inputs"].double().numpy()
    wanted, wanted_bias = by_hand(inputs, everything["target"].numpy(), penalty)
    np.testing.assert_allclose(weight.numpy(), wanted, atol=2e-4)
    np.testing.assert_allclose(bias.numpy(), wanted_bias, atol=2e-4 * (1 + 5 * offset))
    unpenalised, _ = by_hand(inputs, everything["target"].numpy(), 0.5)
    assert np.abs(weight.numpy() - unpenalised).max() > 0.01  # another penalty is another answer


def test_a_decoder_that_is_solved_answers() -> None:
    known, decoder = examples(), LinearDecoder(5, 3, PATCH)
    objective = Answering(OnSeen(decoder, GRID, SIZE), TASK)
    before = objective.scores(known, 8, narrow=False)["mIoU"]
    told: list[tuple[int, float]] = []
    solve(objective, known, lambda number, seconds: told.append((number, seconds)))
    assert [number for number, _ in told] == list(range(len(PENALTIES)))
    assert all(seconds > 0 for _, seconds in told)
    after = objective.scores(known, 8, narrow=False)["mIoU"]
    assert after > 0.5 > before
    chances = objective.network(known[torch.arange(40)]["inputs"]).softmax(dim=1)
    right = chances.gather(1, known[torch.arange(40)]["target"].long()[:, None]).mean()
    assert right > 0.5  # scores are sharp enough to be believed, which squares alone are not


def test_a_token_is_seen_with_its_neighbours_and_the_mean_of_all() -> None:
    decoder = ContextDecoder(1, 1, PATCH)
    seen = decoder.looked_at(torch.arange(1.0, 13.0)[None, :, None], GRID)
    assert seen.shape == (1, 12, 6)
    assert seen[0, 5].tolist() == [6.0, 2.0, 10.0, 5.0, 7.0, 6.5]  # above, below, left, right
    assert seen[0, 0].tolist() == [1.0, 0.0, 5.0, 0.0, 2.0, 6.5]


def test_heads_without_a_closed_form_are_refused() -> None:
    known = examples(4)
    light = LightDecoder(5, 3, PATCH, dim=8, depth=1, num_heads=2)
    with pytest.raises(GroundwaveError, match=r"a LightDecoder.*decoder context or linear"):
        solve(Answering(OnSeen(light, GRID, SIZE), TASK), known, lambda *_: None)
    whole = Headed(torch.nn.Linear(1, 1), LinearDecoder(5, 3, PATCH))
    with pytest.raises(GroundwaveError, match="memory_gb"):
        solve(Answering(whole, TASK), known, lambda *_: None)
