"""Builds wheel and source distribution and installs them alone, as `make wheel` does: minutes, and the registry.

``CPEP_PYTHONS`` names the interpreters (several with commas), ``CPEP_TORCH`` what pip installs first.
"""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import cpep
from tests.packaging.test_files import ROOT, tracked

PYTHONS = os.environ.get("CPEP_PYTHONS", sys.executable).split(",")
TORCH = os.environ.get("CPEP_TORCH", "torch==2.13.0")
TOUR = [
    "cpep --version",
    "cpep doctor",
    "cpep simulate cohort --users 6 --minutes 1 --seed 0",
    "cpep reproduce --data cohort --out run --preset tiny --models cpep",
    "cpep table run --markdown",
]
CODE = """
from pathlib import Path
import numpy as np, cpep
model = cpep.load()
print(model.encode_emg(np.random.default_rng(0).standard_normal((2, 16, 2000))).shape)
print(cpep.results("run").groupby(["model", "protocol", "gestures"])["value"].mean())
print(len(cpep.live.GestureBook.load(Path(cpep.__file__).parent / "live/shipped/gestures.book", model).names))
"""

pytestmark = pytest.mark.slow


def run(*command, cwd, **env):
    """Run a command without anything of this checkout on its path, and return what it printed."""
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "CPEP_PLUGINS")}
    done = subprocess.run(command, cwd=cwd, env=clean | env, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-3000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def dist(tmp_path_factory):
    """The folder of wheel and source distribution, built from what git tracks."""
    tree, out = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("dist")
    for name in tracked(ROOT):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, tree / name)
    run(sys.executable, "-m", "build", "--outdir", str(out), cwd=tree)
    return out


def test_the_registry_would_take_them(dist):
    run(sys.executable, "-m", "twine", "check", "--strict", *map(str, dist.iterdir()), cwd=dist)


def test_the_wheel_holds_the_files_of_the_tree(dist):
    (wheel,) = dist.glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        held = {name for name in file.namelist() if ".dist-info/" not in name}
        licences = {Path(name).name for name in file.namelist() if "/licenses/" in name}
    assert held == {f"cpep/{name}" for name in tracked(ROOT / "src" / "cpep")} and licences == {"LICENSE", "NOTICE"}


def test_the_source_distribution_holds_tests_and_pages(dist):
    (sdist,) = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as file:
        held = {name.partition("/")[2] for name in file.getnames()}
    assert {f"{folder}/{name}" for folder in ("src", "tests", "docs") for name in tracked(ROOT / folder)} <= held
    assert {"README.md", "CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md", "LICENSE", "NOTICE"} <= held


@pytest.mark.parametrize("python", PYTHONS)
def test_it_installs_alone_and_makes_the_tour(dist, tmp_path, python):
    (wheel,) = dist.glob("*.whl")
    run(python, "-m", "venv", str(tmp_path / "venv"), cwd=tmp_path)
    folder = tmp_path / "venv" / "bin"
    pip = (str(folder / "python"), "-m", "pip", "install", "--quiet", "--no-compile")
    run(*pip, TORCH, cwd=tmp_path)
    run(*pip, str(wheel), cwd=tmp_path)
    run(str(folder / "python"), "-m", "pip", "check", cwd=tmp_path)
    said = [run(str(folder / command.split()[0]), *command.split()[1:], cwd=tmp_path) for command in TOUR]
    assert said[0].startswith(f"cpep {cpep.__version__}, torch ") and "zero-shot" in said[4]
    shape, *_, gestures = run(str(folder / "python"), "-c", CODE, cwd=tmp_path).strip().splitlines()
    assert shape == "torch.Size([2, 128])" and int(gestures) > 5
