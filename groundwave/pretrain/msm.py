"""Masked spectrogram modelling: hide parts of a spectrogram and learn to draw them."""

from collections.abc import Mapping, Sequence
from inspect import signature
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Bool, Float
from torch import Generator, Tensor, nn

from groundwave.contract import Contract
from groundwave.contracts import Record, View
from groundwave.errors import GroundwaveError, UnknownNameError, lookup
from groundwave.nn.dense import DECODERS
from groundwave.nn.patch import patchify, unpatchify, whole_patches
from groundwave.pretrain.masks import MASKS
from groundwave.pretrain.objective import ViewObjective
from groundwave.pretrain.picture import reconstruction_picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FILLS = ("drop", "noise")
LIGHT: Mapping[str, Any] = {"name": "light"}


class MaskedSpectrogramModeling(ViewObjective):
    """Hide parts of each record, and draw them from what is left; the loss sees hidden cells only.

    With `drop` the backbone never looks at hidden patches, as in MAE (He et al., 2022; Aboulfotouh et al., 2024); with
    `noise` it looks at white noise in their place (Aboulfotouh et al., 2024b), of the visible cells' mean and power.
    Works on any modality whose channels lie on a grid, and on signals, which are grids of one row.

    Args:
        backbone: what is pretrained; it tells its `patch` and `grid`, and to drop patches also has `encode`.
        views: perturbations of a record before parts of it are hidden.
        contract: what makes network channels of a record.
        mask: how hidden parts lie, a name in `MASKS`.
        ratio: share that is hidden; 0.75 in MAE, 0.2 in the ConvLSTM's paper.
        fill: what the backbone sees in place of hidden parts, `drop` or `noise`.
        decoder: the decoder's `name` in `DECODERS` and its arguments; thrown away after pretraining.
        cell: rows and columns that are hidden at once, where they are filled with noise; by default the patch.
        normalise_patches: whether each patch is drawn at zero mean and unit variance (MAE's `norm_pix_loss`).
        answer: the downstream answer, when known: views that destroy it are refused.
    """

    def __init__(
        self,
        backbone: nn.Module,
        views: Sequence[View],
        contract: Contract,
        mask: str = "random",
        ratio: float = 0.75,
        fill: str = "drop",
        decoder: Mapping[str, Any] = LIGHT,
        cell: Sequence[int] | None = None,
        normalise_patches: bool = False,
        answer: str | None = None,
    ) -> None:
        super().__init__(backbone, views, answer)
        patch = _patch(backbone, fill)
        if cell is not None and (len(cell) != 2 or min(cell) < 1):
            raise GroundwaveError(f"cell {cell}", "rows and columns, at least 1 each", "correct cell, or leave it out")
        if fill == "drop" and cell is not None and tuple(cell) != patch:
            raise GroundwaveError(
                f"cell {cell} beside patches of {patch}", "whole patches", "leave cell out, or fill with noise"
            )
        self.contract, self.ratio, self.fill = contract, ratio, fill
        self.mask, self.normalise_patches = lookup(MASKS, mask, "mask"), normalise_patches
        self.patch, self.cell = patch, patch if cell is None else (cell[0], cell[1])
        self.decoder = _decoder(decoder, self.num_features, contract.num_channels, patch)
        if fill == "drop":
            self.mask_token = nn.Parameter(nn.init.normal_(torch.empty(self.num_features), std=0.02))

    def forward(self, record: Record, generator: Generator) -> dict[str, Tensor]:
        """Return the mean squared error of hidden cells, and the share of their variance that is explained."""
        x, hidden, prediction = self._draw(record, generator)
        if self.normalise_patches:
            mean, scale = self._level(x)
            x = (x - mean) / scale
        loss = hidden_error(prediction, x, hidden)
        spread = hidden_error(x.mean((2, 3), keepdim=True).expand_as(x), x, hidden)
        return {"loss": loss, "explained": 1 - loss.detach() / spread}

    @torch.no_grad()
    def reconstruct(self, record: Record, generator: Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Return records as the network would see them whole, their hidden cells, and what is drawn there.

        The first and the last are float32 `[B, channels, freq, time]`, equal where nothing is hidden; the hidden cells
        are bool `[B, 1, freq, time]`.
        """
        x, hidden, prediction = self._draw(record, generator)
        if self.normalise_patches:
            mean, scale = self._level(x)
            prediction = prediction * scale + mean
        return x, hidden, torch.where(hidden, prediction.float(), x)

    def picture(self, record: Record, generator: Generator) -> "Figure":
        """Draw the first records, what is left of them, and what is made of that."""
        few = {name: values[:3] for name, values in record.items()}
        return reconstruction_picture(*(part.float().cpu() for part in self.reconstruct(few, generator)))

    def _draw(self, record: Record, generator: Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Return the input on its grid, its hidden cells, and what the decoder makes of the rest."""
        channels = self.contract.channels(self.contract.prepare(self.view(record, generator)))
        x = channels.float() if channels.dim() == 4 else channels.float().unsqueeze(2)
        size = (x.shape[2], x.shape[3])
        parts = self.mask(x.shape[0], _covering(size, self.cell), self.ratio, generator)
        hidden = parts.repeat_interleave(self.cell[0], 1).repeat_interleave(self.cell[1], 2)
        hidden = hidden[:, None, : size[0], : size[1]]
        tokens = self._dropped(x, parts) if self.fill == "drop" else self._filled(x, hidden, generator)
        return x, hidden, self.decoder(tokens, _covering(size, self.patch), size)

    def _dropped(self, x: Tensor, parts: Tensor) -> Tensor:
        """Return tokens of the patches that are left, and the mask token in place of the others."""
        flat = parts.flatten(1)
        num_kept = int((~flat[0]).sum())
        kept = flat.to(torch.uint8).argsort(dim=1, stable=True)[:, :num_kept]
        encoded = self.backbone.encode(x, kept)  # type: ignore[operator]
        tokens = self.mask_token.to(encoded.dtype).expand(*flat.shape, -1)
        return tokens.scatter(1, kept[..., None].expand_as(encoded), encoded)

    def _filled(self, x: Tensor, hidden: Tensor, generator: Generator) -> Tensor:
        """Return tokens of records whose hidden cells hold white noise."""
        noise = torch.randn(x.shape, generator=generator, device=x.device)
        mean, std = _visible(x, ~hidden)
        return self.backbone.tokens(torch.where(hidden, mean + std * noise, x))  # type: ignore[no-any-return, operator]

    def _level(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation of each cell's patch, over its channels, on the grid."""
        patches = patchify(whole_patches(x, self.cell), self.cell)
        variance, mean = torch.var_mean(patches, dim=-1, keepdim=True)
        size = (x.shape[2], x.shape[3])
        level = ((variance + 1e-6).sqrt(), mean)
        scale, mean = (unpatchify(part.expand_as(patches), self.cell, size, x.shape[1]) for part in level)
        return mean, scale


def _visible(x: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation of the cells that are seen: the others' would tell of what is hidden."""
    num = seen.sum((2, 3), keepdim=True)
    mean = x.masked_fill(~seen, 0).sum((2, 3), keepdim=True) / num
    squares = (x - mean).masked_fill(~seen, 0).square().sum((2, 3), keepdim=True)
    return mean, (squares / (num - 1).clamp_min(1)).sqrt()


def hidden_error(
    prediction: Float[Tensor, "batch channels freq time"],
    target: Float[Tensor, "batch channels freq time"],
    hidden: Bool[Tensor, "batch 1 freq time"],
) -> Float[Tensor, ""]:
    """Return the mean squared error over hidden cells; the others have no part in it (MAE, section 3)."""
    return (prediction.float() - target).masked_fill(~hidden, 0).square().sum() / (hidden.sum() * target.shape[1])


def _covering(size: tuple[int, int], patch: tuple[int, int]) -> tuple[int, int]:
    return -(-size[0] // patch[0]), -(-size[1] // patch[1])


def _decoder(decoder: Mapping[str, Any], num_features: int, num_channels: int, patch: tuple[int, int]) -> nn.Module:
    """Return a decoder by its name and arguments; raises `UnknownNameError` for those that there are not."""
    args = dict(decoder)
    name = args.pop("name", "")
    make = lookup(DECODERS, name, "decoder")
    known = list(signature(make).parameters)[3:]  # after token width, outputs and patch
    for arg in args.keys() - set(known):
        raise UnknownNameError(f"argument of decoder {name}", arg, known)
    return make(num_features, num_channels, patch, **args)


def _patch(backbone: nn.Module, fill: str) -> tuple[int, int]:
    """Return the backbone's patch; raises `GroundwaveError` for a way to hide that it does not allow."""
    if fill not in FILLS:
        raise GroundwaveError(f"fill {fill!r}", f"one of {', '.join(FILLS)}", "choose one of those")
    if not hasattr(backbone, "patch") or (fill == "drop" and not hasattr(backbone, "encode")):
        raise GroundwaveError(
            got=f"objective msm with fill {fill!r} on a {type(backbone).__name__}",
            expected="a backbone over patches of a grid",
            do="pretrain --backbone vit, or convlstm with fill noise",
        )
    return backbone.patch  # type: ignore[return-value]
