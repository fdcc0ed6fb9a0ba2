"""Initial weights of trunks: none, timm's download, or a file. What was asked for is what is used, or an error."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import timm
from torch import nn

from fer_bench import given
from fer_bench.errors import FerBenchError
from fer_bench.method import Weights
from fer_bench.training import weight_files

__all__ = ["Weights", "create_backbone", "describe", "keras_arrays", "resolve"]

_RANDOM = "or ask for random initialisation with `weights: none` there"
_SHOWN = 3  # layers named in an error
_PATIENCE_S = 10


def resolve(name: str | None, recipe_weights: str) -> Weights:
    """Return which weights a run starts from.

    Args:
        name: What ``params.yaml`` says under ``methods.<method>.weights``; None: what the recipe asks for.
        recipe_weights: What the recipe asks for.

    Raises:
        FerBenchError: If a file is asked for and is not there, or cannot be one of weights.
    """
    asked = recipe_weights if name is None else name
    if asked == "none":
        return Weights("none")
    if asked == "timm":
        return Weights("timm")
    path = Path(asked)
    if not path.exists():
        raise FerBenchError(
            f"no weights file {asked}",
            fix=f"put it there, or name another file in params.yaml (methods.<method>.weights), {_RANDOM}",
        )
    weight_files.head(path)
    return Weights("file", path)


def describe(weights: Weights, timm_name: str | None) -> str:
    """Return how the runs table spells the weights: ``none``, ``timm:<tag>`` or ``file:<name>``.

    Args:
        weights: From :func:`resolve`.
        timm_name: The trunk's name in timm; its tag says which weights timm downloads.

    Raises:
        FerBenchError: If timm's weights of a trunk without a tag are described.

    Examples:
        >>> describe(Weights("timm"), "convnext_base.fb_in22k_ft_in1k")
        'timm:fb_in22k_ft_in1k'
    """
    if weights.source == "timm":
        tag = (timm_name or "").partition(".")[2]
        if not tag:
            raise FerBenchError(
                f"timm's weights need a tag behind the name of the backbone, and '{timm_name}' has none",
                fix=f"one of: {', '.join(timm.list_pretrained(f'{timm_name}.*')) or 'timm.list_pretrained()'}",
            )
        return f"timm:{tag}"
    return "none" if weights.path is None else f"file:{weights.path.name}"


def create_backbone(
    timm_name: str,
    weights: Weights,
    *,
    left_over: tuple[str, ...] = (),
    inside: str = "",
    **options: Any,  # noqa: ANN401 - passed to timm
) -> nn.Module:
    """Create one of timm's networks and give it its initial weights.

    Args:
        timm_name: timm's name, with the tag of the weights.
        weights: From :func:`resolve`.
        left_over: Starts of names that a file may have and the network lacks, beside its classifier's.
        inside: What a file may have before the network's names, where it is of a larger module.
        **options: Passed to ``timm.create_model``, e.g. ``num_classes=0``.

    Raises:
        FerBenchError: If the download fails, or the file is not a state dict, or is one of another network.
    """
    net: nn.Module = timm.create_model(timm_name, pretrained=False, **options)
    path = _fetch(timm_name) if weights.source == "timm" else weights.path
    if path is not None:
        _load(net, path, timm_name, left_over, inside)
    return net


def keras_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read Keras' weights from an ``.npz`` with Keras' names (``conv_dw_1/depthwise_kernel``) and layouts.

    Raises:
        FerBenchError: If the file is not such an archive.
    """
    fix = "give the .npz that holds Keras' weights under Keras' names, e.g. conv_dw_9/depthwise_kernel"
    if path.suffix != ".npz":
        raise FerBenchError(f"{path}: not an archive of arrays (.npz)", fix=fix)
    arrays = given.arrays(path, what="an archive of arrays (.npz)", missing=f"no file {path}", fix=fix)
    odd = [name for name, array in arrays.items() if array.dtype.kind not in "fiu" or np.isnan(array).any()]
    if odd:
        raise FerBenchError(
            f"{path}: {len(odd)} of {len(arrays)} arrays are no plain numbers: {', '.join(odd[:_SHOWN])}",
            fix="give Keras' weights as training left them",
        )
    return arrays


def _fetch(timm_name: str) -> Path:
    """Return the file with timm's weights, downloaded unless an earlier download is at hand.

    The server is asked once before the download: the download itself would go on trying for a minute.
    """
    import huggingface_hub
    from huggingface_hub import constants

    cfg = timm.get_pretrained_cfg(timm_name)
    if cfg is None or not cfg.hf_hub_id:
        raise FerBenchError(f"timm offers no download of weights for {timm_name}", fix=_bring(timm_name))
    name = cfg.hf_hub_filename or constants.SAFETENSORS_SINGLE_FILE
    cached = huggingface_hub.try_to_load_from_cache(cfg.hf_hub_id, name)
    if isinstance(cached, str):
        return Path(cached)
    # huggingface_hub changed its HTTP client twice; each has its own root of errors, not all under OSError
    client = sys.modules[type(huggingface_hub.get_session()).__module__.partition(".")[0]]
    try:
        huggingface_hub.get_hf_file_metadata(huggingface_hub.hf_hub_url(cfg.hf_hub_id, name), timeout=_PATIENCE_S)
        return Path(huggingface_hub.hf_hub_download(cfg.hf_hub_id, name))
    except (OSError, client.HTTPError) as error:
        raise FerBenchError(
            f"timm's weights {timm_name} are not on this machine and could not be downloaded ({type(error).__name__})",
            fix=_bring(timm_name),
        ) from None


def _bring(timm_name: str) -> str:
    return (
        f"on a machine with a network run python -c \"import timm, torch; torch.save(timm.create_model('{timm_name}', "
        f"pretrained=True).state_dict(), '{timm_name}.pth')\", bring the file and name it in params.yaml "
        f"(methods.<method>.weights), {_RANDOM}"
    )


def _load(net: nn.Module, path: Path, timm_name: str, left_over: tuple[str, ...], inside: str) -> None:
    """Load a state dict, layer by layer accounted for; a classifier that the trunk lacks may be left over."""
    found = weight_files.tensors(weight_files.read(path), source=str(path))
    state = {name.removeprefix(inside): value for name, value in found.items()}
    # timm's own translation of the original authors' names, where the network's family has one
    translate = getattr(sys.modules[type(net).__module__], "checkpoint_filter_fn", None)
    try:
        state = state if translate is None else translate(state, net)
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
        problem = f"{path}: not the weights of {timm_name}: timm cannot translate their names ({error})"
        raise FerBenchError(problem, fix=_whole_file(timm_name)) from None
    wanted = net.state_dict()
    left_over = (*left_over, *_classifiers(net))
    # a counter that older files lack; nothing is computed from it
    state = {name: value for name, value in wanted.items() if name.endswith("num_batches_tracked")} | state
    missing = [name for name in wanted if name not in state]
    foreign = [name for name in state if name not in wanted and not name.startswith(left_over)]
    shapes = [name for name in wanted if name in state and state[name].shape != wanted[name].shape]
    for what, names in (("lacks", missing), ("has, and the network lacks,", foreign), ("has in other sizes", shapes)):
        if names:
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            raise FerBenchError(
                f"{path}: not the weights of {timm_name}: it {what} {', '.join(names[:_SHOWN])}{more}",
                fix=_whole_file(timm_name),
            )
    net.load_state_dict({name: state[name] for name in wanted})


def _whole_file(timm_name: str) -> str:
    return f"name a file with all layers of {timm_name} in params.yaml (methods.<method>.weights), {_RANDOM}"


def _classifiers(net: nn.Module) -> tuple[str, ...]:
    """Return the prefixes of the network's classifier in state dicts."""
    names = getattr(net, "pretrained_cfg", {}).get("classifier") or ()
    return tuple(f"{name}." for name in ([names] if isinstance(names, str) else names))
