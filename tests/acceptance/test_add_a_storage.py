"""docs/add-a-storage.md, step by step as it stands there, in a directory outside the package."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from tests.acceptance.planting import plant
from tests.acceptance.processes import ROOT

GUIDE = (ROOT / "docs/add-a-storage.md").read_text()
FILES = dict(re.findall(r"^`([\w./-]+)`\n\n```\w+\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL))
COMMANDS = re.findall(r"^\.venv/bin/python (-m .*)$", GUIDE, re.MULTILINE)
VARIABLE, SETTING = re.search(r"^(STORAGE_\w+)=(.*)$", GUIDE, re.MULTILINE).groups()


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """The files of the guide, installed as it says, but into a directory of their own."""
    directory = tmp_path_factory.mktemp("scratch")
    (directory / "syncf-scratch").mkdir()
    for name, text in FILES.items():
        (directory / name).write_text(text)
    install, _ = COMMANDS
    result = run([*install.split(), "--quiet", "--target", "site"], directory)
    assert result.returncode == 0, result.stderr
    (directory / "syncf-scratch/syncf_scratch.py").unlink()  # only what was installed is found from now on
    return directory


def run(arguments, directory, **variables):
    paths = os.pathsep.join([str(directory / "site"), str(ROOT)])
    environment = {**os.environ, "PYTHONPATH": paths, **variables}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, timeout=120)


def test_the_guide_has_every_file_and_command():
    names = {"syncf_scratch.py", "pyproject.toml", "test_scratch.py"}
    assert FILES.keys() == {f"syncf-scratch/{name}" for name in names}, "none of them is in the way of SyncF's own"
    assert COMMANDS == ["-m pip install ./syncf-scratch", "-m pytest syncf-scratch/test_scratch.py"]
    assert "make .venv/dev.stamp\n" in GUIDE and "\nDEV := $(VENV)/dev.stamp\n" in (ROOT / "Makefile").read_text()


def test_the_backend_of_the_guide_passes_the_conformance_suite(package):
    _, prove = COMMANDS
    result = run([*prove.split(), "-q", "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(package)], package)
    assert result.returncode == 0, result.stdout
    assert re.search(r"\d{2,} passed", result.stdout) and "failed" not in result.stdout


def test_the_backend_of_the_guide_is_a_sink_like_any_other(package, product, assert_same):
    plant(product.base / "photos", b"a photo")
    (package / "root/place").mkdir(parents=True)
    variables = {**product.environment, VARIABLE: SETTING, "SCRATCH_ROOT": str(package / "root")}
    arguments = [str(ROOT / "manage.py"), "sync", str(product.base / "photos"), "scratch:photos"]
    result = run(arguments, package, **variables)
    assert result.returncode == 0, result.stderr
    assert_same(product.base / "photos", package / "root/place/photos")


def test_without_the_package_the_storage_is_refused_by_name(product):
    environment = {**product.environment, VARIABLE: SETTING}
    command = [sys.executable, str(ROOT / "manage.py"), "check"]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert result.returncode == 1
    assert "STORAGE_SCRATCH: unknown kind of storage 'scratch'" in result.stderr
