"""Every public name says what it is, what it takes, and when it refuses."""

import ast
import inspect
import re
from importlib import import_module
from pathlib import Path

import pytest

import cpep
from tests.api.snapshot import members_of

ITEMS = {
    f"{module}.{name}": getattr(import_module(module), name)
    for module in cpep.PUBLIC
    for name in import_module(module).__all__
}
CALLED = {name: item for name, item in ITEMS.items() if inspect.isclass(item) or inspect.isfunction(item)}
VALUES = sorted(set(ITEMS) - set(CALLED))
METHODS = {
    f"{name}.{member}": getattr(value, "__func__", value)  # of a class method
    for name, item in CALLED.items()
    if inspect.isclass(item)
    for member, value in members_of(item).items()
    if inspect.isfunction(getattr(value, "__func__", value)) and not inspect.isclass(vars(item).get(member))
}


def _lacking(item):
    """Return the parameters of a function or class that neither Args nor Attributes of its docstring explain."""
    told = re.split(r"^(?:Args|Attributes):$", inspect.getdoc(item), flags=re.MULTILINE)[1:]
    named = {name for part in told for line in part.splitlines() for name in re.findall(r"^ {4}(\w[\w, ]*):", line)}
    named = {name.strip() for names in named for name in names.split(",")}
    try:
        parameters = inspect.signature(item).parameters.values()
    except ValueError:
        return set()
    wanted = {one.name for one in parameters if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)}
    return {name for name in wanted if not name.startswith("_")} - named - {"self", "cls"}


@pytest.mark.parametrize("name", sorted(CALLED))
def test_all_parameters_are_explained(name):
    assert inspect.getdoc(CALLED[name]) and not _lacking(CALLED[name])


@pytest.mark.parametrize("name", sorted({**METHODS, **CALLED}))
def test_refusals_are_announced(name):
    item = {**METHODS, **CALLED}[name]
    if inspect.isfunction(item) and "raise UserError" in inspect.getsource(item):
        assert re.search(r"Raises:|A method that a kind does not support raises", _said(name, item))


def _said(name, item):
    owner = ITEMS.get(name.rpartition(".")[0])
    return (inspect.getdoc(item) or "") + " ".join(inspect.getdoc(one) or "" for one in getattr(owner, "__mro__", ()))


@pytest.mark.parametrize("name", VALUES)
def test_a_value_has_words_below_it(name):
    """Strings below assignments are what Sphinx and editors show."""
    module, _, short = name.rpartition(".")
    tree = _tree(import_module(module))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and any(one.asname == short for one in node.names):
            tree = _tree(import_module(node.module))
    after = {}
    for node, following in zip(tree.body, [*tree.body[1:], None], strict=True):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        for target in targets:
            for one in target.elts if isinstance(target, ast.Tuple) else [target]:
                if isinstance(one, ast.Name):
                    after[one.id] = following
    assert isinstance(after[short], ast.Expr) and isinstance(after[short].value.value, str)


def _tree(module):
    return ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
