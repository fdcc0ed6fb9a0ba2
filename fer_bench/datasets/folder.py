"""Anyone's own pictures, described by one small file.

``source`` is that file, or a folder that holds it as ``dataset.yaml`` (then DVC sees changes of the pictures too). With
``reader: folder`` in the grid, several such data sets stand side by side, each under a name of its own::

    title: Faces of our lab
    licence: ours, not to be passed on
    citation: none
    faces_may_be_shown: false       # whether a report may print pictures
    folders:                        # either: class folders, one folder per split
      train: pictures/train         # pictures/train/angry/…, pictures/train/happy/…
      test: pictures/test
    classes: {wut: anger, freude: happiness, other: null}

or, instead of ``folders``::

    csv:
      file: labels.csv              # with a column for the split, or {train: train.csv, test: test.csv}
      path: path                    # names of columns; these are the defaults
      label: label
      split: split
      subject: person               # default: persons are not known
      id: name                      # default: the path is the sample's id

``classes`` leads from names of class folders, or from what stands in the column of labels, to expressions; ``null``
leaves the samples without a label. Without it the usual spellings are understood, in any case: anger or angry, disgust
or disgusted, fear or fearful, happiness or happy, neutral, sadness or sad, surprise or surprised, contempt. Columns
whose names begin with ``votes_`` are taken as annotators' votes. Paths are relative to the description's folder and
stay below it; a link there may lead elsewhere.

Splits are ``train``, ``test`` and, if there is one, ``val``. Some of the expressions are enough, but none may be tested
without being trained. With seven classes, samples of contempt have no label. All pictures must have one size and one
kind of colour, or the options say what to bring them to (:class:`fer_bench.datasets._decode.Form`).
"""

from collections import Counter
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import pandas as pd

from fer_bench.datasets import Dataset, Described, Loaded, _description, _files, _pictures
from fer_bench.datasets._decode import Colour, Form
from fer_bench.datasets._description import DROP, Labels
from fer_bench.datasets._files import first_of
from fer_bench.datasets._folder_toy import write_toy
from fer_bench.datasets._listed import Listed, in_folders, in_tables
from fer_bench.datasets._pictures import FilePictures
from fer_bench.errors import FerBenchError
from fer_bench.expressions import expressions
from fer_bench.params import Section


class Options(Section, frozen=True, kw_only=True):
    """What one's own pictures are brought to.

    Attributes:
        n_classes: 7, or 8 with contempt.
        size_px: Resize to squares of this side, bilinear, antialiased; pictures that are not square are refused. None:
            leave them; all must have one size.
        colour: ``as_is``: all must be grey or all RGB; ``grey`` and ``rgb`` convert.
    """

    n_classes: Literal[7, 8] = 7
    size_px: Annotated[int, msgspec.Meta(ge=8, le=1024)] | None = None
    colour: Colour = "as_is"


def load(source: Path, options: Options) -> Loaded:
    """Read the description and what it names; pictures are read when they are asked for.

    Raises:
        FerBenchError: For a description that does not fit, labels that are not understood, and files that are missing
            or unreadable.
    """
    file = source / _description.FILE if source.is_dir() else source
    described = _description.read(file)
    files = _files.folder(file.parent)
    labels = Labels(file, described, options.n_classes)
    listed: list[Listed] = []
    votes: tuple[str, ...] = ()
    if described.folders is not None:
        listed = in_folders(file, described.folders, files, labels)
    if described.csv is not None:
        listed, votes = in_tables(file, described.csv, files, labels)
    _check_splits(file, listed, options.n_classes)
    samples = pd.DataFrame(
        {
            "sample_id": [one.sample_id for one in listed],
            "split": [one.split for one in listed],
            "label": [one.label for one in listed],
            "position": [one.position for one in listed],
            "source": [one.path for one in listed],
            "subject": pd.array([one.subject for one in listed], dtype="string"),
            **{name: [one.votes[column] for one in listed] for column, name in enumerate(votes)},
        }
    )
    names = [one.path for one in listed]
    form = Form(colour=options.colour, size_px=options.size_px)
    shape = _shape(file, files, names, form)
    images = FilePictures(dataset=described.title, files=files, names=names, form=form, shape=(len(names), *shape))
    return Loaded(
        samples,
        images,
        described=Described(
            title=described.title,
            licence=described.licence,
            citation=described.citation,
            faces_may_be_shown=described.faces_may_be_shown,
        ),
    )


def _check_splits(file: Path, listed: list[Listed], n_classes: int) -> None:
    """Check that ids are unique, train and test are there, and nothing is tested that is not trained.

    Raises:
        FerBenchError: Otherwise.
    """
    twice = [sample_id for sample_id, n in Counter(one.sample_id for one in listed).items() if n > 1]
    if twice:
        raise FerBenchError(
            f"{file}: {len(twice)} ids stand for more than one picture: {first_of(twice)}",
            fix="list each picture once; in a table, give each line an id of its own (csv.id names the column)",
        )
    labels = {split: {one.label for one in listed if one.split == split} - {DROP} for split in ("train", "test")}
    missing = [split for split, found in labels.items() if not found]
    if missing:
        raise FerBenchError(
            f"{file}: no labelled picture in {' and '.join(missing)}", fix="a data set needs both, train and test"
        )
    untrained = [expressions(n_classes)[label] for label in sorted(labels["test"] - labels["train"])]
    if untrained:
        raise FerBenchError(
            f"{file}: tested, but not trained: {', '.join(untrained)}",
            fix="put pictures of it into train, or give it no label: classes: {NAME: null}",
        )


def _shape(file: Path, files: _files.Folder, names: list[str], form: Form) -> tuple[int, ...]:
    """Return the one shape of all pictures, (h, w) or (h, w, 3).

    Raises:
        FerBenchError: If there are several.
    """
    if form.size_px is not None and form.colour != "as_is":
        return (form.size_px, form.size_px, *([3] if form.colour == "rgb" else []))
    found = _pictures.shapes(str(file), files, names, form)
    if len(found) > 1:
        sizes = {shape[:2] for shape in found}
        fixes = ["colour to grey or rgb"] if len({len(shape) for shape in found}) > 1 else []
        fixes += ["size_px to the side that all are to be resized to"] if len(sizes) > 1 else []
        raise FerBenchError(
            f"{file}: pictures are not all of one size and colour: {_pictures.in_words(found)}",
            fix=f"set, in the options of its entry under prepare, {' and '.join(fixes)}",
        )
    return next(iter(found))


dataset = Dataset(
    title="Own pictures",
    about="anyone's own pictures, in class folders or listed in a table, described by one small file",
    licence="as their description says",
    citation="as their description says",
    options=Options,
    n_classes=lambda options: options.n_classes,
    label_rule=lambda _options: "released",
    load=load,
    official_counts=lambda _options: None,
    write_toy=write_toy,
)
