"""How fast is the bootstrap? The same interval three ways, in one run: `python benchmarks/bootstrap.py`.

A percentile interval of macro-F1 at n = 3,068 and 7 expressions with 10,000 resamples: by multinomial draws of the
confusion matrix (ours), by a loop that draws rows and counts them with ``bincount``, and by ``scipy.stats.bootstrap``
with the same statistic. The two slow ways are timed on fewer resamples and scaled up, which their cost allows.
"""

import time
from collections.abc import Callable

import numpy as np
from scipy import stats

from fer_bench.metrics.macro_f1 import macro_f1, metric
from fer_bench.params import Compare, Score
from fer_bench.stats import bootstrap
from fer_bench.stats.confusion import count
from fer_bench.stats.pairs import Predicted, Settings, compare_methods

N, K, RESAMPLES = 3068, 7, 10_000
SHARES = np.array([680, 1185, 329, 478, 162, 160, 74]) / N  # RAF-DB's test set


def seconds(work: Callable[[], object], *, times: int) -> float:
    """Return the shortest of a few processor times, which other work on the machine does not stretch."""
    spent = []
    for _ in range(times):
        start = time.process_time()
        work()
        spent.append(time.process_time() - start)
    return min(spent)


def predictions(rng: np.random.Generator, n_runs: int, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Return true labels and the predictions of several runs."""
    y_true = rng.choice(K, size=N, p=SHARES)
    right = 0.8 * rng.random(N) + 0.2 * rng.random((n_runs, N)) < share
    return y_true, np.where(right, y_true, (y_true + rng.integers(1, K, size=N)) % K)


def one_interval(rng: np.random.Generator) -> None:
    """Time one interval three ways."""
    y_true, y_pred = predictions(rng, 1, 0.82)
    rows = (y_true, y_pred[0])

    def statistic(true: np.ndarray, pred: np.ndarray) -> float:
        return float(macro_f1(count(true, pred, n_classes=K)))

    def loop(n_resamples: int) -> np.ndarray:
        drawn = [rng.integers(N, size=N) for _ in range(n_resamples)]
        return np.quantile([statistic(rows[0][index], rows[1][index]) for index in drawn], [0.025, 0.975])

    def scipy_rows(n_resamples: int, method: str) -> object:
        return stats.bootstrap(
            rows, statistic, paired=True, vectorized=False, n_resamples=n_resamples, method=method, rng=rng
        )

    confusion = count(*rows, n_classes=K)
    ours = seconds(lambda: bootstrap.one_run(confusion, metric, level=0.95, n_resamples=RESAMPLES, rng=rng), times=5)
    print(f"macro-F1 interval, n = {N}, K = {K}, {RESAMPLES} resamples")
    print(f"  multinomial draws of the confusion matrix   {ours:8.4f} s")
    for name, spent in (
        ("loop over rows with bincount", seconds(lambda: loop(1000), times=3) * RESAMPLES / 1000),
        (
            "scipy.stats.bootstrap, percentile",
            seconds(lambda: scipy_rows(1000, "percentile"), times=3) * RESAMPLES / 1000,
        ),
        ("scipy.stats.bootstrap, BCa", seconds(lambda: scipy_rows(RESAMPLES, "BCa"), times=1)),
    ):
        print(f"  {name:43} {spent:8.4f} s   {spent / ours:6.0f} times ours")


def whole_comparison(rng: np.random.Generator) -> None:
    """Time the comparison of 12 methods with 5 seeds on 2 data sets."""
    choice = Compare(metrics=["accuracy", "macro_f1"])
    score = Score(metrics=["accuracy", "macro_f1"])
    settings = Settings(tuple(choice.metrics), score.level, choice.margin, score.n_resamples, score.seed, None)
    sets = []
    for name in ("first", "second"):
        y_true, y_pred = predictions(rng, 60, 0.82)
        runs = {f"m{index:02d}": dict(enumerate(y_pred[5 * index : 5 * index + 5])) for index in range(12)}
        sets.append(Predicted(name, "last", K, y_true, runs))
    spent = seconds(lambda: [compare_methods(found, settings) for found in sets], times=2)
    singles = [found._replace(y_pred={name: {0: runs[0]} for name, runs in found.y_pred.items()}) for found in sets]
    single = seconds(lambda: [compare_methods(found, settings) for found in singles], times=1)
    print("all pairs of 12 methods, 2 data sets, 2 metrics, without reading files")
    print(f"  5 seeds, two-way                            {spent:8.4f} s")
    print(f"  1 seed, McNemar and paired bootstrap        {single:8.4f} s")


if __name__ == "__main__":
    one_interval(np.random.default_rng(0))
    whole_comparison(np.random.default_rng(1))
