"""A backend that is registered but not under the suite is not finished."""

import importlib
from pathlib import Path

from storage_backends.registry import BACKENDS
from tests.conformance.storage.suite import StorageConformance

HERE = Path(__file__).parent


def test_every_registered_backend_is_under_the_conformance_suite():
    for module in HERE.glob("test_*.py"):
        importlib.import_module(f"tests.conformance.storage.{module.stem}")
    schemes = {suite.scheme for suite in StorageConformance.__subclasses__()}
    assert BACKENDS.keys() <= schemes
