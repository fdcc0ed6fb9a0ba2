"""Time training steps with glibc's allocator as it is and as fer-bench sets it, in one run.

    python benchmarks/allocator.py

Prints the time of a step of each toy recipe both ways and the ratio.
"""

import os
import subprocess
import sys
import time

STEPS = 40


def step_ms(name: str) -> float:
    import torch

    from fer_bench import registry
    from fer_bench.method import Weights

    torch.set_num_threads(1)
    torch.manual_seed(0)
    method = registry.load("methods", name)
    recipe = method.recipes["toy"]
    side, n = recipe.training.image_size_px, recipe.training.batch_size
    net = method.build(recipe.options, n_classes=7, weights=Weights("none")).train()
    optimizer = torch.optim.Adam(net.parameters())
    images, labels = torch.rand(n, 3, side, side), torch.randint(0, 7, (n,))

    def step() -> None:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(images), labels).backward()
        optimizer.step()

    step()
    start = time.process_time()
    for _ in range(STEPS):
        step()
    return 1000 * (time.process_time() - start) / STEPS


def main() -> None:
    from fer_bench.training import gradient

    names = ("convnext_full", "conv_cut", "patt_lite")
    if len(sys.argv) > 1:
        if sys.argv[1] == "kept":
            gradient.keep_freed_memory()
        print(*(step_ms(name) for name in names))
        return
    found = {}
    for way in ("default", "kept"):
        command = [sys.executable, __file__, way]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)  # noqa: S603
        found[way] = [float(word) for word in done.stdout.split()]
    for index, name in enumerate(names):
        default, kept = found["default"][index], found["kept"][index]
        print(f"{name}: default {default:.1f} ms, kept {kept:.1f} ms per step; ratio {default / kept:.2f}")


main()
