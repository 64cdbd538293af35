"""Nothing that turns data into code: no pickle or marshal, no eval or exec, no shell.

`multiprocessing.connection` (which pickles) is the engine's pipe between a slave and its own workers: it never
leaves the machine, and both ends are the same program.
"""

import ast
from collections.abc import Iterator

import pytest

from tests.architecture.source import Module, calls, imported, modules, parse

MODULES = {"pickle", "cPickle", "dill", "marshal", "shelve"}
CALLS = {"eval", "exec", "os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput", "yaml.load"}


def dangers(module: Module) -> Iterator[str]:
    """Every place in `module` that could run what it was given."""
    for node, name in imported(module.tree):
        if name.partition(".")[0] in MODULES:
            yield f"{module.path}:{node.lineno} imports {name}"
    for call, name in calls(module.tree):
        shell = next((keyword.value for keyword in call.keywords if keyword.arg == "shell"), None)
        if name in CALLS:
            yield f"{module.path}:{call.lineno} calls {name}"
        if shell is not None and not (isinstance(shell, ast.Constant) and shell.value is False):
            yield f"{module.path}:{call.lineno} starts a shell"


def test_no_data_becomes_code():
    assert [place for module in modules() for place in dangers(module)] == []


@pytest.mark.parametrize(
    "code",
    ["import pickle", "from marshal import loads", "eval(text)", "run(line, shell=True)", "run(line, shell=flag)"],
)
def test_every_known_danger_is_seen(code):
    assert list(dangers(parse(code)))
