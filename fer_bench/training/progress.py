"""How long training shows itself: a bar on a terminal, a line per epoch elsewhere."""

import sys
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar


def say(text: str) -> None:
    """Print a line to stderr."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


class Progress(Hook):  # type: ignore[misc]  # mmengine ships no types
    """Shows how far training is, on stderr.

    Args:
        title: The run.
        epochs: Number of epochs.
        n_train: Number of training samples.
    """

    priority = "LOW"

    def __init__(self, title: str, epochs: int, n_train: int) -> None:
        self.title = title
        self.epochs = epochs
        self.n_train = n_train
        self._bar: Bar | None = None
        self._task: Any = None

    def before_train(self, runner: Runner) -> None:
        """Say what starts, or where it goes on."""
        if not is_main_process():
            return
        start = f"goes on after epoch {runner.epoch}" if runner.epoch else f"{self.n_train} training samples"
        if not sys.stderr.isatty():
            say(f"{self.title}: {start}, {self.epochs} epochs")
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Bar(*columns, console=Console(stderr=True))
        self._bar.start()
        steps = self.epochs * len(runner.train_dataloader)
        self._task = self._bar.add_task(self.title, total=steps, completed=runner.iter)

    def after_train_iter(
        self,
        runner: Runner,  # noqa: ARG002 - the hook's form
        batch_idx: int,  # noqa: ARG002
        data_batch: object = None,  # noqa: ARG002
        outputs: object = None,  # noqa: ARG002
    ) -> None:
        """Move the bar."""
        if self._bar is not None:
            self._bar.advance(self._task)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Say how the epoch went."""
        if not is_main_process() or metrics is None:
            return
        said = f"{self.title}: epoch {runner.epoch} of {self.epochs}, val accuracy {metrics['val/accuracy']:.3f}"
        if self._bar is not None:
            self._bar.update(self._task, description=said)
        else:
            say(said)

    def close(self) -> None:
        """Close the bar, however training ended."""
        if self._bar is not None:
            self._bar.stop()
