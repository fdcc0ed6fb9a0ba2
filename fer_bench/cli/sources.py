"""``fer-bench sources``: that every entry can be carried out, and which files it is made of, for the pipeline."""

import json

from fer_bench import params as params_file
from fer_bench.cli._common import ParamsFile, set_environment, wrote


def sources(*, params: ParamsFile = params_file.PARAMS) -> None:
    """Check the grid's entries, and say which files they are of.

    Recipe, options, weights and digests of every entry are checked before anything is trained: networks are built with
    their weights, for each data set's expressions. Runs depend on results/GRID/sources/METHOD.json instead of on all of
    baselines: an entry may bear another name than its method's file, and a method may share blocks with others. Of
    predictions that were brought they are the files in predictions/, each of which is read.

    \b
    Examples:
      fer-bench sources
      fer-bench sources --params grids/ferplus_cpu.yaml
    """  # noqa: D301 - click's mark for lines that stay as they are
    from fer_bench import provenance, whole
    from fer_bench.training import brought_in, checked

    grid = params_file.read(params)
    set_environment(grid)
    checked.check(grid)
    target = grid.results / "sources"
    with whole.replacing(target) as folder:
        for entry in grid.methods:
            file = grid.method_of(entry)
            brought = grid.methods[entry].predictions is not None
            files = brought_in.sources(grid, entry) if brought else provenance.sources(f"baselines.{file}")
            found = {"method": file, "files": files}
            (folder / f"{entry}.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    wrote(target, then="fer-bench run METHOD --dataset DATASET --seed SEED")
