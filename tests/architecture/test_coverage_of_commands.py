"""A management command cannot be added without a test that names it."""

import re

from tests.architecture.source import PACKAGES, ROOT


def commands():
    files = [file for package in PACKAGES for file in (ROOT / package).rglob("management/commands/*.py")]
    return sorted(file.stem for file in files if not file.stem.startswith("_"))


def test_every_management_command_has_a_test_that_names_it():
    tests = [file.read_text() for file in (ROOT / "tests").rglob("test_*.py")]
    missing = [name for name in commands() if not any(re.search(rf"""["']{name}["']""", text) for text in tests)]
    assert missing == []
