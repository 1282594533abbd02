"""DeCUR: its parts are the losses of its embeddings, and it tells apart what modalities share and what they do not."""

from typing import Any

import pytest
import torch
from torch import Generator, Tensor, nn

from groundwave.contract import CSIContract, DepthContract, RGBContract
from groundwave.contracts import Record
from groundwave.errors import ContractError, DataError, GroundwaveError
from groundwave.nn import BACKBONES, ResNet2d
from groundwave.pretrain.correlation import barlow_twins, correlation, cross_modal
from groundwave.pretrain.decur import DeCUR, decur
from groundwave.rng import generator
from groundwave.views import Conjugate, CropPicture, FlipPicture, Rotate
from groundwave.views.answers import keeping

CONTRACTS = {"rgb": RGBContract(), "depth": DepthContract()}


def rooms(num: int = 12) -> Record:
    plain = torch.rand(num, 3, 1, 1, generator=generator(0, "rooms"))
    rgb = 0.8 * plain + 0.2 * torch.rand(num, 3, 16, 16, generator=generator(0, "noise"))
    return {"rgb": rgb, "depth": 1 + rgb.mean(1, keepdim=True), "label": torch.arange(num) % 2}


def of_rooms(**settings: Any) -> DeCUR:
    torch.manual_seed(0)
    encoders = {"rgb": ResNet2d(3, width=4), "depth": ResNet2d(1, width=4)}
    return DeCUR(encoders, {}, contracts=CONTRACTS, projection=8, **settings)


class Features(nn.Module):
    """An encoder of vectors."""

    def __init__(self, width: int, num_features: int = 16) -> None:
        super().__init__()
        self.num_features = num_features
        self.mix = nn.Linear(width, num_features)

    def forward(self, x: Tensor) -> Tensor:
        """Return a mixture."""
        return self.mix(x)


class Watching:
    """A view that notes what it is shown, and adds a draw."""

    keeps, maps, destroys = keeping()

    def __init__(self, key: str) -> None:
        self.key, self.seen = key, []

    def __call__(self, record: Record, generator: Generator) -> Record:
        """Return the record with one number added to all of `key`."""
        drawn = torch.rand(1, generator=generator)
        self.seen.append((sorted(record), float(drawn)))
        return {**record, self.key: record[self.key] + drawn}


def test_the_parts_are_the_losses_of_the_embeddings() -> None:
    objective, record = of_rooms(common=0.5, lamda=0.01).eval(), rooms()
    found = objective(record, generator(0))
    z = objective.embeddings(record)
    for name in z:
        torch.testing.assert_close(found[f"{name} intra"], barlow_twins(z[name], z[name], 0.01))
    across = cross_modal(z["rgb"], z["depth"], 0.5, 0.01)
    torch.testing.assert_close(found["rgb depth cross"], across)
    parts = [value for name, value in found.items() if name != "loss"]
    torch.testing.assert_close(found["loss"].detach(), torch.stack(parts).sum())
    assert len(parts) == 3


def test_the_second_look_is_at_the_partner_and_modalities_are_compared_at_one_moment() -> None:
    objective, record = of_rooms(lamda=0.01).eval(), rooms(24)
    now, later = ({name: values[half] for name, values in record.items()} for half in (slice(12), slice(12, 24)))
    found = objective({**now, "partner_rgb": later["rgb"], "partner_depth": later["depth"]}, generator(0))
    z, its = objective.embeddings(now), objective.embeddings(later)
    for name in z:
        torch.testing.assert_close(found[f"{name} intra"], barlow_twins(z[name], its[name], 0.01))
    torch.testing.assert_close(found["rgb depth cross"], cross_modal(z["rgb"], z["depth"], 0.75, 0.01))


def test_partners_of_some_modalities_alone_are_refused() -> None:
    record = rooms()
    with pytest.raises(DataError, match="partners of rgb alone"):
        of_rooms()({**record, "partner_rgb": record["rgb"]}, generator(0))


def test_partners_of_other_records_and_a_lone_record_are_refused() -> None:
    record = rooms()
    fewer = {f"partner_{name}": record[name][:5] for name in ("rgb", "depth")}
    with pytest.raises(DataError, match="5 partners of 12 records"):
        of_rooms()({**record, **fewer}, generator(0))
    with pytest.raises(DataError, match="paired records"):
        of_rooms()({**record, **fewer, "partner_rgb": record["rgb"]}, generator(0))
    one = {name: values[:1] for name, values in record.items()}
    with pytest.raises(DataError, match="a batch of one record"):
        of_rooms()(one, generator(0))
    assert len(of_rooms().embeddings(one)["rgb"]) == 1


@pytest.mark.parametrize(("intra", "cross", "num"), [(True, False, 2), (False, True, 1)])
def test_either_half_can_be_left_out(intra: bool, cross: bool, num: int) -> None:
    assert len(of_rooms(intra=intra, cross=cross)(rooms(), generator(0))) == 1 + num


def test_embeddings_leave_the_mode_and_the_running_statistics_alone() -> None:
    objective = of_rooms()
    before = {name: values.clone() for name, values in objective.state_dict().items()}
    assert all(not z.requires_grad for z in objective.embeddings(rooms()).values())
    assert objective.training
    for name, values in objective.state_dict().items():
        torch.testing.assert_close(values, before[name], rtol=0, atol=0)


def test_projectors_share_no_weights() -> None:
    objective = of_rooms()
    pointers = [p.data_ptr() for projector in objective.projectors.values() for p in projector.parameters()]
    assert len(pointers) == len(set(pointers)) == 14


def test_shared_views_see_the_whole_record_and_own_views_their_modality() -> None:
    shared, own = Watching("a"), Watching("b")
    objective = DeCUR({"a": Features(4), "b": Features(4)}, {"b": [own]}, shared=[shared], projection=8)
    record = {"a": torch.randn(6, 4), "b": torch.randn(6, 4), "index": torch.arange(6)}
    objective(record, generator(0))
    assert [keys for keys, _ in shared.seen] == [["a", "b", "index"]] * 2
    assert [keys for keys, _ in own.seen] == [["b", "index"]] * 2
    assert len({drawn for _, drawn in shared.seen + own.seen}) == 4


def test_pictures_learn_through_crops_that_are_alike() -> None:
    objective = of_rooms(shared=[CropPicture(), FlipPicture()])
    optimizer = torch.optim.AdamW(objective.parameters(), 3e-3)
    losses = []
    for step in range(12):
        loss = objective(rooms(32), generator(0, step))["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert sum(losses[-3:]) < 0.8 * sum(losses[:3])


def test_any_number_of_modalities_is_compared_in_pairs() -> None:
    names = ("csi", "iq", "spec")
    objective = DeCUR({"csi": Features(5), "iq": Features(5), "spec": Features(5)}, {}, intra=False, projection=8)
    found = objective({name: torch.randn(6, 5) for name in names}, generator(0))
    assert set(found) == {"loss", "csi iq cross", "csi spec cross", "iq spec cross"}


def test_signals_and_spectrograms_need_no_contract() -> None:
    encoders = {"iq": BACKBONES["resnet18"](num_channels=2, width=4), "spec": ResNet2d(1, width=4)}
    objective = DeCUR(encoders, {"iq": [Rotate()]}, projection=8)
    record = {"iq": torch.randn(6, 64, dtype=torch.complex64), "spec": torch.randn(6, 16, 12)}
    assert objective(record, generator(0))["loss"].isfinite()


def test_two_receivers_of_csi_are_two_modalities() -> None:
    contracts = {name: CSIContract(3) for name in ("a", "b")}
    torch.manual_seed(0)
    objective = DeCUR({name: ResNet2d(3, width=4) for name in contracts}, {}, contracts=contracts, projection=8)
    csi = {name: torch.randn(6, 3, 16, 12, dtype=torch.complex64, generator=generator(0, name)) for name in contracts}
    found = objective({**csi, "index": torch.arange(10, 16)}, generator(0))
    assert set(found) == {"loss", "a intra", "b intra", "a b cross"}
    assert found["loss"].isfinite()
    csi["b"][4, 1, :, 7] = 0
    with pytest.raises(ContractError, match=r"packet 7 of record 14, .* at antenna 1"):
        objective({**csi, "index": torch.arange(10, 16)}, generator(0))


def test_common_dimensions_agree_after_training_and_unique_ones_do_not() -> None:
    torch.manual_seed(0)
    objective = DeCUR({"a": Features(6, 32), "b": Features(6, 32)}, {}, common=0.5, lamda=0.02, projection=8)
    optimizer = torch.optim.AdamW(objective.parameters(), 1e-2)

    def made(seed: int) -> Record:
        shared, left, right = torch.randn(3, 256, 4, generator=generator(seed, "made"))
        mixed = torch.randn(2, 8, 6, generator=generator(0, "mixing"))
        return {"a": torch.cat([shared, left], 1) @ mixed[0], "b": torch.cat([shared, right], 1) @ mixed[1]}

    for step in range(150):
        loss = objective(made(step), generator(0, step))["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    z = objective.embeddings(made(1000))
    agree = correlation(z["a"], z["b"]).diagonal()
    assert float(agree[:4].min()) > 0.6
    assert float(agree[4:].abs().max()) < 0.25
    alone = correlation(z["a"], z["a"])
    assert float((alone - torch.diag(alone.diagonal())).abs().mean()) < 0.3, "dimensions say different things"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"common": 1.5}, "common=1.5"),
        ({"lamda": -1}, "lamda=-1; expected a weight of 0 or more"),
        ({"lamda": float("nan")}, "lamda=nan"),
        ({"intra": False, "cross": False}, "neither intra nor cross"),
        ({"views": {"smell": []}}, "views of smell"),
        ({"encoders": {"a": Features(4)}}, "two modalities"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any], words: str) -> None:
    given: dict[str, Any] = {"encoders": {"a": Features(4), "b": Features(4)}, "views": {}, **settings}
    with pytest.raises(GroundwaveError, match=words):
        DeCUR(**given)


def test_one_modality_can_learn_by_itself() -> None:
    objective = DeCUR({"a": Features(4)}, {"a": [Watching("a")]}, cross=False, projection=8)
    assert set(objective({"a": torch.randn(6, 4)}, generator(0))) == {"loss", "a intra"}


def test_a_view_that_destroys_the_answer_is_refused_wherever_it_stands() -> None:
    for settings in ({"shared": [Conjugate()]}, {"views": {"iq": [Conjugate()]}}):
        with pytest.raises(GroundwaveError, match="leave Conjugate out"):
            DeCUR(**{"encoders": {"iq": Features(4), "b": Features(4)}, "views": {}, **settings}, answer="sideband")


@pytest.mark.parametrize("lost", [{"depth": None}, {"depth": 5}])
def test_modalities_that_are_not_paired_are_told(lost: dict[str, int | None]) -> None:
    record = rooms()
    for name, num in lost.items():
        if num is None:
            del record[name]
        else:
            record[name] = record[name][:num]
    for ask in (lambda: of_rooms()(record, generator(0)), lambda: of_rooms().embeddings(record)):
        with pytest.raises(DataError, match=r"12 of rgb.*paired records"):
            ask()


def test_pictures_that_are_not_aligned_are_told() -> None:
    record = rooms()
    with pytest.raises(ContractError, match="do not belong together"):
        of_rooms()({**record, "depth": record["depth"][..., :8]}, generator(0))


def test_a_backbone_of_one_modality_is_refused_by_the_table_s_way() -> None:
    with pytest.raises(GroundwaveError, match="multimodal_vit"):
        decur(BACKBONES["vit"](), (), CONTRACTS)
