"""``digests/<verb>.json``: what a verb wrote into a grid's results, and what it made that from.

Every verb looks before it reads: each file must be as the verb that wrote it left it, and that verb must have read what
is there now, with the parameters that the grid has now. ``docs/decisions/digests-of-results.md`` says what this can and
cannot prove. A run's digests stand in its own ``run.json`` (:func:`fer_bench.tables.runs.write_sealed`).
"""

import hashlib
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from fer_bench import __version__, given, provenance, whole
from fer_bench.errors import FerBenchError
from fer_bench.params import PARAMS, Params, Section

FOLDER = "digests"
STORED = ("calibration.csv", "history.csv", "runs.csv", "predicted/")
"""What ``fer-bench score`` takes from the runs alone; scoring stored tables leaves it as it is."""

_AUDITS = ("audits/{dataset}.json", "audits/{dataset}_*")
_PREDICTED = ("predicted/{dataset}.csv", "runs.csv")
_RUN = tuple(
    f"runs/{{dataset}}/{{method}}/seed{{seed}}/{name}" for name in ("history.csv", "predictions.csv", "run.json")
)
_SCORED = ("prepare", "methods", "run", "score")


class Verb(NamedTuple):
    """A verb that reads or writes a grid's results.

    Attributes:
        command: The command; ``{dataset}`` and ``{method}`` where it is about one.
        params: The sections of the grid's file that what it writes hangs on; ``methods.{method}``: one entry.
        reads: Patterns of the files that it reads, in the grid's folder.
        stored: Whether it can be repeated from what is committed, so that another version's tables are refused.
    """

    command: str
    params: tuple[str, ...]
    reads: tuple[str, ...]
    stored: bool = True


VERBS = {
    "audit": Verb("fer-bench data audit {dataset}", ("prepare.{dataset}",), (), stored=False),
    "batch": Verb(
        "fer-bench audit batch {method} --dataset {dataset}",
        ("methods.{method}", "run"), ("audits/{dataset}_gate.json", *_RUN), stored=False,
    ),
    "explain": Verb(
        "fer-bench explain {method} --dataset {dataset}",
        ("methods.{method}", "run"), ("audits/{dataset}_gate.json", *_RUN), stored=False,
    ),
    "score": Verb("fer-bench score", _SCORED, (*_AUDITS, *_RUN)),
    "annotators": Verb("fer-bench annotators", (*_SCORED, "compare"), (*_AUDITS, *_PREDICTED, "intervals.csv")),
    "adjust": Verb("fer-bench adjust", _SCORED, (*_AUDITS, *_PREDICTED)),
    "ladder": Verb("fer-bench ladder", (*_SCORED, "compare"), (*_PREDICTED, "orders/{dataset}_{method}.*")),
    "compare": Verb("fer-bench compare", (*_SCORED, "compare"), (*_AUDITS, *_PREDICTED)),
    "verdict": Verb("fer-bench verdict", (*_SCORED, "verdict"), (*_AUDITS, *_PREDICTED, "intervals.csv")),
    "report": Verb(
        "fer-bench report", (*_SCORED, "compare", "verdict", "report"),
        (*_AUDITS, *_PREDICTED, "*.csv", "features/{dataset}_{method}.*"),
    ),
}  # fmt: skip


class Digests(Section, frozen=True, kw_only=True):
    """What one verb did; SHA-256, files by their place in the grid's folder.

    Attributes:
        command: The verb.
        version: Of fer-bench.
        params: Section of the grid's file to the digest of its values.
        read: File to digest.
        wrote: File to digest.
    """

    command: str
    version: str
    params: dict[str, str]
    read: dict[str, str]
    wrote: dict[str, str]


class Checked(NamedTuple):
    """What a verb is about to read, and that it fits.

    Attributes:
        name: Of the verb's file of digests, without the ending.
        command: The command.
        params: As in :class:`Digests`.
        read: As in :class:`Digests`.
        unknown: Files that it reads and of which there are no digests: those of older versions.
    """

    name: str
    command: str
    params: dict[str, str]
    read: dict[str, str]
    unknown: tuple[str, ...]

    def write(self, new: Path, *, kept: dict[str, str] | None = None) -> None:
        """Write the digests of what was made into the same folder.

        Args:
            new: Holds what was made, and will be put in the grid's folder.
            kept: Files that stay there as they are, with their digests.
        """
        made = {path.relative_to(new).as_posix(): path for path in new.rglob("*") if path.is_file()}
        wrote = {name: provenance.sha256_of_file(path) for name, path in made.items()} | (kept or {})
        found = Digests(
            command=self.command,
            version=__version__,
            params=self.params,
            read=dict(sorted(self.read.items())),
            wrote=dict(sorted(wrote.items())),
        )
        whole.write(
            new / FOLDER / f"{self.name}.json", msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n"
        )

    def in_words(self) -> list[str]:
        """Return what a user has to know, line by line."""
        if not self.unknown:
            return []
        first, *others = self.unknown
        more = f" and {len(others)} more" if others else ""
        return [f"no digests of {first}{more}, as of what older versions wrote: taken as they are"]


def check(
    params: Params, verb: str, *, dataset: str | None = None, method: str | None = None, file: Path = PARAMS
) -> Checked:
    """Hold what a verb is about to read to the digests of the verbs that wrote it, and so on back to the runs.

    Files without digests are taken as they are; once a verb has read one, it is held to what that verb read.

    Args:
        params: The grid.
        verb: A key of :data:`VERBS`.
        dataset: Of a verb that is about one.
        method: Likewise.
        file: The grid's file, for errors.

    Raises:
        FerBenchError: Naming the first file that does not fit, and the command that mends it.
    """
    chain = _Chain(params.results, params, file)
    asked = VERBS[verb]
    named = "_".join(one for one in (dataset, method) if one is not None)
    name = f"{verb}/{named}" if named else verb
    reads = list(dict.fromkeys(_files(params, asked.reads, params.results, dataset, method)))
    places = [place.format(dataset=dataset, method=method) for place in asked.params]
    return Checked(
        name,
        asked.command.format(dataset=dataset, method=method),
        {place: _of_values(params, place) for place in places},
        chain.check(reads, own=name),
        chain.unknown(reads),
    )


def check_score(params: Params, *, stored: bool, file: Path = PARAMS) -> tuple[Checked, dict[str, str]]:
    """Do as :func:`check` for ``fer-bench score``, which can take stored tables in place of the runs.

    Args:
        params: The grid.
        stored: Whether it does.
        file: The grid's file, for errors.

    Returns:
        What is read; with stored tables, the runs that these were made from, where that is on record. And the stored
        tables, which stay, with their digests.

    Raises:
        FerBenchError: As :func:`check`.
    """
    found = check(params, "score", file=file)
    if not stored:
        return found, {}
    chain = _Chain(params.results, params, file)
    patterns = [f"{name}{{dataset}}.csv" if name.endswith("/") else name for name in STORED]
    kept = chain.now(_files(params, patterns, params.results, None, None))
    before = chain.found["score"].read if "score" in chain.found else {}
    chain.check_wrote("score", kept)
    runs = {name: digest for name, digest in before.items() if name.startswith("runs/")}
    others = {name: digest for name, digest in found.read.items() if not name.startswith("runs/")}
    return found._replace(read={**others, **runs}, unknown=(*found.unknown, *chain.unknown(kept))), kept


def check_folder(folder: Path) -> None:
    """Hold all of a folder of results to its digests, whatever the grid's parameters are.

    Raises:
        FerBenchError: As :func:`check`.
    """
    chain = _Chain(folder, None, folder / "params.yaml")
    chain.check(list(chain.makers), own=None)


def _files(
    params: Params, patterns: Iterable[str], folder: Path, dataset: str | None, method: str | None
) -> Iterator[str]:
    """Yield the files that are there, of the grid's own data sets, methods and seeds."""
    for pattern in patterns:
        places = {
            pattern.format(dataset=one, method=another, seed=seed)
            for one in ([dataset] if dataset else params.prepare)
            for another in ([method] if method else params.methods)
            for seed in params.run.seeds
        }
        for place in sorted(places):
            yield from sorted(path.relative_to(folder).as_posix() for path in folder.glob(place) if path.is_file())


def _of_values(params: Params, place: str) -> str:
    """Return the digest of a section, or of one entry of it."""
    section, _, entry = place.partition(".")
    value = getattr(params, section, None)
    asked = _asked(value.get(entry) if isinstance(value, dict) and entry else value)
    return hashlib.sha256(msgspec.json.encode(asked, order="sorted")).hexdigest()


def _asked(value: object) -> object:
    """Return parameters as plain data, without those at their defaults: one that is added later changes no digest."""
    if isinstance(value, dict):
        return {key: _asked(one) for key, one in value.items()}
    if not isinstance(value, msgspec.Struct):
        return value
    asked = {}
    for field in msgspec.structs.fields(value):
        held = getattr(value, field.name)
        factory = field.default_factory
        if held != (field.default if factory is msgspec.NODEFAULT else factory()):
            asked[field.name] = _asked(held)
    return asked


class _Chain:
    """A folder's digests and what is there now."""

    def __init__(self, folder: Path, params: Params | None, file: Path) -> None:
        self.folder, self.params, self.file = folder, params, file
        base = folder / FOLDER
        paths = {path.relative_to(base).with_suffix("").as_posix(): path for path in sorted(base.rglob("*.json"))}
        self.found = {name: _read(path) for name, path in paths.items() if name.partition("/")[0] in VERBS}
        self.makers = {name: verb for verb, one in self.found.items() for name in one.wrote}
        self._digests: dict[str, str | None] = {}
        self._seen: set[str] = set()

    def check(self, names: list[str], *, own: str | None) -> dict[str, str]:
        """Hold files to the digests and return theirs; ``own`` is the verb that reads them."""
        before = self.found.get(own or "")
        for name in names:
            if name in self.makers:
                self._visit(self.makers[name])
            elif before is not None and not name.startswith("runs/") and name in before.read:
                self._same(name, before)
        return self.now(names)

    def now(self, names: Iterable[str]) -> dict[str, str]:
        """Return the digests of those files that are there."""
        return {name: digest for name in names if (digest := self._digest(name)) is not None}

    def unknown(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return those files that no digests are of."""
        known = self.makers.keys() | {name for one in self.found.values() for name in one.read}
        return tuple(name for name in names if name not in known and not name.startswith("runs/"))

    def _changed(self, name: str, verb: str) -> FerBenchError:
        """Return the error of a file that is not as it was written."""
        path = self.folder / name
        if verb == "score" and name.startswith(STORED) and not self._runs_are_here():
            fix = f"take back what it wrote: git restore {shlex.quote(str(path))}"
        else:
            fix = f"make it anew: {self._again(verb)}"
        what = "is not as" if path.exists() else "is gone;"
        return FerBenchError(f"{path} {what} `{self.found[verb].command}` wrote it", fix=fix)

    def check_wrote(self, verb: str, names: Iterable[str]) -> None:
        """Hold files to what a verb wrote, those that it did write."""
        wrote = self.found[verb].wrote if verb in self.found else {}
        for name in names:
            if wrote.get(name, self._digest(name)) != self._digest(name):
                raise self._changed(name, verb)

    def _visit(self, verb: str) -> None:
        """Check what a verb wrote, after those that it read from."""
        if verb in self._seen:
            return
        self._seen.add(verb)
        one = self.found[verb]
        for name in one.read:
            if name in self.makers:
                self._visit(self.makers[name])
        self.check_wrote(verb, one.wrote)
        for name in one.read:
            self._check_read(verb, name)
        if self.params is not None:
            self._check_params(verb, one, self.params)

    def _check_read(self, verb: str, name: str) -> None:
        is_run = name.startswith("runs/")
        if name not in self.makers and not is_run:
            self._same(name, self.found[verb])
        elif self._digest(name) != self.found[verb].read[name] and not (is_run and self._digest(name) is None):
            raise self._stale(verb, f"from another {self.folder / name} than is there now")

    def _check_params(self, verb: str, one: Digests, params: Params) -> None:
        for place, digest in one.params.items():
            if _of_values(params, place) != digest:
                raise self._stale(verb, f"with other values of {place} than {self.file} has now")
        if VERBS[verb.partition("/")[0]].stored and one.version != __version__:
            raise self._stale(verb, f"by fer-bench {one.version}, and this is {__version__}")

    def _same(self, name: str, one: Digests) -> None:
        """Hold a file that no verb is on record for to what another one read."""
        if self._digest(name) == one.read[name]:
            return
        path, again = shlex.quote(str(self.folder / name)), self._command("fer-bench score")
        raise FerBenchError(
            f"{self.folder / name} is not the one that `{one.command}` read",
            fix=f"take that one back: git restore {path}; or, if this one is meant, remove {self.folder / FOLDER} and "
            f"make all tables anew, first: {again}",
        )

    def _stale(self, verb: str, why: str) -> FerBenchError:
        one = self.found[verb]
        tables = [name for name in one.wrote if name.endswith(".csv")] or list(one.wrote)
        return FerBenchError(
            f"{self.folder / tables[0]} and what else `{one.command}` wrote were made {why}",
            fix=f"make them anew: {self._again(verb)}",
        )

    def _again(self, verb: str) -> str:
        return self._command(self.found[verb].command)

    def _command(self, command: str) -> str:
        stored = " --stored" if command == VERBS["score"].command and not self._runs_are_here() else ""
        return f"{command}{stored}" + ("" if self.file == PARAMS else f" --params {shlex.quote(str(self.file))}")

    def _runs_are_here(self) -> bool:
        return any(self.folder.glob("runs/*/*/*/run.json"))

    def _digest(self, name: str) -> str | None:
        """Return a file's digest as it is now; None where there is none."""
        if name not in self._digests:
            path = self.folder / name
            self._digests[name] = provenance.sha256_of_file(path) if path.is_file() else None
        return self._digests[name]


def _read(path: Path) -> Digests:
    fix = f"git restore {shlex.quote(str(path))}; or remove it: what it is about is then taken as it is"
    found: Digests = given.json(path, Digests, what="digests of results", missing=f"no {path}", fix=fix)
    return found
