"""Decoders: an answer for every cell of any grid, a patch's cells from its own token where the map is linear."""

import pytest
import torch

from groundwave.errors import GroundwaveError
from groundwave.nn.dense import DECODERS, Conv3dDecoder, LinearDecoder
from groundwave.nn.patch import patchify

TINY = {
    "context": {},
    "conv": {"dim": 16},
    "conv3d": {"slice": 2},
    "light": {"dim": 16, "depth": 1, "num_heads": 2},
    "linear": {},
}


SIZES = [((4, 8), (8, 24)), ((8, 2), (13, 7)), ((1, 1), (3, 5))]


@pytest.mark.parametrize(
    ("name", "patch", "size"), [(n, *s) for n in DECODERS for s in SIZES if n != "conv3d" or s[0] == (1, 1)]
)
def test_there_is_an_answer_for_every_cell(name: str, patch: tuple[int, int], size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    decoder = DECODERS[name](12, 3, patch, **TINY[name])
    grid = (-(-size[0] // patch[0]), -(-size[1] // patch[1]))
    cells = decoder(torch.randn(2, grid[0] * grid[1], 12), grid, size)
    assert cells.shape == (2, 3, *size)
    cells.square().sum().backward()
    missing = [n for n, p in decoder.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert [n for n in missing if not n.endswith("bias")] == []


def test_a_linear_decoder_answers_each_patch_from_its_token() -> None:
    torch.manual_seed(0)
    decoder, tokens = LinearDecoder(5, 2, (3, 4)), torch.randn(2, 6, 5)
    torch.testing.assert_close(patchify(decoder(tokens, (2, 3), (6, 12)), (3, 4)), decoder.project(tokens))


@pytest.mark.parametrize("name", ["conv", "light", "linear"])  # `context` looks at neighbours on purpose
def test_tokens_lie_in_rows(name: str) -> None:
    """What changes one token changes the cells of its patch most."""
    torch.manual_seed(0)
    decoder, tokens = DECODERS[name](5, 1, (4, 4), **TINY[name]), torch.randn(50, 20, 5)
    for layer in decoder.modules():
        if isinstance(layer, torch.nn.Conv2d) and layer.kernel_size == (3, 3):
            layer.weight.data[:, :, [0, 0, 0, 1, 1, 2, 2, 2], [0, 1, 2, 0, 2, 0, 1, 2]] = 0  # leave the centre
    moved = tokens.clone()
    moved[:, 7] += 1  # second row, third column of four rows and five columns
    change = (decoder(moved, (4, 5), (16, 20)) - decoder(tokens, (4, 5), (16, 20))).square()
    assert int(change.mean(dim=(0, 1)).unfold(0, 4, 4).unfold(1, 4, 4).sum(dim=(-2, -1)).argmax()) == 7


def test_a_convolution_over_slices_joins_a_frame_with_that_of_the_slice_before() -> None:
    torch.manual_seed(0)
    decoder, tokens = Conv3dDecoder(2, 1, slice=4), torch.randn(1, 3 * 10, 2)
    moved = tokens.unflatten(1, (3, 10)).clone()
    moved[:, 1, 5] += 1  # second frame of the second of three slices
    change = (decoder(moved.flatten(1, 2), (3, 10), (3, 10)) - decoder(tokens, (3, 10), (3, 10)))[0, 0]
    assert change.abs().amax(0).nonzero().flatten().tolist() == [0, 1, 2, 4, 5, 6, 8, 9]


@pytest.mark.parametrize(("name", "patch"), [("conv3d", (4, 8)), ("conv", (4, 6))])
def test_patches_that_a_decoder_cannot_answer_for_are_refused(name: str, patch: tuple[int, int]) -> None:
    with pytest.raises(GroundwaveError, match=f"decoder {name} for patches of 4 by .*context, light or linear"):
        DECODERS[name](12, 1, patch)
    for other in ("context", "light", "linear"):  # the remedy
        DECODERS[other](12, 1, patch, **TINY[other])
