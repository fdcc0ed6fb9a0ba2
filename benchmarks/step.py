"""Time training and prediction of a method per picture: a step as the loop takes it, from pictures of the image store.

    python benchmarks/step.py finetune lite0 --px 96 --threads 1

Noise of 48 px stands for faces and random weights for pretrained ones: neither changes the time. Prints milliseconds a
picture, the median of several steps, as processor time, so that other work on the machine counts little, and losses, to
compare two versions of the code.
"""

import argparse
import time
from collections.abc import Callable
from statistics import median


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("method", help="a file in baselines")
    parser.add_argument("recipe", help="one of its recipes")
    parser.add_argument("--px", type=int, help="side of the picture (default: the recipe's)")
    parser.add_argument("--batch", type=int, help="pictures per step (default: the recipe's)")
    parser.add_argument("--colour", action="store_true", help="pictures of three channels (default: grey)")
    parser.add_argument("--steps", type=int, default=5, help="steps of which the median is taken (default 5)")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default 1)")
    measure(parser.parse_args())


def measure(asked: argparse.Namespace) -> None:
    import dataclasses

    import numpy as np
    import torch

    from fer_bench import registry
    from fer_bench.method import Weights
    from fer_bench.training import gradient, loop, pictures
    from fer_bench.training.module import RunnerModel

    torch.set_num_threads(asked.threads)
    gradient.keep_freed_memory()
    method = registry.load("methods", asked.method)
    recipe = method.recipes[asked.recipe]
    training = recipe.training
    if asked.px is not None:
        training = dataclasses.replace(training, image_size_px=asked.px)
    n = asked.batch or training.batch_size
    rng = np.random.default_rng(0)
    labels = np.arange(n) % 7
    images = rng.integers(0, 256, (n, 48, 48, 3) if asked.colour else (n, 48, 48), dtype=np.uint8)
    torch.manual_seed(0)
    net = method.build(recipe.options, n_classes=7, weights=Weights("none"))
    loss = method.loss
    if method.build_loss is not None:
        loss = method.build_loss(recipe.options, labels=labels, n_classes=7)
    model = RunnerModel(
        net,
        training,
        weights=[torch.ones(7)] * len(training.phases),
        loss=loss,
        couples_batch=method.couples_batch(recipe.options),
    )
    model.enter_phase(len(training.phases) - 1)
    n_draws = (pictures.n_draws(training), pictures.n_second_draws(training))
    part = pictures.Part(images, np.arange(n), labels, 0, n_draws=n_draws[0], n_second_draws=n_draws[1])
    part.set_epoch(0)
    optimizer = torch.optim.AdamW([each for each in model.parameters() if each.requires_grad], lr=1e-4, fused=True)
    losses = []

    def step() -> None:
        found = model(**part.__getitems__(range(n)), mode="loss")["loss"]
        optimizer.zero_grad()
        found.backward()
        optimizer.step()
        losses.append(float(found.detach()))

    model.train()
    trained = _ms(step, asked.steps) / n
    predicted = _ms(lambda: loop.predict(model, part), asked.steps) / n
    print(f"{asked.method} {asked.recipe}, {training.image_size_px} px, batches of {n}, {asked.threads} thread(s):")
    print(f"training {trained:.2f} ms a picture, prediction {predicted:.2f} ms a picture")
    print(f"loss of the first and the last step: {losses[0]:.9f}, {losses[-1]:.9f}")


def _ms(carry_out: Callable[[], object], times: int) -> float:
    carry_out()
    seconds = []
    for _ in range(times):
        start = time.process_time()
        carry_out()
        seconds.append(time.process_time() - start)
    return 1000 * median(seconds)


if __name__ == "__main__":
    main()
