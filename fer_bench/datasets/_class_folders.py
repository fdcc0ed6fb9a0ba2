"""Pictures sorted into one folder per expression, under names that people usually give such folders."""

from collections.abc import Mapping
from pathlib import PurePosixPath

from fer_bench.datasets._decode import SUFFIXES
from fer_bench.datasets._files import first_of
from fer_bench.errors import FerBenchError
from fer_bench.expressions import EXPRESSIONS

_ALSO = {
    "happy": "happiness",
    "surprised": "surprise",
    "sad": "sadness",
    "angry": "anger",
    "disgusted": "disgust",
    "fearful": "fear",
}
SPELLINGS: Mapping[str, int] = {name: EXPRESSIONS.index(_ALSO.get(name, name)) for name in (*EXPRESSIONS, *_ALSO)}
"""From the usual names of class folders, in lower case, to indices in :mod:`fer_bench.expressions`."""


def is_picture(name: str) -> bool:
    """Return whether a name is that of a picture."""
    return PurePosixPath(name).suffix.lower() in SUFFIXES


def class_folders(names: list[str], where: str) -> dict[str, list[str]]:
    """Part the files of one split by the class folder they lie in.

    Args:
        names: Of files below the split's folder, relative to it.
        where: The split's folder, for errors.

    Returns:
        Per class folder, its pictures' names, in the order in which torchvision's ``ImageFolder`` lists them: sorted.

    Raises:
        FerBenchError: For pictures beside the class folders, folders within them, and files in them that are no
            pictures. Other files beside the class folders (a list, a read-me) are left alone.
    """
    loose = [name for name in names if "/" not in name and is_picture(name)]
    if loose:
        raise FerBenchError(
            f"{where}: {len(loose)} pictures lie in no class folder: {first_of(loose)}",
            fix="put each into the folder of its expression, or take them out",
        )
    inside = sorted(name for name in names if "/" in name)
    deeper = [name for name in inside if name.count("/") > 1]
    if deeper:
        raise FerBenchError(
            f"{where}: {len(deeper)} files lie deeper than in a class folder: {first_of(deeper)}",
            fix="one folder per expression, and nothing but pictures in it",
        )
    strange = [name for name in inside if not is_picture(name)]
    if strange:
        raise FerBenchError(
            f"{where}: {len(strange)} files in class folders are no pictures: {first_of(strange)}",
            fix=f"take them out, or give them their kind's ending, one of: {', '.join(sorted(SUFFIXES))}",
        )
    found: dict[str, list[str]] = {}
    for name in inside:
        found.setdefault(name.split("/")[0], []).append(name)
    return found
