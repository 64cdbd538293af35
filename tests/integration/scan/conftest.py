"""A job over two directories."""

import pytest

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
