"""Features of a frozen trunk, computed once per picture and view instead of once per epoch.

They are kept in half precision under ``.fer-bench/features``, named by a digest of what they were computed from
(weights, pictures, size, and what the trunk makes of a fixed probe), and shared by all runs where these are the same.
A file ends with a digest of its name and of what is before it; one that is not as it was stored is made again. The
folder may be deleted at any time.
"""

import hashlib
import io
import os
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import numpy as np
import torch
from rich.progress import track
from torch import nn

from fer_bench import whole
from fer_bench.method import Training
from fer_bench.training import pictures
from fer_bench.training.progress import say

FOLDER = Path(".fer-bench/features")
_CHUNK_BYTES = 2**24
_BATCH = 16  # larger batches leave the processor's caches: half as fast


def can_be_stored(training: Training, phase: int) -> bool:
    """Whether features can stand for pictures in a phase.

    So they can if no phase up to this one trains the trunk, and pictures are resized bilinearly and changed by
    mirroring alone, in one view.
    """
    untouched = all(each.trunk == "frozen" for each in training.phases[: phase + 1])
    plain = training.interpolation == "bilinear" and training.resize_px is None and training.second_view is None
    return untouched and plain and {*training.augment, *training.augment_before_resize} <= {"flip"}


@torch.no_grad()
def digest_of(trunk: nn.Module, size: Sequence[int], *, side: int, device: torch.device) -> str:
    """Return a digest of a trunk: its parameters and buffers, and what it makes of two fixed pictures.

    The pictures stand for the code. Whatever changes what is computed, in a method's file, a block, timm, or the way
    pictures are prepared, changes the features of noise and of a ramp; whatever does not, leaves them to the bit.

    Args:
        trunk: The trunk.
        size: Sizes of one picture of the image store: (h, w) or (h, w, 3).
        side: Side in pixels to which pictures are resized.
        device: Where the trunk runs.
    """
    noise = np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8)
    ramp = np.linspace(0, 255, num=noise.size).reshape(size).astype(np.uint8)
    seen = _features_of(_ready(trunk, device), np.stack([noise, ramp]), side=side, mirrored=False, device=device)
    digest = hashlib.sha256(f"{metadata.version('timm')}/{torch.__version__}/{seen.shape}".encode() + seen.tobytes())
    for name, tensor in sorted([*trunk.named_parameters(), *trunk.named_buffers()]):
        digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def stored(
    trunk: nn.Module,
    trunk_digest: str,
    images: np.ndarray,
    rows: np.ndarray,
    *,
    side: int,
    mirrored: bool,
    device: torch.device,
) -> np.ndarray:
    """Return the trunk's features of pictures, from the store or computed into it.

    Args:
        trunk: In evaluation mode.
        trunk_digest: From :func:`digest_of`.
        images: The image store.
        rows: (n,) rows whose features are wanted.
        side: Side in pixels to which pictures are resized.
        mirrored: Mirror the pictures first.
        device: Where the trunk runs.

    Returns:
        float16 (n, c, …), memory-mapped, read-only, in the order of ``rows``.
    """
    key = hashlib.sha256(f"{trunk_digest}/{side}/{mirrored}/{torch.get_num_threads()}/{device.type}".encode())
    key.update(np.ascontiguousarray(rows, dtype=np.int64).tobytes())
    for row in rows:
        key.update(images[row].tobytes())
    path = FOLDER / f"{key.hexdigest()[:32]}.npy"
    with whole.alone(path, doing="computing features", wait=True):  # another run may want the same
        found = _read(path)
        if found is None:
            if path.exists():
                say(f"{path} is not as it was stored; it is made again")
            whole.clear(FOLDER)
            _compute(trunk, images, rows, path, side=side, mirrored=mirrored, device=device)
            found = _read(path)
    assert found is not None  # noqa: S101 - for the type checker; it has just been written
    return found


def _read(path: Path) -> np.ndarray | None:
    """Return stored features; None where there are none, or not those that were stored under this name."""
    digest = hashlib.sha256(path.name.encode())
    try:
        with path.open("rb") as file:
            left = path.stat().st_size - digest.digest_size
            while left > 0 and (chunk := file.read(min(left, _CHUNK_BYTES))):
                digest.update(chunk)
                left -= len(chunk)
            if left != 0 or file.read() != digest.digest():
                return None
        features: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError):
        return None
    return features


@torch.no_grad()
def _compute(
    trunk: nn.Module,
    images: np.ndarray,
    rows: np.ndarray,
    path: Path,
    *,
    side: int,
    mirrored: bool,
    device: torch.device,
) -> None:
    trunk = _ready(trunk, device)
    said = f"features of {len(rows)} {'mirrored ' if mirrored else ''}pictures"
    digest = hashlib.sha256(path.name.encode())
    with whole.writing(path) as file:
        for start in track(range(0, len(rows), _BATCH), description=said, disable=not os.isatty(2)):
            chosen = rows[start : start + _BATCH]
            found = _features_of(trunk, images[chosen], side=side, mirrored=mirrored, device=device)
            if not start:
                whole.room(path, len(rows) * found[0].nbytes)
            content = found.tobytes() if start else _head(len(rows), found) + found.tobytes()
            digest.update(content)
            file.write(content)
        file.write(digest.digest())


def _head(n: int, first: np.ndarray) -> bytes:
    """Return what stands before the numbers in a file of numpy's."""
    head = io.BytesIO()
    shape = (n, *first.shape[1:])
    np.lib.format.write_array_header_1_0(head, {"descr": first.dtype.str, "fortran_order": False, "shape": shape})
    return head.getvalue()


def _ready(trunk: nn.Module, device: torch.device) -> nn.Module:
    return trunk.to(device).to(memory_format=torch.channels_last).eval()  # as RunnerModel has it


def _features_of(
    trunk: nn.Module, images: np.ndarray, *, side: int, mirrored: bool, device: torch.device
) -> np.ndarray:
    batch = torch.from_numpy(np.ascontiguousarray(images)).to(device)
    batch = pictures.resized(batch.flip(2) if mirrored else batch, side)
    found: np.ndarray = trunk(batch).to(torch.float16).cpu().numpy()
    return found
