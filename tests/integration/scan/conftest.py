"""A job over two directories."""

import os

import pytest

from jobs.models import Task
from jobs.transitions import mark_gone
from tests.integration.scan.tree import Tree, ordinary_folder


@pytest.fixture
def make_tree(db, settings):
    """A new tree with these job options; one per test."""
    with ordinary_folder() as root:
        settings.STORAGES_CONFIGURED = {"local": root.as_uri()}
        yield lambda **options: Tree(root, **options)


@pytest.fixture
def tree(make_tree) -> Tree:
    return make_tree()


@pytest.fixture
def changed(make_tree):
    """A tree in which there is something of everything to find."""

    def make(**options):
        tree = make_tree(**options)
        for path in ("a", "a-", "d/as left", "d/changed", "d/drifted", "d/missing", "d/gone", "e0", "e/f", "x.tmp"):
            tree.write(path)
        tree.settle_scan()
        Task.objects.update(compare_first=False)
        tree.write("d/changed", "other text")
        tree.write("d/drifted", "drift", side=tree.sink)
        (tree.sink / "d/missing").unlink(missing_ok=True)
        (tree.source / "d/gone").unlink()
        tree.write("d/new")
        tree.write("only at the sink", side=tree.sink)
        os.mkfifo(tree.source / "fifo")
        mark_gone(tree.job.pk, list(Task.objects.filter(path=b"e0").values_list("pk", flat=True)))
        return tree

    return make
