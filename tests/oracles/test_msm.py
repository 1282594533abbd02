"""Masked modelling: what is hidden from the network, and that the loss sees nothing else."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from groundwave.contract import CSIContract, SpectrogramContract
from groundwave.errors import GroundwaveError
from groundwave.nn import BACKBONES
from groundwave.nn.patch import patchify
from groundwave.pretrain.masks import MASKS
from groundwave.pretrain.msm import MaskedSpectrogramModeling, hidden_error
from groundwave.rng import generator

CONTRACT = SpectrogramContract(min_freqs=8, min_frames=8)
DECODER = {"name": "light", "dim": 16, "depth": 1, "num_heads": 2}


def build(**settings: Any) -> MaskedSpectrogramModeling:
    torch.manual_seed(0)
    vit = BACKBONES["vit"](dim=16, depth=2, num_heads=2, patch=(8, 4))
    return MaskedSpectrogramModeling(vit, (), CONTRACT, **{"decoder": DECODER, **settings}).eval()


def spectrograms(size: tuple[int, int] = (32, 20)) -> dict[str, Tensor]:
    return {"spec": 8 * torch.randn(3, *size, generator=generator(0, "spectrograms")) - 60}


def slow_error(prediction: Tensor, target: Tensor, hidden: Tensor) -> Tensor:
    """Walk over all cells and take those that were hidden."""
    errors = [
        (prediction[b, c, f, t] - target[b, c, f, t]) ** 2
        for b in range(target.shape[0])
        for c in range(target.shape[1])
        for f in range(target.shape[2])
        for t in range(target.shape[3])
        if hidden[b, 0, f, t]
    ]
    return torch.stack(errors).mean()


WRONG: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "all cells": lambda prediction, target, _: (prediction - target).square().mean(),
    "kept cells": lambda prediction, target, hidden: slow_error(prediction, target, ~hidden),
    "divided by all cells": lambda p, t, hidden: ((p - t).square() * hidden).mean(),
}


def example() -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(0)
    hidden = MASKS["random"](2, (5, 7), 0.4, generator(0))[:, None]
    return torch.randn(2, 3, 5, 7, requires_grad=True), torch.randn(2, 3, 5, 7), hidden


def test_the_loss_is_that_of_the_loop() -> None:
    torch.testing.assert_close(hidden_error(*example()), slow_error(*example()))


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_loss_would_be_caught(name: str) -> None:
    assert (hidden_error(*example()) - WRONG[name](*example())).abs() > 1e-3


def test_kept_cells_have_no_part_in_the_loss() -> None:
    prediction, target, hidden = example()
    loss = hidden_error(prediction, target, hidden)
    (slope,) = torch.autograd.grad(loss, prediction)
    assert torch.equal(slope != 0, hidden.expand_as(slope))
    moved = torch.where(hidden, target, target + 100)
    torch.testing.assert_close(hidden_error(prediction, moved, hidden), loss, rtol=0, atol=0)
    assert hidden_error(prediction, torch.where(hidden, target + 1, target), hidden) != loss


@pytest.mark.parametrize("settings", [{}, {"fill": "noise", "cell": (4, 4), "ratio": 0.2}])
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("size", [(32, 20), (29, 22)])
def test_what_is_hidden_never_reaches_the_network(settings: dict[str, Any], mask: str, size: tuple[int, int]) -> None:
    objective = build(mask=mask, **settings)
    x, hidden, drawn = objective.reconstruct(spectrograms(size), generator(0, "step"))
    assert x.shape == drawn.shape == (3, 1, *size)
    assert torch.equal(drawn != x, hidden), "kept cells stay as they are"
    secret = spectrograms(size)["spec"]
    shuffled = secret.clone()
    for record, cells in zip(shuffled, hidden[:, 0], strict=True):
        record[cells] = record[cells].flip(0)  # the quantiles, mean and power of the record stay as they are
    _, same, again = objective.reconstruct({"spec": shuffled}, generator(0, "step"))
    assert torch.equal(same, hidden)
    torch.testing.assert_close(again[hidden], drawn[hidden], atol=1e-5, rtol=1e-5)
    seen = torch.where(hidden[:, 0], secret, secret.flip(0))
    other = objective.reconstruct({"spec": seen}, generator(0, "step"))[2]
    assert (other - drawn)[hidden].abs().max() > 1e-3, "what is kept does reach it"


def test_the_noise_is_as_loud_as_what_is_left_whatever_was_hidden() -> None:
    objective = build(fill="noise")
    x = torch.randn(2, 1, 32, 20, generator=generator(0, "cells")) * 3 - 50
    hidden = MASKS["random"](2, (32, 20), 0.5, generator(0, "mask"))[:, None]
    objective.backbone.tokens = lambda given: given  # type: ignore[method-assign, assignment, union-attr]
    filled = objective._filled(x, hidden, generator(0, "noise"))
    louder = objective._filled(torch.where(hidden, 7 * x, x), hidden, generator(0, "noise"))
    assert torch.equal(filled, louder)
    noise = torch.randn(x.shape, generator=generator(0, "noise"))
    for record, left, draw, drawn in zip(x, ~hidden, noise, filled, strict=True):
        wanted = record[left].mean() + record[left].std() * draw
        torch.testing.assert_close(drawn, torch.where(left, record, wanted))


def test_the_ratio_is_that_of_the_patches() -> None:
    for settings, share in (({"ratio": 0.75}, 0.75), ({"fill": "noise", "cell": (4, 5), "ratio": 0.25}, 0.25)):
        hidden = build(**settings).reconstruct(spectrograms(), generator(0))[1]
        torch.testing.assert_close(hidden.float().mean((1, 2, 3)), torch.full((3,), share))


def test_normalised_patches_are_drawn_at_their_own_level() -> None:
    objective = build(normalise_patches=True)
    x = CONTRACT.prepare(spectrograms())
    mean, scale = objective._level(x)
    level = patchify((x - mean) / scale, (8, 4))
    torch.testing.assert_close(level.mean(-1), torch.zeros(3, 20), atol=1e-5, rtol=0)
    torch.testing.assert_close(level.var(-1), torch.ones(3, 20), atol=1e-3, rtol=0)
    scalars = objective(spectrograms(), generator(0, "step"))
    x, hidden, drawn = objective.reconstruct(spectrograms(), generator(0, "step"))
    torch.testing.assert_close(hidden_error((drawn - mean) / scale, (x - mean) / scale, hidden), scalars["loss"])


class Fixed(nn.Module):
    """A decoder that always draws the same."""

    def __init__(self, drawn: Tensor) -> None:
        super().__init__()
        self.drawn = drawn

    def forward(self, *_: object) -> Tensor:
        return self.drawn


def test_a_perfect_drawing_explains_everything_and_the_mean_nothing() -> None:
    objective, record = build(), spectrograms()
    x = CONTRACT.prepare(record)
    for drawn, explained in ((x, 1.0), (x.mean((2, 3), keepdim=True).expand_as(x), 0.0)):
        objective.decoder = Fixed(drawn)
        torch.testing.assert_close(objective(record, generator(0))["explained"], torch.tensor(explained))


@pytest.mark.parametrize("fill", ["drop", "noise"])
def test_training_draws_what_can_be_drawn(fill: str) -> None:
    """Stripes that are the same in every record, below the noise of each."""
    torch.manual_seed(0)
    stripes = 10 * torch.randn(8, generator=generator(0)).repeat_interleave(2).expand(16, 16, -1)
    objective = MaskedSpectrogramModeling(
        BACKBONES["vit"](dim=32, depth=1, num_heads=2, patch=(4, 2)),
        (),
        CONTRACT,
        ratio=0.4,
        fill=fill,
        decoder={"name": "light", "dim": 32, "depth": 1},
    )
    optimizer = torch.optim.AdamW(objective.parameters(), lr=4e-3)
    for step in range(120):
        noise = torch.randn(stripes.shape, generator=generator(1, step))
        scalars = objective({"spec": stripes + noise}, generator(0, step))
        optimizer.zero_grad()
        scalars["loss"].backward()
        optimizer.step()
    assert scalars["explained"] > 0.5


def test_csi_of_several_antennas_is_a_grid_like_any_other() -> None:
    torch.manual_seed(0)
    vit = BACKBONES["vit"](num_channels=3, dim=16, depth=1, num_heads=2, patch=(6, 4))
    objective = MaskedSpectrogramModeling(vit, (), CSIContract(num_antennas=3), decoder=DECODER)
    gains = torch.randn(2, 3, 30, 50, dtype=torch.complex64)
    x, hidden, drawn = objective.reconstruct({"csi": gains}, generator(0))
    assert x.shape == drawn.shape == (2, 3, 30, 50)
    assert hidden.shape == (2, 1, 30, 50)


def test_what_does_not_go_together_is_refused() -> None:
    with pytest.raises(GroundwaveError, match="--backbone vit"):
        MaskedSpectrogramModeling(BACKBONES["xcit"](), (), CONTRACT)
    with pytest.raises(GroundwaveError, match="leave cell out"):
        build(cell=(2, 2))
    with pytest.raises(GroundwaveError, match="one of drop, noise"):
        build(fill="zeros")
    for cell in ((4,), (0, 4), (2, 2, 2)):
        with pytest.raises(GroundwaveError, match="rows and columns, at least 1 each"):
            build(cell=cell, fill="noise")
    for decoder in ({}, {"dim": 16}, {"name": "lite"}):
        with pytest.raises(GroundwaveError, match=r"unknown decoder '.*light"):
            build(decoder=decoder)
    with pytest.raises(
        GroundwaveError, match="argument of decoder light 'width'; expected one of depth, dim, num_heads"
    ):
        build(decoder={"name": "light", "width": 16})


def test_a_picture_shows_each_record_three_times() -> None:
    figure = build().picture(spectrograms(), generator(0))
    assert [axes.get_title() for axes in figure.axes[:3]] == ["input", "what is left", "reconstruction"]
    assert len(figure.axes) == 9
    seen, left, drawn = (axes.images[0].get_array() for axes in figure.axes[:3])
    hidden = left.mask if left.mask.shape else None
    assert hidden is not None
    torch.testing.assert_close(torch.tensor(hidden.mean()), torch.tensor(0.75, dtype=torch.float64))
    assert (seen.data != drawn.data)[hidden].all()
    assert (seen.data == drawn.data)[~hidden].all()
