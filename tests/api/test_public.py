"""The public names: that they are there, lazily, the same for Python and for type checkers, and written down."""

import ast
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import cpep
from tests.api import snapshot

SOURCE = Path(cpep.__file__).parent
LAZY = [name for name in cpep.PUBLIC if name != "cpep.sklearn"]  # whoever imports that wants scikit-learn


def _exported_for_type_checkers(module):
    """Return module -> names of the imports under ``if TYPE_CHECKING`` that are exported by ``as``."""
    tree, found = ast.parse(Path(module.__file__).read_text()), {}
    for node in tree.body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for line in node.body:
                assert isinstance(line, ast.ImportFrom)
                found |= {name.asname: line.module for name in line.names}
    return found


@pytest.mark.parametrize("name", LAZY)
def test_python_and_type_checkers_see_the_same_names(name):
    module = import_module(name)
    listed, here = _exported_for_type_checkers(module), {"PUBLIC", "__version__", "load"} if name == "cpep" else set()
    assert listed.keys() | here == set(module.__all__), "the two lists of names differ"
    for export, home in listed.items():
        assert getattr(module, export) is getattr(import_module(home), export)
    assert set(module.__all__) <= set(dir(module))
    with pytest.raises(AttributeError, match=f"module '{name}' has no attribute 'Nothing'"):
        _ = module.Nothing


@pytest.mark.parametrize("name", cpep.PUBLIC)
def test_no_public_name_is_also_a_module(name):
    """Importing the module would put it in the place of the name."""
    folder = SOURCE.joinpath(*name.split(".")[1:])
    below = {path.stem for path in folder.glob("*")} if folder.is_dir() else set()
    assert not below & set(import_module(name).__all__)


def test_the_import_of_the_public_modules_is_light():
    heavy = ("torch", "numpy", "sklearn", "pandas", "scipy", "typer")
    code = f"import sys, cpep\nfor one in {LAZY}: __import__(one)\nprint({{*{heavy}}} & {{*sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_run_begins_without_what_only_evaluation_and_inspection_need():
    heavy = ("sklearn", "pandas", "scipy.signal", "scipy.optimize")
    code = f"import sys, cpep.experiments.pipeline; print({{*{heavy}}} & {{*sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_checkpoint_and_a_book_open_without_what_takes_long_to_import():
    code = (
        "import os, sys, cpep; from cpep.live.book.book import GestureBook; GestureBook(cpep.load())\n"
        "heavy = {'sklearn', 'pandas', 'scipy.optimize', 'scipy.signal'}\n"
        "print(os.environ['OMP_WAIT_POLICY'], heavy & {*sys.modules})"
    )
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == "PASSIVE set()"


def test_public_modules_are_attributes_without_an_import():
    code = "import cpep; print(len(cpep.hand.LANDMARKS))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) == 20


def test_the_written_list_is_the_public_api():
    """A change here is a change of the API; `make public` writes it down (CONTRIBUTING.md)."""
    assert snapshot.text() == snapshot.FILE.read_text(encoding="utf-8")
