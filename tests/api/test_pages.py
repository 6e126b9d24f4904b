"""README, pages and tutorials import public names alone."""

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest

import cpep

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
SCRIPTS = sorted((ROOT / "docs" / "tutorials").rglob("*.py"))
EXAMPLES = [ROOT / "tests" / "seams" / name for name in ("my_stage.py", "still.py", "tone.py")]
"""Files that docs/how-to/extending.md shows or names."""
FENCE = re.compile(r"^```(?:python|\{code-block\} python)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def imports(code):
    """Return (module, name) of what Python imports from cpep; the name is empty in ``import cpep.data``."""
    found = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "cpep":
            found += [(node.module, one.name) for one in node.names]
        elif isinstance(node, ast.Import):
            found += [(one.name, "") for one in node.names if one.name.partition(".")[0] == "cpep"]
    return found


def private(code):
    """Return the imports of what is not public."""
    public = {module: {*import_module(module).__all__, ""} for module in cpep.PUBLIC}
    public["cpep"] |= {module.partition(".")[2] for module in cpep.PUBLIC}
    return [f"{module}: {name}" for module, name in imports(code) if name not in public.get(module, ())]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_import_public_names_alone(page):
    blocks = FENCE.findall(page.read_text(encoding="utf-8"))
    assert not [name for block in blocks for name in private(block)]


@pytest.mark.parametrize("script", [*SCRIPTS, *EXAMPLES], ids=lambda script: script.name)
def test_scripts_import_public_names_alone(script):
    assert not private(script.read_text(encoding="utf-8"))


def test_what_is_private_would_be_found():
    assert private(
        "from cpep.live.book.book import GestureBook\nimport cpep.live.book\nfrom cpep.live import book"
    ) == [
        "cpep.live.book.book: GestureBook",
        "cpep.live.book: ",
        "cpep.live: book",
    ]
    assert not private("import cpep\nfrom cpep import data, load\nfrom cpep.live import GestureBook\nimport numpy")


def test_there_is_python_in_the_pages():
    assert sum(bool(imports(block)) for page in PAGES for block in FENCE.findall(page.read_text())) > 5
