"""No path string is ever handed to the operating system: below a root everything goes through a directory's descriptor.

A path that is looked up by name can be swapped for a symbolic link between two calls, and lead out of the root.
"""

import ast
import re
from collections.abc import Iterator

import pytest

from tests.architecture.source import Module, calls, dotted, imported, modules, parse

FOLDERS = ("storage_backends", "transfers/engine")
PATH_MODULES = ("glob", "os.path", "pathlib", "shutil", "tempfile")
#: Functions of `os` that take a name. With `dir_fd` (or a descriptor instead of a name) they are contained.
PATH_CALLS = re.compile(
    r"os\.(access|chdir|chflags|l?chmod|l?chown|chroot|[gs]etxattr|link|listdir|listxattr|l?stat|makedirs|mkdir|mkfifo|mknod"
    r"|open|pathconf|readlink|remove|removedirs|removexattr|renames?|replace|rmdir|scandir|statvfs|symlink|truncate|unlink"
    r"|utime|f?walk)"
)
#: `path:expression` → why a name is right here.
ALLOWED = {
    "storage_backends/local/system.py:os.chmod(b'/proc/self/fd/%d' % handle, mode)": (
        "a descriptor under its only name: Linux has no fchmod for O_PATH"
    ),
}


def path_strings(module: Module) -> Iterator[str]:
    """Every place where `module` may hand a name to the operating system, as `path:expression`."""
    for _, name in imported(module.tree):
        if any(name == banned or name.startswith(f"{banned}.") for banned in PATH_MODULES):
            yield f"{module.path}:import {name}"
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute) and dotted(node) == "os.path":
            yield f"{module.path}:os.path"
    for call, name in calls(module.tree):
        if name in ("open", "io.open", "io.FileIO") or (PATH_CALLS.fullmatch(name) and not _is_contained(call)):
            yield f"{module.path}:{ast.unparse(call)}"


def _is_contained(call: ast.Call) -> bool:
    """With a directory's descriptor, or on a descriptor itself (this code names those `fd`, `…_fd` or `handle`)."""
    names = {keyword.arg for keyword in call.keywords}
    if "dir_fd" in names or {"src_dir_fd", "dst_dir_fd"} <= names:
        return True
    return bool(call.args) and dotted(call.args[0]).rpartition(".")[2].endswith(("fd", "handle", "descriptor"))


def test_engine_and_storages_never_hand_over_a_path_string():
    found = {place for module in modules(*FOLDERS) for place in path_strings(module)}
    assert found - ALLOWED.keys() == set()


def test_what_is_allowed_is_still_there():
    found = {place for module in modules(*FOLDERS) for place in path_strings(module)}
    assert ALLOWED.keys() - found == set()


@pytest.mark.parametrize(
    "code",
    [
        "import shutil",
        "from pathlib import Path",
        "from os import path",
        "os.path.join(a, b)",
        "open(name, 'rb')",
        "os.open(name, os.O_RDONLY)",
        "os.rename(old, new, src_dir_fd=fd)",
        "os.stat(b'a/b')",
        "os.walk(root)",
        "os.listdir(directory)",
    ],
)
def test_every_known_way_to_hand_over_a_path_is_seen(code):
    assert list(path_strings(parse(code)))


@pytest.mark.parametrize(
    "code",
    [
        "os.open(name, os.O_RDONLY, dir_fd=parent)",
        "os.rename(old, new, src_dir_fd=a, dst_dir_fd=b)",
        "os.scandir(fd)",
        "os.utime(self.fd, ns=times)",
        "source.open(path)",
        "os.fsync(fd)",
    ],
)
def test_calls_on_descriptors_are_fine(code):
    assert not list(path_strings(parse(code)))
