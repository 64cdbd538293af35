"""docs/security.md says of everything how it is shown: what it names is there."""

import re

from tests.architecture.source import ROOT

NAMED = re.compile(r"`((?:unit|integration|acceptance|architecture)/[\w/]+(?:\.py)?)`")


def test_every_test_it_names_exists():
    named = NAMED.findall((ROOT / "docs" / "security.md").read_text())
    assert len(named) > 10
    assert [name for name in named if not (ROOT / "tests" / name).exists()] == []
