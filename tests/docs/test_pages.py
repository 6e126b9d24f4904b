"""The pages and README: what the build of the site cannot see."""

from __future__ import annotations

import ast
import importlib.util
import json
import re
import subprocess
from pathlib import Path

import pytest

import cpep
from cpep.data.readers import generic

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(page for page in DOCS.rglob("*.md") if "gallery" not in page.parts)]
HOSTS = {
    "arxiv.org",
    "data.nemar.org",
    "github.com",
    "doi.org",
    "nemar.s3.us-east-2.amazonaws.com",
    "ninapro.hevs.ch",
    "127.0.0.1:8080",
    "download.pytorch.org",
    "semver.org",
}
"""Where pages may lead. A new host is looked at by a person before it comes into this list."""


def extension(name: str):
    """Return a module of docs/_ext, which is no package."""
    spec = importlib.util.spec_from_file_location(name, DOCS / "_ext" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def tracked() -> list[Path]:
    """Return the files of the repository."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name]


def anchors(page: Path) -> set[str]:
    """Return the anchors of the headings of a page, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken(page: Path) -> list[str]:
    """Return the relative links of a page that lead nowhere."""
    found = []
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        made = path.parent == DOCS / "gallery"  # by the build, which checks it
        missing = not path.exists() or (anchor and path.suffix == ".md" and anchor not in anchors(path))
        if "://" not in target and not made and missing:
            found.append(target)
    return found


def test_links_of_readme_and_pages_lead_somewhere():
    assert {str(page.relative_to(ROOT)): links for page in PAGES if (links := broken(page))} == {}


def test_pages_lead_to_known_hosts():
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert set(re.findall(r"https?://([^/\s`)>\"]+)", text)) <= HOSTS


def test_readme_is_short_and_has_the_ten_lines():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(readme.splitlines()) <= 130
    (code,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    assert code == (DOCS / "start" / "ten_lines.py").read_text(encoding="utf-8")


def test_no_page_sends_a_reader_to_the_laboratory_s_book():
    assert [page.name for page in PAGES if re.search(r"\bLOG\.md", page.read_text(encoding="utf-8"))] == []


def test_the_folders_of_this_laboratory_are_named_in_tests_alone():
    own = {ROOT / "LOG.md", ROOT / "CHANGELOG.md", ROOT / "pyproject.toml"}  # history, and the marker of tests
    files = [path for path in tracked() if path not in own and ROOT / "tests" not in path.parents]
    texts = [path for path in files if path.suffix in {".md", ".py", ".toml", ".jinja", ".rst"} and path.is_file()]
    assert [str(path) for path in texts if ".." + "/shared" in path.read_text(encoding="utf-8")] == []


def test_every_public_module_has_a_page():
    pages = [page.read_text(encoding="utf-8") for page in (DOCS / "reference" / "api").glob("*.md")]
    assert sorted(found for page in pages for found in re.findall(r"{{ api (\S+) }}", page)) == sorted(cpep.PUBLIC)


def test_every_tutorial_has_its_place():
    pytest.importorskip("sphinx_gallery")
    order = extension("tutorials").ORDER
    assert {path.name for path in (DOCS / "tutorials").glob("plot_*.py")} <= set(order)


def test_a_tutorial_that_takes_too_long_ends_the_build(monkeypatch):
    pytest.importorskip("sphinx_gallery")
    tutorials = extension("tutorials")
    monkeypatch.setattr(tutorials, "CORE_S", 0.05)
    try:
        with pytest.raises(TimeoutError, match=r"plot_x\.py took too long"):
            tutorials.limit({}, "plot_x.py", "before")
            while True:
                pass
    finally:
        tutorials.limit({}, "plot_x.py", "after")


def test_tutorials_import_public_names_alone():
    for path in (DOCS / "tutorials").glob("plot_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [one.name for one in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                assert not name.startswith("cpep") or name in cpep.PUBLIC, f"{path.name} imports {name}"


def test_what_a_browser_would_fetch_is_found():
    offline = pytest.importorskip("sphinx") and extension("offline")
    page = """
      <a href="https://a.org/x">a link</a> <link rel="canonical" href="https://b.org/">
      <script src="https://c.org/x.js"></script> <link href='//d.org/x.css' rel="stylesheet"/>
      <img alt="" src="https://e.org/x.png"> <style>@font-face { src: url("https://f.org/x.woff") }</style>
      <img src="pictures/x.png"> <script src="_static/x.js"></script>
    """
    found = ["https://c.org/x.js", "//d.org/x.css", "https://e.org/x.png", "https://f.org/x.woff"]
    assert offline.fetched(page) == found


def test_the_formats_have_the_schemas_that_files_are_checked_against():
    pages = extension("schema_pages")
    text = pages.schemas()
    blocks = re.findall(r":::\{dropdown\} ([^\n]+)\n```json\n(.+?)\n```\n:::", text, re.DOTALL)
    assert [title for title, _ in blocks] == list(pages.KINDS)
    card = json.loads(dict(blocks)["`config.json` of a checkpoint"])["$defs"]["Card"]
    assert card["properties"]["window_s"] == {"type": "number", "exclusiveMinimum": 0, "maximum": 3600}
    assert {"kind", "device", "vocabulary"} <= set(card["required"])


def test_every_setting_of_a_run_is_in_the_reference():
    from cpep.config.presets import small
    from cpep.config.serialise import fields_of

    text = extension("setting_pages").settings()
    assert set(re.findall(r"^\| `([\w.]+)` \|", text, re.MULTILINE)) == set(fields_of(small()))


def test_every_command_is_in_the_reference():
    from cpep.cli.main import COMMANDS

    text = extension("cli_pages").commands()
    assert {name.split()[1] for name in re.findall(r"^## `(cpep [\w -]+)`$", text, re.MULTILINE)} == set(COMMANDS)
    assert "| `--unseen` | Gestures that are in no training stage" in text


def test_every_key_of_a_sidecar_that_is_read_is_in_its_docstring():
    source = (ROOT / "src/cpep/data/readers/sidecar.py").read_text(encoding="utf-8")
    read = set(re.findall(r"\b(?:top|anchor|label|counter|reader|clock|inner)\.\w+\(\"(\w+)\"", source))
    assert read, "no key is found in the source"
    said = set(re.findall(r"``(\w+)``|\"(\w+)\":", generic.__doc__ or ""))
    assert read <= {name for pair in said for name in pair}
