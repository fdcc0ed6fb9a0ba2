"""The file that describes one's own pictures (:mod:`fer_bench.datasets.folder`), typed, so that slips are named."""

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import msgspec

from fer_bench import given, params
from fer_bench.datasets._class_folders import SPELLINGS
from fer_bench.datasets._files import first_of
from fer_bench.errors import FerBenchError
from fer_bench.expressions import EXPRESSIONS
from fer_bench.params import Section

FILE = "dataset.yaml"
DROP = -1
"""The label of a sample that has none."""

Split: TypeAlias = Literal["train", "val", "test"]
Text: TypeAlias = Annotated[str, msgspec.Meta(min_length=1)]


class Csv(Section, frozen=True, kw_only=True):
    """A table of pictures.

    Attributes:
        file: The table; or one per split.
        path: Column of paths.
        label: Column of labels.
        split: Column of splits, where there is one table.
        subject: Column of persons, empty where unknown; None: none is known.
        id: Column of sample ids; None: the path.
    """

    file: Text | dict[Split, Text]
    path: Text = "path"
    label: Text = "label"
    split: Text = "split"
    subject: Text | None = None
    id: Text | None = None


class Description(Section, frozen=True, kw_only=True):
    """The description file.

    Attributes:
        title: The data set's name, as tables print it.
        licence: Terms, in a few words.
        citation: What to cite.
        faces_may_be_shown: Whether pictures may be printed in a report.
        folders: Folder of each split, class folders in it.
        csv: A table of pictures, instead of folders.
        classes: From names of class folders, or labels in the table, to expressions; absent: the usual spellings.
    """

    title: Text
    licence: Text
    citation: Text
    faces_may_be_shown: bool = False
    folders: dict[Split, Text] | None = None
    csv: Csv | None = None
    classes: dict[str | int, str | None] | None = None


def read(file: Path) -> Description:
    """Read and check a description.

    Raises:
        FerBenchError: If it is missing, is not YAML, has a misspelt key or a wrong type, or has both folders and csv.
    """
    fix = f"write {FILE} beside the pictures (docs/data.md shows one), or give the file itself as source"
    text = given.text(file, missing=f"folder: no file {file}", fix=fix)
    found: Description = params.from_yaml(text, Description, where=str(file))
    if (found.folders is None) == (found.csv is None):
        said = "neither folders nor csv" if found.csv is None else "folders and csv"
        raise FerBenchError(f"{file}: it has {said}", fix="keep one of them: folders, or csv")
    return found


class Labels:
    """From names of class folders, or labels in a table, to indices of expressions.

    Args:
        file: The description, for errors.
        described: What it says.
        n_classes: 7 or 8.

    Raises:
        FerBenchError: If ``classes`` names something that is no expression, or a number and the same as text.
    """

    def __init__(self, file: Path, described: Description, n_classes: int) -> None:
        self._n_classes = n_classes
        self._of: dict[str, int] = dict(SPELLINGS)
        self._given = described.classes is not None
        if described.classes is not None:
            names = [str(name) for name in described.classes]
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise FerBenchError(f"{file}: classes names {twice[0]} twice", fix="remove one of the two")
            self._of = {str(name): _index(file, name, to) for name, to in described.classes.items()}

    def _key(self, name: str) -> str:
        return name if self._given else name.lower()

    def knows(self, name: str) -> bool:
        """Return whether a name is understood."""
        return self._key(name) in self._of

    def of(self, name: str) -> int:
        """Return the index of a name that is understood; -1 for no label, and for contempt among seven classes."""
        index = self._of[self._key(name)]
        return index if index < self._n_classes else DROP


def _index(file: Path, name: str | int, expression: str | None) -> int:
    if expression is None:
        return DROP
    if expression not in EXPRESSIONS:
        raise FerBenchError(
            f"{file}: classes.{name} is {expression!r}, which is no expression",
            fix=f"one of: {', '.join(EXPRESSIONS)}; null leaves the samples without a label",
        )
    return EXPRESSIONS.index(expression)


def not_understood(where: str, names: list[str]) -> FerBenchError:
    """Return the error for names of classes that nothing explains."""
    return FerBenchError(
        f"{where}: {len(names)} names of classes are not understood: {first_of(names)}",
        fix="name the expression of each in the description, e.g. classes: {'1': anger, '2': happiness, other: null}; "
        f"without classes: {', '.join(SPELLINGS)}",
    )
