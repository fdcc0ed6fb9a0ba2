"""POSTER: the function of the released code, its defects as switches, and its losses."""

import pytest
import reference
import torch
from reference import OURS

from baselines import poster
from baselines._blocks import ir50, mobilefacenet
from baselines._blocks.streams import Streams
from fer_bench.errors import FerBenchError
from fer_bench.method import Weights

FIGURES = reference.figures("poster")


@pytest.fixture(scope="module")
def network():
    return reference.network(poster.method, FIGURES)


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_features_and_logits_are_the_released_codes(network, seed):
    expected = FIGURES["eval"][str(seed)]
    inner, trunk, seen = expected["intermediates"], network.trunk, {}
    hooks = [
        trunk.get_submodule(name).register_forward_hook(lambda _m, _i, out, name=name: seen.update({name: out}))
        for name in ("image", "ir_layer", "downsample_s", "blocks.0", "blocks.7")
    ]
    with torch.no_grad():
        features = trunk(reference.inputs(FIGURES, seed))
        gated = network.head.se_block(features)
        logits = network.head(features)
    for hook in hooks:
        hook.remove()
    reference.assert_digest(trunk.image_tokens(seen["image"][-1]), inner["ir_back"])
    reference.assert_digest(seen["ir_layer"], inner["ir_layer"])
    reference.assert_digest(seen["downsample_s"], inner["pyramid_fuse.downsample_s"])
    reference.assert_digest(seen["blocks.0"][0], inner["pyramid_fuse.blocks.0.0"])
    reference.assert_digest(seen["blocks.7"][2], inner["pyramid_fuse.blocks.7.2"])
    reference.assert_digest(features, inner["pyramid_fuse"])
    reference.assert_digest(gated, expected["outputs"]["features"])
    reference.assert_digest(logits[:, OURS], expected["outputs"]["logits"])


def test_the_network_has_the_released_codes_weights_but_those_that_it_never_uses(network):
    counts, unused = FIGURES["counts"], FIGURES["facts"]["parameters_without_influence_on_eval_outputs"]
    rows = {key: (tuple(shape), role) for key, shape, role, _ in FIGURES["state_dict"]}
    unused_trained = sum(torch.Size(rows[key][0]).numel() for key in unused["keys"] if rows[key][1] == "param")
    assert sum(p.numel() for p in network.parameters()) + unused["elements"] == counts["parameters_total"]
    trained = sum(p.numel() for p in network.parameters() if p.requires_grad)
    assert trained + unused_trained == counts["parameters_trainable"]
    named = {poster.RELEASED.name_of(name) for name in network.state_dict()}
    assert named | poster.RELEASED.unused.keys() == rows.keys()
    assert all(rows[key][0] == shape for key, shape in poster.RELEASED.unused.items())


@pytest.mark.parametrize("mode", ["eval", pytest.param("train", marks=pytest.mark.slow)])
def test_losses_gradients_and_batch_statistics_are_the_released_codes(network, mode):
    if mode == "train":
        network = reference.network(poster.method, FIGURES).train()
    for part in network.modules():
        if type(part).__name__ == "DropPath":
            part.drop_prob = 0.0
    loss = poster.Loss(poster.Options())(network, reference.batch(FIGURES))
    expected = FIGURES["train"]
    assert loss.item() == pytest.approx(expected[f"losses_{mode}_mode"]["total"], rel=1e-9)
    if mode == "train":
        loss.backward()
        for parameter in network.parameters():
            if not parameter.requires_grad:
                parameter.grad = torch.zeros_like(parameter)
        reference.assert_gradients(network, poster.RELEASED, expected["gradients_train_mode"])
        reference.assert_buffers(network, poster.RELEASED, expected["buffers_after_this_training_pass"])


def test_the_smoothed_cross_entropy_is_the_released_codes():
    unit = FIGURES["units"]["label_smoothing_cross_entropy"]
    logits, labels = reference.normal(109, (5, 7)), torch.tensor(unit["labels"])
    plain = torch.nn.functional.cross_entropy(logits, labels)
    both = poster.mixed(logits, labels, unit["smoothing"], 2.0).mean()
    assert ((both - plain) / 2).item() == pytest.approx(unit["value"], rel=1e-9)


def toy(**changes):
    torch.manual_seed(0)
    options = poster.dataclasses.replace(poster.RECIPES["toy"].options, **changes)
    return poster.build(options, n_classes=7, weights=Weights("none"))


def test_a_token_of_the_released_code_is_whole_channels_and_one_of_ours_a_patch():
    grid = torch.arange(3 * 16 * 6 * 6).reshape(3, 16, 6, 6)
    view, patches = (toy(tokens=tokens).trunk.image_tokens(grid) for tokens in ("view", "patches"))
    assert view.shape == patches.shape == (3, 9, 64)
    assert view[0, 0].tolist() == list(range(64))  # the whole first channel, 36 places, and 28 of the second
    places = patches[0, 0] % 36
    assert sorted(set(places.tolist())) == [0, 1, 6, 7]


def test_bgr_is_the_turned_picture():
    images = torch.rand(2, 3, 48, 48)
    turned, plain = toy(bgr=True).trunk.normalise, toy().trunk.normalise
    assert torch.equal(turned(images), plain(images.flip(1)))


@pytest.mark.parametrize(("landmarks", "moves"), [("drifting", True), ("frozen", False), ("trained", True)])
def test_statistics_of_the_landmark_network_drift_where_the_recipe_says_so(landmarks, moves):
    streams = poster.dataclasses.replace(poster.RECIPES["toy"].options.streams, landmarks=landmarks)
    net = toy(streams=streams).train()
    before = net.trunk.landmarks.conv1.bn.running_mean.clone()
    net(torch.rand(4, 3, 48, 48))
    assert torch.equal(before, net.trunk.landmarks.conv1.bn.running_mean) is not moves
    trained = {parameter.requires_grad for parameter in net.trunk.landmarks.parameters()}
    assert trained == {landmarks == "trained"}


def files(folder, options):
    faces = ir50.IR50(options.streams.units, options.streams.channels).state_dict()
    sizes = options.streams.landmark_channels, options.streams.landmark_depths
    marks = mobilefacenet.MobileFaceNet(*sizes).state_dict()
    marks = {f"module.{name}": value for name, value in marks.items()} | {"module.output_layer.bn.bias": torch.zeros(1)}
    torch.save({"state_dict": marks}, folder / "landmarks.pth.tar")
    return faces, folder / "faces.pth", folder / "landmarks.pth.tar"


def test_both_networks_start_from_the_files_that_are_brought(tmp_path):
    torch.manual_seed(1)
    options = poster.Options()
    faces, path, landmarks = files(tmp_path, options)
    torch.save({ir50.counted(name): value for name, value in faces.items()} | {"body.22.x": torch.zeros(1)}, path)
    streams = Streams(landmark_weights=str(landmarks))
    net = poster.build(poster.Options(streams=streams, depth=1), n_classes=7, weights=Weights("file", path))
    assert torch.equal(net.trunk.image.body[2][13].res_layer[3].weight, faces["body.2.13.res_layer.3.weight"])


def test_a_file_of_another_network_is_refused_with_what_it_lacks(tmp_path):
    path = tmp_path / "faces.pth"
    torch.save(torch.nn.Linear(2, 2).state_dict(), path)
    with pytest.raises(FerBenchError, match=r"not the weights of IR-50 .*lacks input_layer\.0\.weight"):
        poster.build(poster.Options(), n_classes=7, weights=Weights("file", path))


def test_ir_50_has_no_download():
    with pytest.raises(FerBenchError) as raised:
        poster.build(poster.Options(), n_classes=7, weights=Weights("timm"))
    assert "code_imagenet" in raised.value.fix


def test_the_recipe_of_the_code_has_its_settings():
    training = poster.RECIPES["code"].training
    (phase,) = training.phases
    assert (training.optimizer, phase.lr, training.weight_decay, training.sam_rho) == ("adam", 4e-5, 0.0, 0.05)
    assert (phase.epochs, training.batch_size, phase.schedule.factor) == (300, 200, 0.98)


def test_positions_start_at_zero_as_in_the_released_code():
    assert not toy().trunk.pos_embed.any()
