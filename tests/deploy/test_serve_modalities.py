"""The HTTP door to models of every modality: what it answers is what the model answers in Python."""

import numpy as np
import pytest
import torch
from test_serve import Server, encoded, fault

from groundwave.adapt import LEARNERS
from groundwave.contract import ArrayContract, DepthContract, InputContract, RGBContract, SpectrogramContract
from groundwave.deploy.guard import Limits
from groundwave.model import Model
from groundwave.nn.heads import DirectionHead, LinearHead
from groundwave.pretrain.direction import AXES
from groundwave.rng import generator

VIT = {"dim": 8, "depth": 1, "num_heads": 2, "patch": (4, 4)}


def real(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=generator(0, "asked"))


def waves(*shape: int) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.complex64, generator=generator(0, "asked"))


ASKED = {
    "iq": (lambda: Model.build("envelope", InputContract(64, 32, 128), {"dim": 8}), 3 * waves(6, 200)),
    "spec": (lambda: Model.build("vit", SpectrogramContract(), VIT), 30 * real(6, 16, 16) - 90),
    "csi": (lambda: Model.load("csi-small"), waves(6, 2, 12, 40)),
    "array": (lambda: Model.build("envelope", ArrayContract(64, 32, 128, (1, 2)), {"dim": 8}), 3 * waves(6, 2, 64)),
    "rgb": (lambda: Model.build("vit", RGBContract(min_side=8), VIT), real(6, 3, 16, 16)),
    "depth": (lambda: Model.build("vit", DepthContract(min_side=8), VIT), 1 + real(6, 1, 16, 16)),
}


def headed(modality: str) -> Model:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = ASKED[modality][0]()
        args = {"in_features": made.num_features, "out_features": 2}
        return made.with_head("linear", LinearHead(**args), args, ("still", "moving"))


def told(x: torch.Tensor) -> dict[str, object]:
    return {**encoded(x), "datatype": "cf32_le" if x.is_complex() else "rf32_le"}


@pytest.mark.parametrize("modality", ASKED)
def test_the_door_answers_as_the_model_does_in_python(modality: str) -> None:
    asked, x = headed(modality), ASKED[modality][1]
    features = asked.embed(x)
    with Server(asked, limits=Limits(seconds=20)) as client, client:
        found = client.post("/embed", json={"records": told(x)}).json()["features"]
        np.testing.assert_allclose(found, features, rtol=1e-4, atol=1e-5)
        found = client.post("/predict", json={"records": told(x)}).json()["probabilities"]
        np.testing.assert_allclose(found, asked.predict(x), atol=1e-5)
        labels = ["still", "moving"] * 3
        head = client.post("/adapt", json={"records": told(x), "labels": labels}).json()["head"]
        found = client.post("/predict", json={"records": told(x), "head": head}).json()
    learner = LEARNERS["logistic"]().fit({"features": features, "label": torch.tensor([1, 0] * 3)})
    adapted = asked.with_head(learner.head_name, learner.head, learner.head_args(), ("moving", "still"))
    assert found["classes"] == list(adapted.classes)
    np.testing.assert_allclose(found["probabilities"], adapted.predict(x), atol=1e-3)


def test_gains_that_do_not_fit_are_refused_as_in_python() -> None:
    with Server(headed("csi")) as client, client:
        assert "10 packets" in fault(client.post("/predict", json={"records": told(waves(1, 1, 12, 10))}), 422)["got"]
        lost = waves(3, 2, 12, 40)
        lost[1, 0, :, 7] = 0
        assert "packet 7 of record 1" in fault(client.post("/embed", json={"records": told(lost)}), 422)["got"]


def test_angles_are_not_told_as_the_probabilities_of_classes() -> None:
    x, bare = ASKED["array"][1], headed("array")
    asked = bare.with_head("direction", DirectionHead(bare.num_features), {"num_features": bare.num_features}, AXES)
    with Server(asked) as client, client:
        assert "directions" in fault(client.post("/predict", json={"records": told(x)}), 422)["got"]
        assert client.post("/embed", json={"records": told(x)}).status_code == 200
