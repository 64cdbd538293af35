"""Nothing that turns data into code: no pickle or marshal, no eval or exec, no shell.

`multiprocessing.connection` (which pickles) is the pipe between a slave and its own workers, and between a scan and the
process that lists its sink: socket pairs that never had a name, both ends the same program. What was read early is
handed to workers in memory that never had one either. Whoever could write to one could as well write to the process's
memory. Whatever crosses a machine's border is JSON, parsed strictly (transfers/broker/messages.py). Django's caches
pickle too: the only one here is the memory of its own process, and sessions are JSON.
"""

import ast
from collections.abc import Iterator

import pytest
from django.conf import settings

from tests.architecture.source import Module, calls, imported, modules, parse

MODULES = {"pickle", "cPickle", "dill", "marshal", "shelve", "cloudpickle", "jsonpickle", "joblib"}
#: The ends of those pipes.
_ENGINE, _SCAN = ("pool", "worker", "prefetch"), ("lister", "listing", "comparer", "comparison")
MAY_USE_PIPES = {*(f"transfers/engine/{name}.py" for name in _ENGINE), *(f"transfers/scan/{name}.py" for name in _SCAN)}
CALLS = {"eval", "exec", "os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput", "yaml.load"}


def dangers(module: Module) -> Iterator[str]:
    """Every place in `module` that could run what it was given."""
    for node, name in imported(module.tree):
        if name.partition(".")[0] in MODULES:
            yield f"{module.path}:{node.lineno} imports {name}"
        if name.partition(".")[0] == "multiprocessing" and module.path not in MAY_USE_PIPES:
            yield f"{module.path}:{node.lineno} imports {name}"
    for call, name in calls(module.tree):
        shell = next((keyword.value for keyword in call.keywords if keyword.arg == "shell"), None)
        if name in CALLS:
            yield f"{module.path}:{call.lineno} calls {name}"
        if shell is not None and not (isinstance(shell, ast.Constant) and shell.value is False):
            yield f"{module.path}:{call.lineno} starts a shell"


def test_no_data_becomes_code():
    assert [place for module in modules() for place in dangers(module)] == []


def test_django_pickles_nothing_that_others_could_write():
    assert {cache["BACKEND"] for cache in settings.CACHES.values()} == {"django.core.cache.backends.locmem.LocMemCache"}
    assert settings.SESSION_SERIALIZER == "django.contrib.sessions.serializers.JSONSerializer"


@pytest.mark.parametrize(
    "code",
    [
        *("import pickle", "from marshal import loads", "eval(text)", "run(line, shell=True)", "run(line, shell=flag)"),
        *("import multiprocessing", "from multiprocessing.connection import Client"),
    ],
)
def test_every_known_danger_is_seen(code):
    assert list(dangers(parse(code)))
