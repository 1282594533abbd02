"""The decoder of the future: shapes, what it looks at, and that it learns what a pattern will do."""

import torch
from torch.nn import functional as F

from groundwave.nn import BACKBONES, HEADS
from groundwave.nn.dense import DECODERS, Decoder
from groundwave.nn.future import FutureDecoder


def test_every_decoder_is_a_head_for_cells() -> None:
    assert {f"{name}_decoder" for name in [*DECODERS, "future"]} == {
        name for name in HEADS if name.endswith("_decoder")
    }
    assert all(issubclass(HEADS[f"{name}_decoder"], Decoder) for name in DECODERS)


def test_it_answers_for_the_frames_to_come_from_the_last_columns_alone() -> None:
    torch.manual_seed(0)
    decoder = FutureDecoder(6, 3, (4, 2), num_frames=5, num_columns=2)
    tokens = torch.randn(2, 4 * 7, 6)
    cells = decoder(tokens, (4, 7), (15, 14))
    assert cells.shape == (2, 3, 15, 5)
    recent = decoder.recent(tokens, (4, 7))
    assert recent.shape == (2, 4 * 2, 6)
    torch.testing.assert_close(decoder(recent, (4, 7), (15, 14)), cells)
    older = tokens.unflatten(1, (4, 7)).clone()
    older[:, :, :5] = 0
    torch.testing.assert_close(decoder(older.flatten(1, 2), (4, 7), (15, 14)), cells)
    older[:, :, 5] = 0
    assert not torch.allclose(decoder(older.flatten(1, 2), (4, 7), (15, 14)), cells)
    assert decoder(tokens[:, :4], (4, 1), (16, 2)).shape == (2, 3, 16, 5)  # fewer columns than it looks at


def test_its_rows_are_those_of_the_tokens() -> None:
    torch.manual_seed(0)
    decoder = FutureDecoder(5, 1, (4, 1), num_frames=3, depth=0)
    tokens = torch.randn(1, 6, 5)
    changed = tokens.clone()
    changed[:, 2] *= -1
    moved = (decoder(changed, (6, 1), (24, 1)) - decoder(tokens, (6, 1), (24, 1))).abs().sum((0, 1, 3)) > 1e-6
    assert moved.nonzero().flatten().tolist() == [8, 9, 10, 11]


def test_it_learns_a_cycle_through_a_convlstm() -> None:
    torch.manual_seed(0)
    phase = torch.randint(0, 4, (32, 1))
    on = ((torch.arange(24) + phase) % 4 < 2).float()[:, None, None].expand(-1, -1, 4, -1)
    backbone = BACKBONES["convlstm"](num_channels=1, dim=8, depth=1, slice=4)
    decoder = FutureDecoder(8, 2, (1, 1), num_frames=8, num_columns=4, dim=32)
    optimizer = torch.optim.Adam([*backbone.parameters(), *decoder.parameters()], lr=2e-2)
    past, target = on[..., :16], on[:, 0, :, 16:].long()
    for _ in range(30):
        scores = decoder(backbone.tokens(past), backbone.grid(past), (4, 16))
        loss = F.cross_entropy(scores, target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float((scores.argmax(1) == target).float().mean()) > 0.95
