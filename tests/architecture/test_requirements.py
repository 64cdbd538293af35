"""The locked requirements install the same thing everywhere."""

import json
import re

import pytest

from tests.architecture.source import ROOT

PRODUCT = sorted(ROOT.glob("requirements/*.txt"))
EXTRAS = sorted(lock for lock in PRODUCT if lock.stem not in ("base", "dev"))
#: Of the servers that the tests start, each in a virtual environment of its own.
SERVERS = sorted(ROOT.glob("tests/servers/requirements/*.txt"))
LOCKS = [*PRODUCT, *SERVERS]
NODE_LOCKS = sorted(ROOT.glob("tests/servers/requirements/*/package-lock.json"))
MAKEFILE = (ROOT / "Makefile").read_text()
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
def test_every_lock_has_its_source_and_is_written_by_make_lock(lock):
    assert lock.with_suffix(".in").exists()
    [recipe] = re.findall(r"^lock:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)
    [extras] = re.findall(r"^ALL_EXTRAS := (.*)$", MAKEFILE, re.MULTILINE)
    names = re.findall(r"for name in (.*?);", recipe.replace("$(ALL_EXTRAS)", extras))
    assert lock.stem in " ".join(names).split()


@pytest.mark.parametrize("lock", PRODUCT, ids=lambda lock: lock.name)
def test_a_lock_of_the_product_has_the_versions_of_all_the_others(lock):
    dev, here = pins(ROOT / "requirements/dev.txt"), pins(lock)
    assert here
    assert {name: version for name, version in here.items() if dev.get(name) != version} == {}


def test_whoever_works_on_syncf_has_every_extra():
    source = (ROOT / "requirements/dev.in").read_text().splitlines()
    assert EXTRAS
    assert [lock.name for lock in EXTRAS if f"-r {lock.stem}.in" not in source] == []


def test_every_source_is_locked():
    sources = [*ROOT.glob("requirements/*.in"), *ROOT.glob("tests/servers/requirements/*.in")]
    assert [file.name for file in sources if not file.with_suffix(".txt").exists()] == []


@pytest.mark.parametrize("lock", NODE_LOCKS, ids=lambda lock: lock.parent.name)
def test_a_node_lock_carries_a_digest_of_every_package_and_names_no_place_to_fetch_from(lock):
    packages = {name: entry for name, entry in json.loads(lock.read_text())["packages"].items() if name}
    assert packages
    assert [name for name, entry in packages.items() if not entry.get("integrity", "").startswith("sha512-")] == []
    assert [name for name, entry in packages.items() if "resolved" in entry] == []
