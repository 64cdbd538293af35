"""The package code as syntax trees, for tests that read it."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("jobs", "storage_backends", "syncf_site", "transfers")


class Module(NamedTuple):
    """One file of ours."""

    path: str
    """Relative to the project, with slashes."""
    text: str
    tree: ast.Module


@cache
def modules(*folders: str) -> tuple[Module, ...]:
    """Every module below `folders` (all packages without any), migrations excepted: they are written by Django."""
    files = sorted(file for folder in folders or PACKAGES for file in (ROOT / folder).rglob("*.py"))
    return tuple(read(file) for file in files if "migrations" not in file.parts)


def read(file: Path) -> Module:
    """Parse one file."""
    return parse(file.read_text(), file.relative_to(ROOT).as_posix())


def parse(text: str, path: str = "sample.py") -> Module:
    """Parse `text` as if it stood at `path`."""
    return Module(path, text, ast.parse(text))


def calls(tree: ast.AST) -> Iterator[tuple[ast.Call, str]]:
    """Every call with its dotted name as written (`os.open`, `self.tasks.update`, `?.update` of what is no name)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield node, dotted(node.func)


def dotted(node: ast.expr) -> str:
    """`a.b.c` of a name or attribute; what is no name counts as `?`."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "?"


def imported(tree: ast.AST) -> Iterator[tuple[ast.stmt, str]]:
    """Every imported thing as a dotted name: `os.path` for both `import os.path` and `from os import path`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node, alias.name
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield node, f"{node.module}.{alias.name}"


def strings(tree: ast.AST) -> Iterator[tuple[ast.expr, str]]:
    """Every string, f-strings in one piece with `{}` where something is filled in."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield node, "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node, node.value
