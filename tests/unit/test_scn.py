"""SCN: the function of the released code, its relabelling, and what the paper has instead."""

import numpy as np
import pytest
import reference
import torch
from reference import OURS
from torch.nn import functional

from baselines import scn
from fer_bench.method import Batch

FIGURES = reference.figures("scn")


@pytest.fixture(scope="module")
def network():
    return reference.network(scn.method, FIGURES)


def loss_of(labels, **options):
    return scn.build_loss(scn.Options(**options), labels=np.asarray(labels), n_classes=7)


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_importance_and_logits_are_the_released_codes(network, seed):
    expected = FIGURES["eval"][str(seed)]
    with torch.no_grad():
        grid = network.trunk(reference.inputs(FIGURES, seed))
        alpha, logits = network.head.weighted(grid)
    reference.assert_digest(grid, expected["intermediates"]["features.7"])
    reference.assert_digest(alpha, expected["outputs"]["alpha"])
    reference.assert_digest(logits[:, OURS], expected["outputs"]["weighted_logits"])


def test_the_network_has_the_released_codes_weights_and_no_other(network):
    counts = FIGURES["counts"]
    assert sum(p.numel() for p in network.parameters()) == counts["parameters_total"]
    assert sum(p.numel() for p in network.parameters() if p.requires_grad) == counts["parameters_trainable"]
    assert len(network.state_dict()) == counts["state_dict_entries"]


@pytest.mark.parametrize("mode", ["train", pytest.param("eval", marks=pytest.mark.slow)])
def test_losses_gradients_and_batch_statistics_are_the_released_codes(mode):
    network = reference.network(scn.method, FIGURES).train(mode == "train")
    batch = reference.batch(FIGURES)
    loss = loss_of(batch.labels)(network, batch)
    expected = FIGURES["train"]
    assert loss.item() == pytest.approx(expected[f"losses_{mode}_mode"]["total"], rel=1e-9)
    if mode == "train":
        loss.backward()
        reference.assert_gradients(network, scn.RELEASED, expected["gradients_train_mode"])
        reference.assert_buffers(network, scn.RELEASED, expected["buffers_after_this_training_pass"])


@pytest.mark.parametrize(("spread", "margin", "case"), [
    (0.2, 0.15, "margin_0.15"), (0.1, 0.07, "margin_0.07"), (6.0, 0.15, "inactive"),
])  # fmt: skip
def test_rank_regularisation_is_the_released_codes(spread, margin, case):
    alpha = torch.sigmoid(spread * reference.normal(103, (10, 1)))
    found = scn.rank_regularisation(alpha, margin=margin, high_share=0.7)
    assert found.item() == pytest.approx(FIGURES["units"][f"rank_regularisation_{case}"]["value"], rel=1e-9)


def test_relabelling_is_the_released_codes():
    expected = FIGURES["units"]["relabel"]
    before = torch.tensor(expected["labels_before"])
    after = scn.relabelled(2 * reference.normal(104, (12, 7)), before, expected["margin_2"])
    assert after.tolist() == expected["labels_after"]
    assert torch.nonzero(after != before).flatten().tolist() == expected["changed_positions"]


class Given(torch.nn.Module):
    """A model that answers with what it is given: importances first, then logits."""

    def __init__(self):
        super().__init__()
        self.trunk = torch.nn.Identity()
        self.head = self

    def weighted(self, given):
        return given[:, :1], given[:, 1:]


def seen(logits, rows, epoch, alpha=None):
    alpha = torch.linspace(0.9, 0.1, len(rows)) if alpha is None else alpha
    return Batch(
        inputs=torch.cat([alpha[:, None], logits], dim=1), from_features=False, labels=torch.zeros(len(rows)).long(),
        sample_weights=torch.ones(len(rows)), label_smoothing=0.0, rows=torch.tensor(rows), epoch=epoch,
    )  # fmt: skip


SURE_OF_2 = 9.0 * functional.one_hot(torch.full((10,), 2), 7).float()


def test_a_new_label_is_remembered_from_the_epoch_that_relabels():
    loss = loss_of(np.zeros(12))
    rows = [11, 3, 5, 1, 2, 4, 6, 7, 8, 9]
    first = loss(Given(), seen(SURE_OF_2, rows, epoch=8))
    assert loss.labels.tolist() == [0] * 12
    assert loss(Given(), seen(SURE_OF_2, rows, epoch=9)) == first
    assert loss.labels.tolist() == [0, *[2] * 9, 0, 2]
    assert loss(Given(), seen(SURE_OF_2, rows, epoch=10)) < first


def test_the_paper_relabels_in_the_low_group_alone():
    loss = loss_of(np.zeros(10), relabels="low")
    loss(Given(), seen(SURE_OF_2, list(range(10)), epoch=9))
    assert loss.labels.tolist() == [0] * 7 + [2] * 3


def test_labels_can_be_left_as_they_are():
    loss = loss_of(np.zeros(10), relabels="never")
    loss(Given(), seen(SURE_OF_2, list(range(10)), epoch=20))
    assert loss.labels.tolist() == [0] * 10


def test_the_memory_of_labels_is_kept_with_the_weights():
    assert set(loss_of([0, 1]).state_dict()) == {"labels"}


def test_the_recipe_of_the_code_has_its_settings():
    training = scn.RECIPES["code"].training
    (phase,) = training.phases
    assert (training.optimizer, phase.lr, training.weight_decay) == ("adam", 1e-3, 1e-4)
    assert (phase.epochs, training.batch_size, phase.schedule.factor) == (70, 64, 0.9)
    assert scn.RECIPES["code"].options.relabels == "anywhere"


def test_the_margin_that_the_readme_advises_has_a_recipe():
    assert scn.RECIPES["code_margin"].options == scn.Options(margin=0.07)
    assert scn.RECIPES["code_margin"].training == scn.RECIPES["code"].training
