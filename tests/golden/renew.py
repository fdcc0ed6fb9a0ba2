"""Write the stored report anew: ``make golden``. Read the difference before it is committed.

With ``--grid`` the simulated tables themselves are made anew first.
"""

import importlib.util
import re
import shutil
import sys
import tempfile
from pathlib import Path

from fer_bench.report import write

HERE = Path(__file__).parent
GRID = HERE / "grid"
EXPECTED = HERE / "expected"


def load_fake_grid():
    """Import the module beside this one; tests are no package."""
    spec = importlib.util.spec_from_file_location("fake_grid", HERE / "fake_grid.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["fake_grid"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def render(folder: Path) -> None:
    """Make the report of the stored grid in a folder."""
    fake_grid = load_fake_grid()
    shutil.copytree(GRID, folder, dirs_exist_ok=True)
    write.write(fake_grid.read(fake_grid.GOLDEN, folder), asked=(GRID / "params.yaml").read_text(encoding="utf-8"))


def texts(folder: Path) -> dict[str, str]:
    """Return the files that are compared: the report and its tables; of the page, all but the pictures' own bytes."""
    paths = [folder / "report.md", folder / "report.tex", *sorted((folder / "tables").rglob("*.tex"))]
    found = {str(path.relative_to(folder)): path.read_text(encoding="utf-8") for path in paths}
    page = (folder / "report.html").read_text(encoding="utf-8")
    # another build of matplotlib may draw a line otherwise, so figures are not stored
    return found | {"report.html": re.sub(r"(data:image/png;base64,)[^\"]+", r"\1", page)}


def main() -> None:
    if "--grid" in sys.argv:
        shutil.rmtree(GRID, ignore_errors=True)
        GRID.mkdir()
        fake_grid = load_fake_grid()
        fake_grid.write(fake_grid.GOLDEN, GRID, seed=0)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "simulated"  # a certificate beside it would be read
        render(folder)
        shutil.rmtree(EXPECTED, ignore_errors=True)
        for name, text in texts(folder).items():
            (EXPECTED / name).parent.mkdir(parents=True, exist_ok=True)
            (EXPECTED / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
