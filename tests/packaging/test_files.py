"""What is written about the package agrees with the tree: files in the wheel, versions, requirements."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

import cpep

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "cpep"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def tracked(folder):
    """Return the files below a folder that git knows."""
    listed = subprocess.run(["git", "ls-files", "-z", "."], cwd=folder, capture_output=True, check=True, text=True)
    return {name for name in listed.stdout.split("\0") if (folder / name).is_file()}


def test_every_file_that_is_no_module_is_in_the_wheel():
    (patterns,) = PROJECT["tool"]["setuptools"]["package-data"].values()
    matched = {path.relative_to(SOURCE).as_posix() for pattern in patterns for path in SOURCE.glob(pattern)}
    assert {name for name in tracked(SOURCE) if not name.endswith(".py")} == {
        name for name in matched if (SOURCE / name).is_file()
    }


def test_every_folder_of_modules_is_a_package():
    """setuptools leaves folders without ``__init__.py`` out."""
    folders = {(SOURCE / name).parent for name in tracked(SOURCE) if name.endswith(".py")}
    assert not [folder for folder in folders if not (folder / "__init__.py").is_file()]


def test_the_version_is_written_once_and_everything_else_follows():
    assert PROJECT["project"]["dynamic"] == ["version"]
    assert PROJECT["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "cpep.version.__version__"}
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == cpep.__version__ and citation["license"] == PROJECT["project"]["license"]
    assert f"\n## {cpep.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_conda_recipe_asks_for_what_the_package_asks_for():
    recipe = yaml.safe_load((ROOT / "packaging" / "conda" / "recipe.yaml").read_text(encoding="utf-8"))
    assert recipe["context"]["version"] == cpep.__version__
    other = {"torch": "pytorch", "xxhash": "python-xxhash"}
    asked = {text.replace(">=", " >=") for text in PROJECT["project"]["dependencies"]}
    wanted = {f"{other.get(name := text.partition(' ')[0], name)} {text.partition(' ')[2]}" for text in asked}
    given = set(recipe["requirements"]["run"])
    assert wanted == {text for text in given if not text.startswith("python ")}
    assert f"python {PROJECT['project']['requires-python']}" in {
        text.replace("${{ python_min }}", recipe["context"]["python_min"]) for text in given
    }


@pytest.mark.parametrize("name", ["bug.yml", "question.yml"])
def test_an_issue_asks_for_what_doctor_says(name):
    form = yaml.safe_load((ROOT / ".github" / "ISSUE_TEMPLATE" / name).read_text(encoding="utf-8"))
    assert {"name", "description", "body"} <= form.keys()
    assert any("cpep doctor" in str(field) for field in form["body"])


@pytest.mark.parametrize(
    ("file", "extras"), [("lock.txt", ["dev"]), ("lock-page.txt", ["web", "live", "bids", "hub"])]
)
def test_a_lock_holds_what_is_asked_for_with_hashes(file, extras):
    text = (ROOT / "packaging" / file).read_text(encoding="utf-8")
    locked = dict(re.findall(r"^([a-z0-9-]+)==(\S+) \\\n    --hash=sha256:[0-9a-f]{64}$", text, re.MULTILINE))
    assert len(locked) == sum(line[0].isalpha() for line in text.splitlines())
    asked = list(PROJECT["project"]["dependencies"])
    extras = list(extras)
    while extras:
        for one in map(Requirement, PROJECT["project"]["optional-dependencies"][extras.pop()]):
            extras += one.extras if one.name == "cpep" else ()
            asked += [str(one)] if one.name != "cpep" else []
    for one in map(Requirement, asked):
        name = re.sub(r"[-_.]+", "-", one.name).lower()
        assert name == "torch" or one.specifier.contains(locked[name]), f"{file}: {one}"
