"""The future of a grid: from the tokens of its last columns to the cells of the frames that follow."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from groundwave.nn.dense import Decoder


class FutureDecoder(Decoder):
    """All frames to come at once, from the last columns of tokens; rows share their weights and see their neighbours.

    The direct strategy of multi-step forecasting: nothing is fed back, so that errors of one frame do not add to the
    next and the backbone runs once.

    Args:
        num_features: token width.
        num_outputs: numbers per cell.
        patch: rows and columns of a patch, in cells.
        num_frames: frames to predict.
        num_columns: last columns of tokens that are looked at; before the first column there are zeros.
        dim: width of the layers.
        depth: convolutions over frequency, three rows each.
    """

    def __init__(
        self,
        num_features: int,
        num_outputs: int,
        patch: Sequence[int],
        num_frames: int,
        num_columns: int = 1,
        dim: int = 128,
        depth: int = 2,
    ) -> None:
        super().__init__()
        self.num_frames, self.num_columns, self.num_outputs = num_frames, num_columns, num_outputs
        self.norm = nn.LayerNorm(num_columns * num_features)
        self.narrow = nn.Conv1d(num_columns * num_features, dim, 1)
        self.mix = nn.ModuleList(nn.Conv1d(dim, dim, 3, padding=1) for _ in range(depth))
        self.cells = nn.Conv1d(dim, num_outputs * int(patch[0]) * num_frames, 1)

    def recent(self, tokens: Float[Tensor, "batch tokens features"], grid: tuple[int, int]) -> Tensor:
        """Return the tokens of the last columns alone, still row by row: all that `forward` looks at."""
        columns: Tensor = tokens.unflatten(1, grid)[:, :, -self.num_columns :]
        return columns.flatten(1, 2)

    def forward(
        self, tokens: Float[Tensor, "batch tokens features"], grid: tuple[int, int], size: tuple[int, int]
    ) -> Float[Tensor, "batch outputs freq frames"]:
        """Return the outputs of the frames after a grid of `size` cells, from all its tokens or the recent ones.

        Args:
            tokens: row by row.
            grid: rows and columns of tokens; of recent tokens the columns may be any number.
            size: cells in frequency, and in time (which plays no role).
        """
        columns = tokens.unflatten(1, (grid[0], -1))[:, :, -self.num_columns :]
        columns = F.pad(columns, (0, 0, self.num_columns - columns.shape[2], 0))
        x = self.narrow(self.norm(columns.flatten(2)).transpose(1, 2))
        for layer in self.mix:
            x = x + layer(F.gelu(x))
        cells: Tensor = self.cells(F.gelu(x)).unflatten(1, (self.num_outputs, -1, self.num_frames))
        return cells.permute(0, 1, 4, 2, 3).flatten(2, 3)[:, :, : size[0]]
