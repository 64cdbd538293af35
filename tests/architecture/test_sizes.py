"""Small rooms: a module has at most 400 lines, a function at most 70."""

import ast

from tests.architecture.source import modules

MODULE_LINES, FUNCTION_LINES = 400, 70
#: Longer, for a reason.
ALLOWED = {
    "storage_backends/base.py": "the whole contract between engine, scan and storages, most of it docstrings",
}


def test_modules_are_small():
    long = {module.path: count for module in modules() if (count := module.text.count("\n")) > MODULE_LINES}
    assert long.keys() - ALLOWED.keys() == set(), long


def test_what_is_allowed_to_be_long_still_is():
    lengths = {module.path: module.text.count("\n") for module in modules()}
    assert all(lengths.get(path, 0) > MODULE_LINES for path in ALLOWED)


def test_functions_are_short():
    long = [
        f"{module.path}:{node.lineno} {node.name}: {length} lines"
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES
    ]
    assert long == []
