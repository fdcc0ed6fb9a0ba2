"""How fast are the intervals? Ratios measured in one run: `python benchmarks/bootstrap.py`.

An interval of macro-F1 at n = 3,068 and 7 expressions with 10,000 resamples, by

- drawn confusion matrices (ours), percentile and BCa;
- ``scipy.stats.bootstrap`` with scikit-learn's ``f1_score``, which is what one would write first;
- ``scipy.stats.bootstrap`` with our own statistic, which counts with ``bincount``;
- a loop that draws rows and counts them with ``bincount``.

The slow ways are timed on fewer resamples and scaled up, which their cost allows; what BCa adds, a jackknife over all
samples, is the same for any number of them. Then how ours grows with n, and the comparison of 12 methods.
"""

import time
from collections.abc import Callable

import numpy as np
from scipy import stats
from sklearn.metrics import f1_score

from fer_bench.metrics.macro_f1 import macro_f1, metric
from fer_bench.params import Compare, Score
from fer_bench.stats import bootstrap
from fer_bench.stats.confusion import count
from fer_bench.stats.pairs import Predicted, Settings, compare_methods

N, K, RESAMPLES = 3068, 7, 10_000
SHARES = np.array([680, 1185, 329, 478, 162, 160, 74]) / N  # RAF-DB's test set
Statistic = Callable[[np.ndarray, np.ndarray], float]


def seconds(work: Callable[[], object], *, times: int) -> float:
    """Return the shortest of a few processor times, which other work on the machine does not stretch."""
    spent = []
    for _ in range(times):
        start = time.process_time()
        work()
        spent.append(time.process_time() - start)
    return min(spent)


def predictions(rng: np.random.Generator, n_runs: int, share: float, n: int = N) -> tuple[np.ndarray, np.ndarray]:
    """Return true labels and the predictions of several runs."""
    y_true = rng.choice(K, size=n, p=SHARES)
    right = 0.8 * rng.random(n) + 0.2 * rng.random((n_runs, n)) < share
    return y_true, np.where(right, y_true, (y_true + rng.integers(1, K, size=n)) % K)


def counted(true: np.ndarray, pred: np.ndarray) -> float:
    """Compute macro-F1 by counting."""
    return float(macro_f1(count(true, pred, n_classes=K)))


def scikit_learns(true: np.ndarray, pred: np.ndarray) -> float:
    """Compute macro-F1 as scikit-learn does."""
    return float(f1_score(true, pred, average="macro"))


def by_scipy(
    rows: tuple[np.ndarray, np.ndarray], statistic: Statistic, rng: np.random.Generator, few: int
) -> dict[str, float]:
    """Return the seconds of SciPy's intervals with all resamples, from those with a few."""

    def spent(method: str) -> float:
        def work() -> object:
            return stats.bootstrap(
                rows, statistic, paired=True, vectorized=False, n_resamples=few, method=method, rng=rng
            )

        return seconds(work, times=2)

    percentile, bca = spent("percentile"), spent("BCa")
    return {"percentile": percentile * RESAMPLES / few, "BCa": percentile * RESAMPLES / few + bca - percentile}


def one_interval(rng: np.random.Generator) -> None:
    """Time one interval in several ways."""
    y_true, y_pred = predictions(rng, 1, 0.82)
    rows = (y_true, y_pred[0])
    confusion = count(*rows, n_classes=K)

    def ours(how: bootstrap.How) -> float:
        def work() -> object:
            return bootstrap.one_run(confusion, metric, level=0.95, n_resamples=RESAMPLES, rng=rng, how=how)

        return seconds(work, times=7)

    def loop(n_resamples: int) -> np.ndarray:
        drawn = [rng.integers(N, size=N) for _ in range(n_resamples)]
        return np.quantile([counted(rows[0][index], rows[1][index]) for index in drawn], [0.025, 0.975])

    base = {"percentile": ours("percentile"), "BCa": ours("bca")}
    print(f"macro-F1 interval, n = {N}, K = {K}, {RESAMPLES} resamples")
    for how, spent in base.items():
        print(f"  {f'ours, {how}':50} {spent:9.4f} s")
    looped = seconds(lambda: loop(1000), times=3) * RESAMPLES / 1000
    print(f"  {'loop over rows with bincount, percentile':50} {looped:9.4f} s {looped / base['percentile']:7.0f} times")
    for name, statistic, few in (("f1_score", scikit_learns, 200), ("bincount", counted, 1000)):
        for how, spent in by_scipy(rows, statistic, rng, few).items():
            said = f"scipy.stats.bootstrap of {name}, {how}"
            print(f"  {said:50} {spent:9.4f} s {spent / base[how]:7.0f} times")


def growth(rng: np.random.Generator) -> None:
    """Time one interval, once counted, on ever more samples with the same shares of errors."""
    print("ours, percentile, by samples")
    for n in (1_000, 3_068, 30_000, 300_000):
        y_true, y_pred = predictions(rng, 1, 0.82, n)
        confusion = count(y_true, y_pred[0], n_classes=K)

        def work(confusion: np.ndarray = confusion) -> object:
            return bootstrap.one_run(confusion, metric, level=0.95, n_resamples=RESAMPLES, rng=rng)

        print(f"  n = {n:7}  {seconds(work, times=5):8.4f} s")


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
    growth(np.random.default_rng(2))
    whole_comparison(np.random.default_rng(1))
