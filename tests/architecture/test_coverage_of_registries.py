"""A storage or a broker cannot be registered without the conformance suite: a completeness test beside each suite
compares the registry with the suite's subclasses. Here: that those tests are there."""

import pytest

from tests.architecture.source import ROOT, imported, read


@pytest.mark.parametrize(
    ("suite", "registry"),
    [("storage", "storage_backends.registry.BACKENDS"), ("broker", "transfers.broker.registry.BROKERS")],
)
def test_each_registry_is_compared_with_its_conformance_suite(suite, registry):
    files = [read(file) for file in (ROOT / "tests/conformance" / suite).rglob("test_*.py")]
    comparing = [module.path for module in files if registry in {name for _, name in imported(module.tree)}]
    assert comparing, f"no test below tests/conformance/{suite} imports {registry}"
