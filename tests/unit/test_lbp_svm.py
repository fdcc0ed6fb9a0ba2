"""LBP + SVM: patterns and grid by hand, and that it learns."""

import numpy as np
import pytest

from baselines import lbp_svm
from baselines.lbp_svm import Options
from fer_bench.errors import FerBenchError

ONE_CELL = Options(grid=(1, 1), radius_px=1, root=False, c=1.0)


def test_a_constant_picture_has_one_pattern_only():
    shares = lbp_svm.histograms(np.full((1, 8, 8), 90, dtype=np.uint8), ONE_CELL)
    assert shares.shape == (1, 59)
    assert shares.max() > 0.5  # all neighbours equal inside; the border sees zeros outside
    assert shares.sum() == pytest.approx(1)


def test_each_regions_shares_sum_to_one(rng):
    options = Options(grid=(3, 2), radius_px=1, root=False, c=1.0)
    shares = lbp_svm.histograms(rng.integers(0, 256, (4, 20, 17), dtype=np.uint8), options)
    np.testing.assert_allclose(shares.reshape(4, 6, 59).sum(axis=2), 1, rtol=1e-5)


def test_regions_run_by_row_then_by_column():
    picture = np.zeros((8, 8), dtype=np.uint8)
    picture[:4, 4:] = np.random.default_rng(0).integers(0, 256, (4, 4))  # texture above, to the right
    shares = lbp_svm.histograms(picture[None], Options(grid=(2, 2), radius_px=1, root=False, c=1.0))
    n_patterns = (shares.reshape(4, 59) > 0).sum(axis=1)
    assert n_patterns.argmax() == 1


def test_colour_becomes_luma():
    picture = np.array([[[[255, 0, 0], [0, 255, 0], [0, 0, 255]]]], dtype=np.uint8)
    assert lbp_svm.grey(picture).tolist() == [[[76, 150, 29]]]


def test_textures_are_told_apart(rng):
    labels = np.repeat(np.arange(3), 20)
    images = rng.integers(0, 256, (60, 24, 24), dtype=np.uint8)
    images[labels == 1] = np.sort(images[labels == 1], axis=1)
    images[labels == 2] = np.sort(images[labels == 2], axis=2)
    options = Options(grid=(2, 2), radius_px=1, root=True, c=1.0)
    predict = lbp_svm.fit(options, images[::2], labels[::2], n_classes=3, seed=0)
    assert (predict(images[1::2]).argmax(axis=1) == labels[1::2]).mean() == 1


def test_two_expressions_give_two_logits(rng):
    labels = np.arange(20) % 2
    predict = lbp_svm.fit(ONE_CELL, rng.integers(0, 256, (20, 9, 9), dtype=np.uint8), labels, n_classes=2, seed=0)
    assert predict(rng.integers(0, 256, (3, 9, 9), dtype=np.uint8)).shape == (3, 2)


def test_an_expression_without_samples_is_named(rng):
    images = rng.integers(0, 256, (6, 9, 9), dtype=np.uint8)
    with pytest.raises(FerBenchError, match="none of happiness, sadness") as raised:
        lbp_svm.fit(ONE_CELL, images, np.array([0, 2, 0, 2, 0, 2]), n_classes=4, seed=0)
    assert "train_share" in raised.value.fix


def test_pictures_smaller_than_the_grid_are_refused():
    with pytest.raises(FerBenchError, match="4 × 4 px"):
        lbp_svm.histograms(np.zeros((1, 4, 4), dtype=np.uint8), Options(grid=(7, 6), radius_px=1, root=True, c=1.0))
