"""DeCUR: what modalities have in common, and what only one of them knows, told apart without labels."""

import math
from collections.abc import Mapping, Sequence
from itertools import combinations

import torch
from torch import Generator, Tensor, nn

from groundwave.contract import Contract
from groundwave.contract.image import check_paired
from groundwave.contracts import Record, View
from groundwave.errors import DataError, GroundwaveError
from groundwave.nn.complex import to_channels
from groundwave.nn.multimodal import MultiModalViT
from groundwave.pretrain.correlation import barlow_twins, cross_modal
from groundwave.views import Compose, check_views

NO_CONTRACTS: Mapping[str, Contract] = {}


class Projector(nn.Sequential):
    """Three layers into the space of the loss (Zbontar et al., 2021, section 2.2), without biases that it ignores."""

    def __init__(self, num_features: int, dim: int) -> None:
        super().__init__(
            nn.Linear(num_features, dim, bias=False),
            nn.BatchNorm1d(dim),
            nn.ReLU(),
            nn.Linear(dim, dim, bias=False),
            nn.BatchNorm1d(dim),
            nn.ReLU(),
            nn.Linear(dim, dim, bias=False),
        )


class DeCUR(nn.Module):
    """L = L_cross + L_intra on correlations of embeddings (Wang et al., 2024), for two or more modalities.

    L_intra is Barlow Twins between two views of each modality, summed over modalities; L_cross is `cross_modal` between
    each two of them. Each modality has an encoder and a projector of its own. With `common` 1 and without `intra` this
    is Barlow Twins across modalities; without `cross`, Barlow Twins in each modality by itself.

    A record that carries a `partner_NAME` of every modality (the same place at another moment) lends it as the second
    of the two looks; modalities are compared at one moment.

    Args:
        encoders: by modality (a key of records), a network from its channels to features, with `num_features`.
        views: by modality, perturbations drawn independently for each of two looks; none where it is not named.
        common: share of the dimensions that the modalities have in common; the rest is unique to each.
        lamda: weight of what is off the diagonals.
        intra: whether views of the same modality are compared.
        cross: whether modalities are compared.
        shared: perturbations of whole records before `views`: a crop here is the same for all modalities.
        contracts: by modality, what makes network channels of it; two sensors of a kind have one each. Without one,
            pictures and signals are taken as they are, spectrograms as pictures of one channel.
        projection: dimensions of the embeddings; thrown away after pretraining.
        answer: the downstream answer, when known: views that destroy it are refused.
    """

    def __init__(
        self,
        encoders: Mapping[str, nn.Module],
        views: Mapping[str, Sequence[View]],
        common: float = 0.75,
        lamda: float = 0.0051,
        intra: bool = True,
        cross: bool = True,
        *,
        shared: Sequence[View] = (),
        contracts: Mapping[str, Contract] = NO_CONTRACTS,
        projection: int = 512,
        answer: str | None = None,
    ) -> None:
        super().__init__()
        self._check(encoders, views, common, lamda, intra, cross)
        if answer is not None:
            check_views([*shared, *(view for some in views.values() for view in some)], answer)
        self.encoders = nn.ModuleDict(encoders)
        widths = {name: int(encoder.num_features) for name, encoder in encoders.items()}  # type: ignore[arg-type]
        self.projectors = nn.ModuleDict({name: Projector(width, projection) for name, width in widths.items()})
        self.views = {name: Compose(views.get(name, ())) for name in encoders}
        self.shared, self.contracts = Compose(shared), dict(contracts)
        self.common, self.lamda, self.intra, self.cross = common, lamda, intra, cross

    def forward(self, record: Record, generator: Generator) -> dict[str, Tensor]:
        """Return the loss and its parts, each a scalar.

        Raises:
            DataError: the record lacks a modality, or they are not of the same records; partners of some modalities
                or records alone; a batch of one in training.
            ContractError: pictures in colour and depth of different size.
        """
        self._check_record(record)
        partner = self._partner(record)
        if self.training and len(record[next(iter(self.encoders))]) < 2:
            raise DataError("a batch of one record", "two or more: batch norm needs several", "take larger batches")
        first, parts = self._embedded(self.shared(record, generator), generator), {}
        if self.intra:
            second = self._embedded(self.shared(partner, generator), generator)
            for name in first:
                parts[f"{name} intra"] = barlow_twins(first[name], second[name], self.lamda)
        if self.cross:
            for one, other in combinations(first, 2):
                parts[f"{one} {other} cross"] = cross_modal(first[one], first[other], self.common, self.lamda)
        loss = torch.stack(list(parts.values())).sum()
        return {"loss": loss, **{name: part.detach() for name, part in parts.items()}}

    @torch.no_grad()
    def embeddings(self, record: Record) -> dict[str, Tensor]:
        """Return the embedding `[B, projection]` of each modality as it is, its common dimensions first."""
        self._check_record(record)
        training = self.training
        self.eval()
        found = {
            name: self.projectors[name](encoder(self.channels(record, name))) for name, encoder in self.encoders.items()
        }
        self.train(training)
        return found

    def channels(self, record: Record, modality: str) -> Tensor:
        """Return what the encoder of a modality sees of a batched record."""
        if modality in self.contracts:
            contract = self.contracts[modality]
            return contract.channels(contract.prepare(record[modality], index=record.get("index")))
        x = record[modality]
        if x.is_complex():
            return to_channels(x)
        return x[:, None] if x.dim() == 3 else x

    def _partner(self, record: Record) -> Record:
        """Return the record as its partner has it, or itself where it has none."""
        lent = {name: record[f"partner_{name}"] for name in self.encoders if f"partner_{name}" in record}
        if 0 < len(lent) < len(self.encoders):
            raise DataError(
                got=f"partners of {', '.join(lent)} alone",
                expected=f"partners of each of {', '.join(self.encoders)}, or of none",
                do="name every modality where pairs are made",
            )
        partner = {**record, **lent}
        self._check_record(partner)
        its, own = (len(one[next(iter(self.encoders))]) for one in (partner, record))
        if its != own:
            raise DataError(f"{its} partners of {own} records", "one of each", "pair them first")
        return partner

    def _embedded(self, record: Record, generator: Generator) -> dict[str, Tensor]:
        """Return the embedding of one look at each modality."""
        out = {}
        for name, encoder in self.encoders.items():
            alone = {key: values for key, values in record.items() if key == name or key not in self.encoders}
            seen = self.views[name](alone, generator)
            out[name] = self.projectors[name](encoder(self.channels(seen, name)))
        return out

    def _check(
        self,
        encoders: Mapping[str, nn.Module],
        views: Mapping[str, Sequence[View]],
        common: float,
        lamda: float,
        *losses: bool,
    ) -> None:
        if len(encoders) < 2 and losses[1]:
            got, expected = f"encoders of {', '.join(encoders) or 'nothing'}", "two modalities to compare, or more"
        elif strange := views.keys() - encoders.keys():
            got, expected = f"views of {', '.join(sorted(strange))}", f"views of {', '.join(encoders)}"
        elif not 0 <= common <= 1:
            got, expected = f"common={common}", "a share from 0 to 1"
        elif not 0 <= lamda < math.inf:
            got, expected = f"lamda={lamda}", "a weight of 0 or more"
        elif not any(losses):
            got, expected = "neither intra nor cross", "at least one of them"
        else:
            return
        raise GroundwaveError(f"objective decur with {got}", expected, "correct its settings")

    def _check_record(self, record: Record) -> None:
        sizes = {name: len(record[name]) for name in self.encoders if name in record}
        if len(sizes) < len(self.encoders) or len(set(sizes.values())) > 1:
            told = ", ".join(f"{size} of {name}" for name, size in sizes.items()) or "none"
            raise DataError(
                got=f"{told} in a batch of records",
                expected=f"as many of each of {', '.join(self.encoders)}",
                do="give paired records: each modality of the same moment",
            )
        if {"rgb", "depth"} <= sizes.keys():
            check_paired(record)


def decur(
    backbone: MultiModalViT,
    views: Sequence[View],
    contracts: Mapping[str, Contract],
    common: float = 0.75,
    lamda: float = 0.0051,
    intra: bool = True,
    cross: bool = True,
    projection: int = 512,
    answer: str | None = None,
) -> DeCUR:
    """Correlations of modalities on one trunk: what they have in common, and what only one of them knows (DeCUR, 2024).

    Each modality has its own stem and projector; views are of whole records, the same for all their modalities. Records
    hold all modalities of the same moment.

    Args:
        backbone: what is pretrained.
        views: perturbations drawn independently for each of two looks.
        contracts: of each modality, what makes network channels of a record.
        common: share of the dimensions that the modalities have in common.
        lamda: weight of what is off the diagonals.
        intra: whether views of the same modality are compared.
        cross: whether modalities are compared.
        projection: dimensions of the embeddings; thrown away after pretraining.
        answer: the downstream answer, when known: views that destroy it are refused.

    Raises:
        GroundwaveError: a backbone without a stem for each modality, or settings that cannot be.
    """
    if not isinstance(backbone, MultiModalViT):
        raise GroundwaveError(
            got=f"objective decur on a {type(backbone).__name__}",
            expected="a backbone with a stem for each modality",
            do="pretrain --backbone multimodal_vit, or give DeCUR an encoder for each modality",
        )
    return DeCUR(
        {name: backbone.for_modality(name)[0] for name in contracts},
        {},
        common,
        lamda,
        intra,
        cross,
        shared=views,
        contracts=contracts,
        projection=projection,
        answer=answer,
    )
