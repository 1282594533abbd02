"""The table of contenders: published settings are those of the sources, and small ones are small."""

import pytest
import torch

from groundwave.bench.contest import Contender
from groundwave.catalogue import catalogue
from groundwave.model import Model
from groundwave.nn import BACKBONES
from groundwave.nn.lsm import LSM
from groundwave.pretrain import OBJECTIVES
from groundwave.recipes.ablations import pieces
from groundwave.recipes.contenders import OURS, TINY, Size, contenders

TABLE = contenders(Size())


def model(contender: Contender) -> Model:
    how = contender.pretraining
    assert how is not None
    return Model.build(how.backbone, how.contract, dict(how.backbone_args))


def test_lsm_is_as_published() -> None:
    how = TABLE["lsm-published"].pretraining
    assert how is not None
    backbone = model(TABLE["lsm-published"]).backbone
    assert isinstance(backbone, LSM)
    assert backbone.sizes == {"time": 1344, "frequency": 1344}
    assert len(backbone.towers["time"].blocks) == 12 * 3  # attention, patch interaction, feed-forward
    assert (how.schedule.epochs, how.schedule.lr, how.schedule.decay, how.batch_size) == (300, 1e-3, "none", 1400)
    assert (how.objective_args["temperature"], how.objective_args["projection"]) == (0.5, 0)
    assert how.per_snr
    assert [type(view).__name__ for view in how.views] == ["Crop", "Rotate"]


def test_ours_is_one_model_for_all_snrs_of_any_length() -> None:
    how = TABLE["lsm"].pretraining
    assert how == OURS
    assert not how.per_snr
    assert how.contract.min_samples < 128 < how.contract.max_samples


@pytest.mark.parametrize("name", TABLE)
def test_every_contender_can_be_built_in_small(name: str) -> None:
    contender = contenders(TINY)[name]
    if contender.pretraining is None:
        return
    how, built = contender.pretraining, model(contender)
    assert how.backbone in BACKBONES
    assert how.objective in OBJECTIVES
    num_samples = how.contract.num_samples
    assert built.backbone.eval()(torch.zeros(2, 2, num_samples)).shape == (2, built.num_features)
    if name not in ("cnn2", "cnn-lstm", "mcldnn", "moments-white", "protonet", "relationnet", "sclbss"):  # of one size
        assert built.num_features < model(TABLE[name]).num_features


def test_the_catalogue_names_every_contender() -> None:
    told = catalogue()["methods"]()
    assert told.keys() == TABLE.keys()
    assert told["cnn2"] == "CNN2, frozen; CNN2, fine-tuned"


def test_no_two_ways_share_a_name() -> None:
    names = [way.name for contender in TABLE.values() for way in contender.ways]
    assert len(set(names)) == len(names)


def test_joined_contenders_have_one_encoder_and_a_name_of_their_own() -> None:
    joined = TABLE["protonet"].joined()
    assert joined.pretraining is not None
    assert not joined.pretraining.per_snr
    assert [way.name for way in joined.ways] == ["ProtoNet, one for all SNRs"]
    assert TABLE["lsm"].joined() is TABLE["lsm"]
    assert TABLE["cumulants"].joined() is TABLE["cumulants"]


def test_each_ablation_differs_from_ours_in_its_piece_alone() -> None:
    found = pieces(OURS)
    assert found.pop("whole") == OURS
    assert len({repr(how) for how in found.values()} | {repr(OURS)}) == len(found) + 1
    for how in found.values():
        assert (how.schedule, how.batch_size, how.contract) == (OURS.schedule, OURS.batch_size, OURS.contract)
        OBJECTIVES[how.objective](BACKBONES[how.backbone](**how.backbone_args), views=how.views, **how.objective_args)
