"""Each stage of dvc.yaml names the code it runs, so that no number outlives the code that made it."""

import re
from functools import cache

import pytest
from imports import ROOT, closure

from fer_bench import provenance, registry, yaml12
from fer_bench.tables import digests

# Modules that cannot change a number, with the reason. Rewording a message may not retrain a grid.
EXCEPTED = {
    "fer_bench/__init__.py": "the version, which is recorded; tables are refused by another one, see below",
    "baselines/__init__.py": "holds nothing",
    "fer_bench/cli/__init__.py": "holds nothing",
    "fer_bench/cli/_common.py": "prints, and hands the run section of params.yaml to libraries",
    "fer_bench/errors.py": "words of errors",
    "fer_bench/registry.py": "finds files; what it finds is in the deps",
    "fer_bench/params.py": "reads params.yaml; its values are the stages' params",
    "fer_bench/yaml12.py": "reads params.yaml as DVC does",
    "fer_bench/given.py": "reads a file whole or refuses it, whatever it holds",
    "fer_bench/provenance.py": "records, and names what is resumed or stored",
    "fer_bench/arrays.py": "types",
    "fer_bench/whole.py": "puts folders in their place, whatever they hold",
    "fer_bench/tables/__init__.py": "holds nothing",
    "fer_bench/stats/__init__.py": "holds nothing",
    "fer_bench/tables/runs.py": "the record's form; a run whose record does not fit is refused when it is read",
    "fer_bench/tables/history.py": "the form of a table; the same holds",
    "fer_bench/tables/_columns.py": "types of columns that tables share, and what they say of them",
    "fer_bench/tables/digests.py": "holds files to what is on record of them, and changes none",
    "fer_bench/tables/gate.py": "says whether anything is trained, not what comes of it",
}
# Of a stage, what it prints from and writes nothing of. Rewording a card may not retrain a grid either.
PRINTS = {
    "run": {"fer_bench/card.py"},  # whether a file of weights is the one on record
    # which entries are approximations
    "annotators": {"fer_bench/card.py"},
    "adjust": {"fer_bench/card.py"},
    "compare": {"fer_bench/card.py"},
}
# Likewise functions of a verb's own file: the scores that they print are written by `ladder` and `report`.
PRINTING = {"batch": frozenset({"_scored"}), "explain": frozenset({"_said"})}
# What the registry finds by a name that a stage's template holds: a file, or what another stage writes of it.
SOURCES = "results/${grid}/sources/${item.method}.json"
TEMPLATES = {"methods": SOURCES, "datasets": "fer_bench/datasets/${key}.py"}
# These open what `prepare` wrote; they load no data set's file.
OPENS_ONLY = {"run", "explain", "score", "adjust", "ladder", "compare", "verdict", "report"}
# What reads brought predictions is among the sources of their entries alone, so that it retrains nothing.
READER = ROOT / "fer_bench" / "training" / "brought_in.py"
READS = {"run": frozenset({READER})}
STAGES = yaml12.load((ROOT / "dvc.yaml").read_text(), where="dvc.yaml")["stages"]


def body(stage):
    return STAGES[stage].get("do", STAGES[stage])


@cache
def needed(stage):
    words = body(stage)["cmd"].split()[1:]
    verb, function = (words[0], words[1]) if words[0] in {"data", "audit"} else (words[0], words[0])
    without, beside = PRINTING.get(stage, frozenset()), READS.get(stage, frozenset())
    files, kinds = closure(ROOT / "fer_bench" / "cli" / f"{verb}.py", function, without, beside=beside)
    found = {str(file) for file in files}
    for kind in kinds:
        if kind == "datasets" and stage in OPENS_ONLY:
            continue
        if kind in TEMPLATES:
            found.add("baselines/${key}.py" if (kind, stage) == ("methods", "sources") else TEMPLATES[kind])
        if kind != "methods" or stage in {"sources", "run", "batch", "explain"}:
            found |= imported(kind)
    if SOURCES in found:  # which of these a run depends on, that file says
        found = {file for file in found if not file.startswith("baselines/")}
    held = {"fer_bench/__init__.py"} if stage in digests.VERBS and digests.VERBS[stage].stored else set()
    return found - (EXCEPTED.keys() - held) - PRINTS.get(stage, set())


def imported(kind):
    """What the things of a kind import; of those without a template, their own files too."""
    paths = [registry.path_of(kind, name) for name in registry.names(kind)]
    own = set() if kind in TEMPLATES else {str(path.relative_to(ROOT)) for path in paths}
    return own | {str(file) for path in paths for file in closure(path)[0]}


def covered(file, deps):
    return any(file == dep or file.startswith(f"{dep}/") for dep in deps)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_the_code_it_runs(stage):
    deps = [next(iter(dep)) if isinstance(dep, dict) else dep for dep in body(stage)["deps"]]
    missing = sorted(file for file in needed(stage) if not covered(file, deps))
    assert not missing, f"add to deps of {stage} in dvc.yaml:\n" + "\n".join(f"        - {file}" for file in missing)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_no_code_that_it_does_not_run(stage):
    code = [dep for dep in body(stage)["deps"] if re.match(r"(fer_bench|baselines)/", dep)]
    unused = [dep for dep in code if not any(covered(file, [dep]) for file in needed(stage)) and "${" not in dep]
    assert not unused, f"remove from deps of {stage} in dvc.yaml: {unused}"


@pytest.mark.parametrize("method", registry.names("methods"))
def test_the_sources_of_a_method_are_what_it_imports(method):
    file = registry.path_of("methods", method)
    expected = {str(found) for found in closure(file)[0]} | {str(file.relative_to(ROOT))}
    assert set(provenance.sources(f"baselines.{method}")) == {
        name for name in expected if name.startswith("baselines/")
    } | {"baselines/__init__.py"}


@pytest.mark.parametrize("method", registry.names("methods"))
def test_a_method_is_made_of_its_own_file_and_of_shared_blocks(method):
    others = set(provenance.sources(f"baselines.{method}")) - {f"baselines/{method}.py", "baselines/__init__.py"}
    assert all(name.startswith("baselines/_blocks/") for name in others)


def test_the_sources_of_brought_predictions_are_what_reads_them():
    name = ".".join(READER.relative_to(ROOT).with_suffix("").parts)
    own = {str(READER.relative_to(ROOT)), "fer_bench/training/__init__.py"}
    assert set(provenance.sources(name)) == {str(found) for found in closure(READER)[0]} | own


def test_a_stage_that_reads_a_section_of_params_declares_it():
    for stage, section in (
        ("score", "score"),
        ("adjust", "score"),
        ("ladder", "score"),
        ("compare", "compare"),
        ("report", "report"),
    ):
        assert section in body(stage)["params"]


@pytest.mark.parametrize(
    "grid", [ROOT / "params.yaml", *sorted((ROOT / "grids").glob("*.yaml"))], ids=lambda path: path.stem
)
def test_a_grid_writes_out_every_parameter_that_the_stages_name(grid):
    """DVC refuses the others, though fer-bench has a default for them."""
    asked = yaml12.load(grid.read_text(), where=str(grid))
    named = {name for stage in STAGES for name in body(stage)["params"] if "${" not in name}
    assert not [name for name in sorted(named) if not _says(asked, name.split("."))]


def _says(asked, keys):
    return not keys or (isinstance(asked, dict) and keys[0] in asked and _says(asked[keys[0]], keys[1:]))


@pytest.mark.parametrize("excepted", EXCEPTED)
def test_an_excepted_module_exists(excepted):
    assert (ROOT / excepted).is_file()
