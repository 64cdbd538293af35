"""Small rooms: a module has at most 400 lines, a function at most 70."""

import ast

from tests.architecture.source import modules

MODULE_LINES, FUNCTION_LINES = 400, 70


def test_modules_are_small():
    long = {module.path: count for module in modules() if (count := module.text.count("\n")) > MODULE_LINES}
    assert long == {}


def test_functions_are_short():
    long = [
        f"{module.path}:{node.lineno} {node.name}: {length} lines"
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES
    ]
    assert long == []
