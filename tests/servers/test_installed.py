"""Installations of test servers are whole or done again, and made anew when their lock file changes."""

import subprocess

import pytest

from tests.servers import ServerMissing, installed, state


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Nothing is installed yet."""
    folder = tmp_path / "cache"
    folder.mkdir()
    monkeypatch.setattr(state, "cache", lambda: folder)
    return folder


@pytest.fixture
def lock(tmp_path):
    file = tmp_path / "some.txt"
    file.write_text("some==1\n")
    return file


class Installer:
    """Writes one file, fails first with what it is told to."""

    def __init__(self, *failures):
        self.failures = list(failures)
        self.calls = 0

    def __call__(self, folder):
        self.calls += 1
        folder.mkdir()
        (folder / f"file{self.calls}").touch()
        if self.failures:
            raise self.failures.pop(0)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_what_is_installed_is_not_installed_again(lock):
    install = Installer()
    first = installed._installed("some", lock, install)
    assert installed._installed("some", lock, install) == first
    assert install.calls == 1


def test_an_interrupted_installation_is_not_taken_for_a_whole_one(lock):
    install = Installer(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        installed._installed("some", lock, install)
    assert names(installed._installed("some", lock, install)) == ["file2", "whole"]


def test_a_failed_installation_is_a_missing_server_and_leaves_nothing(lock, own_cache):
    with pytest.raises(ServerMissing, match="some could not be installed"):
        installed._installed("some", lock, Installer(subprocess.CalledProcessError(1, "pip")))
    assert names(own_cache) == ["some.lock"]


def test_a_changed_lock_is_installed_beside_the_former(lock):
    install = Installer()
    first = installed._installed("some", lock, install)
    lock.write_text("some==2\n")
    second = installed._installed("some", lock, install)
    assert names(second) == ["file2", "whole"] and names(first) == ["file1", "whole"]
