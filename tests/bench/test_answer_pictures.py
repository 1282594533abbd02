"""Pictures of answers: a row for the input and for each method, a column for each record, every class named."""

import torch

from groundwave.bench.answer_pictures import forecast_picture, mask_picture


def test_masks_stand_below_their_spectrograms() -> None:
    masks = torch.arange(3).repeat(2, 4, 2)
    figure = mask_picture(torch.randn(2, 4, 6), {"truth": masks, "a network, frozen": masks}, ("noise", "NR", "LTE"))
    axes = figure.axes
    assert len(axes) == 6
    assert [one.get_ylabel() for one in axes[::2]] == ["input", "truth", "a network,\nfrozen"]
    assert (axes[2].images[0].get_array() == masks[0].numpy()).all()
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["noise", "NR", "LTE"]


def test_forecasts_are_drawn_as_chances() -> None:
    chance = torch.rand(3, 4, 8)
    figure = forecast_picture(torch.zeros(3, 4, 6), {"truth": (chance > 0.5), "a": chance.half()})
    assert [len(one.images) for one in figure.axes[:9]] == [1] * 9
    assert figure.axes[6].images[0].get_clim() == (0, 1)
    assert figure.axes[6].images[0].get_interpolation() == "nearest"
    assert figure.axes[-1].get_ylabel() == "chance of being occupied"
