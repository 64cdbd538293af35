"""The system check of storages: what an SDK that is missing is called, and what to type, to the letter."""

import sys
from importlib.machinery import PathFinder
from pathlib import Path

import pytest

from jobs.checks import check_storages
from storage_backends.registry import BACKENDS

ROOT = Path(__file__).resolve().parents[3]
STORAGES = {
    "s3": ("s3://bucket", "boto3"),
    "gcs": ("gs://bucket", "google.cloud.storage"),
    "azure": ("azure://account1/container", "azure.storage.blob"),
    "sftp": ("sftp://user@host/srv", "paramiko"),
}


@pytest.fixture
def uninstall(monkeypatch):
    """No package of this name, nor what lies in it, is found any more."""
    find = PathFinder.find_spec

    def uninstall(package):
        def is_gone(name):
            return f"{name}.".startswith(f"{package}.")

        def find_spec(name, path=None, target=None):
            return None if is_gone(name) else find(name, path, target)

        for name in filter(is_gone, list(sys.modules)):
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setattr(PathFinder, "find_spec", find_spec)

    return uninstall


@pytest.mark.parametrize("is_whole", [True, False], ids=["nothing of it", "something around it"])
@pytest.mark.parametrize("extra", STORAGES)
def test_a_missing_sdk_comes_with_the_line_to_type(extra, is_whole, settings, uninstall):
    """Where nothing else came along, not even `google` is there, in which `google.cloud.storage` would lie."""
    url, sdk = STORAGES[extra]
    uninstall(sdk.partition(".")[0] if is_whole else sdk)
    settings.STORAGES_CONFIGURED = {"elsewhere": url}
    [problem] = check_storages(None)
    line = f"{sys.executable} -m pip install --require-hashes -r requirements/{extra}.txt"
    assert problem.id == "syncf.E002"
    assert problem.msg == (
        f"STORAGE_ELSEWHERE: {url.partition(':')[0]}:// needs {sdk}, which is not installed; "
        f"type: make setup EXTRAS={extra}, or: {line}."
    )


@pytest.mark.parametrize("url", [url for url, _ in STORAGES.values()])
def test_any_number_of_storages_of_one_kind_are_in_order(url, settings):
    settings.STORAGES_CONFIGURED = {f"archive{number}": url for number in range(20)}
    assert check_storages(None) == []


def test_what_is_to_be_typed_installs_what_is_missing():
    for backend in BACKENDS.values():
        if backend.extra:
            locked = (ROOT / "requirements" / f"{backend.extra}.txt").read_text()
            assert "--hash=sha256:" in locked
            assert all(f"\n{package.replace('.', '-')}==" in f"\n{locked}" for package in backend.packages)
