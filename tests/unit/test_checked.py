"""What cannot be carried out is found before anything is trained, and before there are data."""

import json

import pytest
import torch
from typer.testing import CliRunner

from fer_bench import params
from fer_bench.cli.main import app
from fer_bench.errors import FerBenchError
from fer_bench.training import checked


@pytest.fixture
def grid(grid_folder, grid_text):
    """Call it with what is replaced in the small grid; nothing is prepared."""

    def write(*changes):
        text = grid_text
        for before, after in changes:
            assert before in text
            text = text.replace(before, after)
        (grid_folder / "params.yaml").write_text(text)
        return params.read()

    return write


def test_a_grid_that_can_be_carried_out_passes_without_data(grid):
    checked.check(grid())


def test_everything_that_is_wrong_is_named_with_its_fix(grid):
    asked = grid(
        ("seed: 0}", "seeed: 0}"),
        ("lbp_svm: {recipe: toy}", "lbp_svm: {recipe: toy, weights: some.pth}"),
        ("conv_cut: {recipe: toy}", "conv_cut: {recipe: paper, weights: nowhere.pth}"),
    )
    with pytest.raises(FerBenchError) as caught:
        checked.check(asked)
    lines = caught.value.problem.splitlines()
    assert lines[0].startswith("3 of 5 ")
    for start, fix in (
        ("  prepare.synthetic: ", "did you mean seed?"),
        ("  methods.lbp_svm: ", "remove methods.lbp_svm.weights"),
        ("  methods.conv_cut: no weights file nowhere.pth", "put it there"),
    ):
        (place,) = [index for index, line in enumerate(lines) if line.startswith(start)]
        assert fix in lines[place + 1]


def test_weights_that_do_not_fit_the_network_are_found(grid, grid_folder):
    torch.save({"stem.weight": torch.zeros(3, 3)}, grid_folder / "other.pth")
    small = "finetune: {recipe: resnet18, weights: other.pth}"
    with pytest.raises(FerBenchError, match=r"other\.pth"):
        checked.check(grid(("conv_cut: {recipe: toy}", small)))


def test_a_recipe_that_watches_a_part_which_the_protocol_lacks_is_found(grid):
    asked = grid(("conv_cut: {recipe: toy}", "conv_cut: {recipe: toy_code}"), ("run: {", "run: {protocol: published, "))
    with pytest.raises(FerBenchError, match="a part that selects"):
        checked.check(asked)


def test_a_device_that_is_not_there_is_found(grid, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(FerBenchError, match="no CUDA device") as caught:
        checked.check(grid(("run: {", "run: {device: cuda, ")))
    assert "fer-bench doctor" in caught.value.fix


def test_sources_are_written_only_of_a_grid_that_can_be_carried_out(grid):
    folder = grid().results / "sources"
    assert CliRunner().invoke(app, ["sources"]).exit_code == 0
    assert {path.stem for path in folder.iterdir()} == {"majority_class", "lbp_svm", "conv_cut"}
    before = {path: path.read_bytes() for path in folder.iterdir()}
    grid(("conv_cut: {recipe: toy}", "conv_cut: {recipe: toy, options: {layrs: 1}}"))
    done = CliRunner().invoke(app, ["sources"])
    assert isinstance(done.exception, FerBenchError)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    grid(("  conv_cut: {recipe: toy}\n", ""))
    assert CliRunner().invoke(app, ["sources"]).exit_code == 0
    assert {path.stem for path in folder.iterdir()} == {"majority_class", "lbp_svm"}
    assert json.loads((folder / "lbp_svm.json").read_text())["method"] == "lbp_svm"
