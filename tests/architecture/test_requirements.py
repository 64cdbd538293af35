"""The locked requirements install the same thing everywhere."""

import re

import pytest

from tests.architecture.source import ROOT

LOCKS = sorted(ROOT.glob("requirements/*.txt"))
PIN = re.compile(r"^([a-z0-9._-]+)==([^ ;\\]+)", re.MULTILINE)


def pins(lock):
    return dict(PIN.findall(lock.read_text()))


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_lock_names_no_place_to_fetch_from(lock):
    assert not re.search(r"://|find-links|index-url|trusted-host| @ |^/|^-", lock.read_text(), re.MULTILINE)


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_pin_of_a_lock_carries_its_hashes(lock):
    blocks = re.split(r"\n(?=[a-z])", lock.read_text())[1:]
    assert blocks
    assert [block.splitlines()[0] for block in blocks if "--hash=sha256:" not in block] == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_lock_has_its_source_and_the_versions_of_base(lock):
    assert lock.with_suffix(".in").exists()
    base, here = pins(ROOT / "requirements/base.txt"), pins(lock)
    assert {name: version for name, version in here.items() if name in base and base[name] != version} == {}
