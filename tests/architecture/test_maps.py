"""A package that says what is in its modules says it of all of them, and of none that is gone."""

import ast
import re
from pathlib import Path

import pytest

from tests.architecture.source import ROOT, Module, modules

#: A docstring that names fewer modules than this speaks of them in passing.
FEWEST = 3


def named_in(package: Module) -> set[str]:
    return set(re.findall(r"\b\w+\.py\b", ast.get_docstring(package.tree) or ""))


def files_of(package: Module) -> set[str]:
    return {file.name for file in (ROOT / package.path).parent.glob("*.py")} - {"__init__.py"}


MAPS = {
    package.path: package
    for package in modules()
    if Path(package.path).name == "__init__.py" and len(named_in(package) & files_of(package)) >= FEWEST
}


def test_there_are_maps():
    assert {"transfers/engine/__init__.py", "storage_backends/local/__init__.py"} <= MAPS.keys()


@pytest.mark.parametrize("path", MAPS)
def test_a_map_is_whole(path):
    assert files_of(MAPS[path]) - named_in(MAPS[path]) == set()


@pytest.mark.parametrize("path", MAPS)
def test_nothing_on_a_map_is_gone(path):
    package = (ROOT / path).parent
    there = {file.name for at in (package, package.parent) for file in at.glob("*.py")}
    assert named_in(MAPS[path]) - there == set()
