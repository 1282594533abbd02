"""ConvLSTM: a recurrent network whose states are pictures."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from groundwave.nn.patch import whole_patches

State = list[tuple[Tensor, Tensor]]  # of each layer its hidden picture and its cell, float32 [B, dim, freq, slice]


class ConvLSTMLayer(nn.Module):
    """A long short-term memory whose products are convolutions (Shi et al., 2015, eq. 3, without its peepholes).

    The peepholes' weights have the size of the picture and would fix it.

    Args:
        num_channels: channels of the input pictures.
        dim: channels of the hidden ones.
        kernel: side of the kernels, odd.
    """

    def __init__(self, num_channels: int, dim: int, kernel: int) -> None:
        super().__init__()
        self.dim = dim
        self.from_input = nn.Conv2d(num_channels, 4 * dim, kernel, padding=kernel // 2)
        self.from_hidden = nn.Conv2d(dim, 4 * dim, kernel, padding=kernel // 2, bias=False)
        with torch.no_grad():
            assert self.from_input.bias is not None
            self.from_input.bias[dim : 2 * dim] = 1  # remember, to begin with (Jozefowicz et al., 2015)

    def forward(
        self, x: Float[Tensor, "batch steps channels freq slice"], state: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Float[Tensor, "batch steps dim freq slice"], tuple[Tensor, Tensor]]:
        """Return the hidden picture after each step, and the last hidden picture and cell."""
        known = self.from_input(x.flatten(0, 1)).unflatten(0, x.shape[:2])  # of all steps at once
        if state is None:
            nothing = known.new_zeros(x.shape[0], self.dim, *x.shape[3:])
            state = nothing, nothing
        hidden, cell = state
        outputs = []
        for step in known.unbind(1):
            let_in, keep, let_out, new = (step + self.from_hidden(hidden)).chunk(4, dim=1)
            cell = keep.sigmoid() * cell + let_in.sigmoid() * new.tanh()
            hidden = let_out.sigmoid() * cell.tanh()
            outputs.append(hidden)
        return torch.stack(outputs, dim=1), (hidden, cell)


class ConvLSTM(nn.Module):
    """Convolutional LSTM over the time slices of a spectrogram (Aboulfotouh et al., 2024, arXiv 2411.09849).

    A slice is one of the paper's radio tokens, a spectrogram its radio sentence. As published there are 5 layers of 64
    kernels of 3x3, and a Conv3D output, which is `Conv3dDecoder`. Every cell of the grid has a token of its own; what
    it knows of is the past, and its own slice.

    Args:
        num_channels: input channels.
        dim: channels of the hidden pictures.
        depth: layers.
        kernel: side of the kernels, odd.
        slice: frames of a time slice; the last frame is repeated up to a whole number of them.
    """

    patch = (1, 1)

    def __init__(self, num_channels: int = 1, dim: int = 64, depth: int = 5, kernel: int = 3, slice: int = 8) -> None:
        super().__init__()
        self.num_features, self.slice = dim, slice
        widths = [num_channels, *[dim] * (depth - 1)]
        self.layers = nn.ModuleList(ConvLSTMLayer(width, dim, kernel) for width in widths)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # a fifth faster on processors

    def grid(self, x: Float[Tensor, "batch channels freq time"]) -> tuple[int, int]:
        """Return the grid of the tokens, which is that of the cells."""
        return x.shape[2], x.shape[3]

    def sequence(
        self, x: Float[Tensor, "batch channels freq time"], state: State | None = None
    ) -> tuple[Float[Tensor, "batch steps dim freq slice"], State]:
        """Return the last layer's picture of each slice, and the state with which the next slices go on."""
        pictures = self.slices(x)
        states: State = []
        for number, layer in enumerate(self.layers):
            pictures, last = layer(pictures, None if state is None else state[number])
            states.append(last)
        return pictures, states

    def slices(self, x: Float[Tensor, "batch channels freq time"]) -> Float[Tensor, "batch steps channels freq slice"]:
        """Cut a grid into the pictures that the first layer is given."""
        return whole_patches(x, (1, self.slice)).unflatten(-1, (-1, self.slice)).permute(0, 3, 1, 2, 4)  # type: ignore[no-any-return]

    def laid_out(
        self, pictures: Float[Tensor, "batch steps dim freq slice"], num_frames: int
    ) -> Float[Tensor, "batch dim freq time"]:
        """Lay the pictures of the slices side by side, as far as the grid went."""
        return pictures.permute(0, 2, 3, 1, 4).flatten(3)[..., :num_frames]

    def cells(self, x: Float[Tensor, "batch channels freq time"]) -> Float[Tensor, "batch dim freq time"]:
        """Return the features of each cell."""
        return self.laid_out(self.sequence(x)[0], x.shape[-1])

    def tokens(self, x: Float[Tensor, "batch channels freq time"]) -> Float[Tensor, "batch tokens dim"]:
        """Return one token per cell, row by row (lowest frequencies first)."""
        return self.cells(x).flatten(2).transpose(1, 2)

    def forward(self, x: Float[Tensor, "batch channels freq time"]) -> Float[Tensor, "batch features"]:
        """Return the mean token."""
        return self.cells(x).mean(dim=(2, 3))
