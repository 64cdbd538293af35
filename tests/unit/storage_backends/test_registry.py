"""From URLs to storages."""

import os
import subprocess
import sys

import pytest

from storage_backends import registry
from storage_backends.errors import BadPath, ConfigurationError, NotFound
from storage_backends.registry import BACKENDS, Backend, open_storage


def test_a_file_url_opens_a_local_storage(tmp_path):
    storage = open_storage(f"file://{tmp_path}")
    assert storage.get_storage_type() == "local"
    assert storage.capabilities.is_per_machine


def test_a_shared_file_url_means_the_same_place_everywhere(tmp_path):
    assert not open_storage(f"file://{tmp_path}?shared=1").capabilities.is_per_machine


def test_percent_signs_in_a_url_are_decoded_to_bytes(tmp_path):
    root = os.fsencode(tmp_path) + b"/a b\xff"
    os.mkdir(root)
    open_storage(f"file://{tmp_path}/a%20b%ff").probe()


def test_an_unknown_scheme_lists_the_known_ones():
    with pytest.raises(ConfigurationError, match=r"'gopher'; known: .*file, .*memory"):
        open_storage("gopher://x")


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("file://data", "three slashes"),
        ("file:///data/../etc", "without '..'"),
        ("file:///data?share=1", "unknown option 'share' in the URL; known: shared"),
        ("file:///data?shared=1&shared=0", "more than once"),
        ("file:///data?shared=yes", "0 or 1"),
        ("file:///data?shared", "cannot be read"),
        ("file:///data#x", "%23"),
        ("/data", "starts with its kind"),
        ("file:/data", "starts with its kind"),
        ("memory://", "memory://name"),
        ("memory://a/b", "memory://name"),
        ("memory://a?x=1", "known: none"),
        ("", "starts with its kind"),
    ],
)
def test_a_bad_url_is_refused_with_its_reason(url, reason):
    with pytest.raises(ConfigurationError, match=reason):
        open_storage(url)


@pytest.mark.parametrize("path", [b"/a", b"..", b"a/../b", b"a//b", b"a\0"])
def test_a_jobs_path_must_be_canonical(tmp_path, path):
    with pytest.raises(BadPath):
        open_storage(f"file://{tmp_path}", path, create=True)
    assert os.listdir(tmp_path) == []


def test_a_missing_sdk_comes_with_an_install_hint(monkeypatch):
    monkeypatch.setitem(BACKENDS, "cloud", Backend("storage_backends.no_such", "open_cloud", "cloud"))
    with pytest.raises(ConfigurationError, match="make setup EXTRAS=cloud"):
        open_storage("cloud://bucket")


@pytest.fixture
def broken(tmp_path, monkeypatch):
    """The URL of a storage whose SDK is there and raises while it is imported."""
    (tmp_path / "broken_sdk.py").write_text("raise AttributeError('module lib has no\\nattribute X509')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(BACKENDS, "cloud", Backend("broken_sdk", "open_cloud", "cloud"))
    return "cloud://bucket"


def test_a_broken_sdk_is_told_in_one_sentence_with_its_error_and_what_to_type(broken):
    with pytest.raises(ConfigurationError) as told:
        open_storage(broken)
    assert str(told.value) == (
        "cloud:// can't be used, because what it needs is broken (AttributeError: module lib has no attribute X509); "
        f"install it anew: {sys.executable} -m pip install --require-hashes -r requirements/cloud.txt --force-reinstall"
    )


def test_a_broken_sdk_ends_nobody_who_only_loads_it_for_others(broken):
    registry.load(broken)


def test_backends_are_imported_only_when_a_url_asks_for_them():
    code = "import sys, storage_backends.registry; print('storage_backends.local' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    answer = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert answer.stdout == "False\n"


def test_every_registered_function_exists():
    assert all(callable(registry._load(scheme, backend)) for scheme, backend in BACKENDS.items())


def test_create_makes_the_jobs_directory_but_never_the_operators_root(tmp_path):
    open_storage(f"file://{tmp_path}", b"a/b", create=True).close()
    assert (tmp_path / "a" / "b").is_dir()
    with pytest.raises(NotFound):
        open_storage(f"file://{tmp_path}/unmounted", b"a", create=True)
    assert not (tmp_path / "unmounted").exists()
