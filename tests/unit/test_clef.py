"""The approximation of CLEF: its cosines, its text, and that it is called what it is."""

import pytest
import torch

from baselines import clef
from baselines._blocks import clip
from fer_bench.errors import FerBenchError
from fer_bench.method import Weights

TOY = clef.RECIPES["toy"].options


def net():
    torch.manual_seed(0)
    return clef.build(TOY, n_classes=7, weights=Weights("none")).eval()


def test_it_is_called_an_approximation_wherever_it_appears():
    assert "approximation" in clef.method.title
    for recipe in clef.RECIPES.values():
        assert "approximation" in recipe.about
        assert "approximation" in recipe.departures[0]


def test_logits_are_cosines_times_the_temperature():
    model = net()
    tokens = torch.randn(3, 37, 64)
    with torch.no_grad():
        logits, scaled = model.head(tokens), model.head(5 * tokens)
    assert logits.abs().max() <= 1 / clef.TEMPERATURE
    torch.testing.assert_close(logits, scaled)


def test_text_is_not_trained_and_is_kept_with_the_weights():
    model = net()
    assert "head.text" in model.state_dict()
    assert "head.text" not in dict(model.named_parameters())
    torch.testing.assert_close(model.head.text.norm(dim=1), torch.ones(7))


def test_names_are_one_word_between_start_and_end():
    assert clip.texts(["fear", "neutral"]) == [[49406, 5402, 49407], [49406, 17011, 49407]]


def test_a_download_and_an_expression_without_a_word_are_refused_with_what_to_do():
    with pytest.raises(FerBenchError) as raised:
        clef.build(TOY, n_classes=7, weights=Weights("timm"))
    assert "state dict of CLIP" in raised.value.fix
    with pytest.raises(FerBenchError, match="contempt"):
        clip.texts(["contempt"])
