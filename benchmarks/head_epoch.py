"""Time an epoch of PAtt-Lite's head from stored features and with the trunk inside the loop, in one run.

    python benchmarks/head_epoch.py --n 512 --threads 2

Both ways go through the loop that runs go through, with recipe ``code_flip``'s first phase: batches of 8, Adam, clipped
gradients, mirrored pictures. Noise of 48 px stands for faces and random weights for ImageNet's: neither changes the
time. Prints seconds per epoch, the ratio, what the features cost once, and both epochs at FERPlus' 25,045 pictures.
"""

import argparse
import dataclasses
import os
import tempfile
import time
from pathlib import Path

N_FERPLUS = 25_045


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=512, help="pictures (default 512)")
    parser.add_argument("--n-loop", type=int, help="pictures with the trunk in the loop (default: as many, up to 512)")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads (default 2)")
    asked = parser.parse_args()
    n_loop = min(asked.n, 512) if asked.n_loop is None else asked.n_loop
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        measure(asked.n, n_loop, asked.threads)


def measure(n: int, n_loop: int, threads: int) -> None:
    import numpy as np
    import torch

    from fer_bench import registry
    from fer_bench.method import Weights
    from fer_bench.training import features, gradient, loop, pictures
    from fer_bench.training.module import RunnerModel

    torch.set_num_threads(threads)
    gradient.keep_freed_memory()
    method = registry.load("methods", "patt_lite")
    recipe = method.recipes["code_flip"]
    phase = dataclasses.replace(recipe.training.phases[0], epochs=2, schedule="constant", early_stop=None)
    training = dataclasses.replace(recipe.training, phases=(phase,))
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (n, 48, 48), dtype=np.uint8)
    labels = rng.integers(0, 8, n)
    torch.manual_seed(0)
    net = method.build(recipe.options, n_classes=8, weights=Weights("none"))

    def epoch_s(part: pictures.Part, name: str) -> float:
        model = RunnerModel(net, training, weights=[torch.ones(8)], loss=None, couples_batch=True)
        fitted = loop.fit(
            model, [part], None,
            n_classes=8, seed=0, key="benchmark",
            folder=Path(name), amp=False, title=name,
        )  # fmt: skip
        return min(row["seconds"] for row in fitted.history)

    def stored(rows: np.ndarray, *, mirrored: bool) -> np.ndarray:
        digest = features.digest_of(net.trunk, images.shape[1:], side=224, device=torch.device("cpu"))
        return features.stored(net.trunk, digest, images, rows, side=224, mirrored=mirrored, device=torch.device("cpu"))

    rows = np.arange(n)
    start = time.monotonic()
    both = (stored(rows, mirrored=False), stored(rows, mirrored=True))
    once = (time.monotonic() - start) / n
    from_features = epoch_s(pictures.Part(images, rows, labels, 0, features=both), "stored features") / n
    in_loop = epoch_s(pictures.Part(images, rows[:n_loop], labels[:n_loop], 0), "trunk in the loop") / n_loop
    print(f"{n} pictures from features, {n_loop} with the trunk in the loop, {threads} threads")
    for said, seconds in (
        ("epoch from stored features", from_features),
        ("epoch with the trunk in the loop", in_loop),
        ("features, once, both views", once),
    ):
        print(f"{said}: {1000 * seconds:.2f} ms per picture, {N_FERPLUS * seconds:.1f} s for FERPlus' {N_FERPLUS}")
    print(f"ratio {in_loop / from_features:.1f}")


main()
