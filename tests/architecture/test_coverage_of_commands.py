"""A management command cannot be added without a test that names it."""

import re

from tests.architecture.source import PACKAGES, ROOT

#: Names commands only as words that make must pass on.
NOT_ABOUT_COMMANDS = {"test_makefile.py"}


def commands():
    files = [file for package in PACKAGES for file in (ROOT / package).rglob("management/commands/*.py")]
    return sorted(file.stem for file in files if not file.stem.startswith("_"))


def test_every_management_command_has_a_test_that_names_it():
    files = [file for file in (ROOT / "tests").rglob("test_*.py") if file.name not in NOT_ABOUT_COMMANDS]
    files.append(ROOT / "tests" / "acceptance" / "product.py")  # through which acceptance tests start them
    tests = [file.read_text() for file in files]
    missing = [name for name in commands() if not any(re.search(rf"""["']{name}["']""", text) for text in tests)]
    assert missing == []
