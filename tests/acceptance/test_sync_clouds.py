"""The one-shot sync over storages whose clients have threads of their own: there and back, and again."""

from contextlib import closing

import pytest

from storage_backends.base import Attributes, PartialId
from storage_backends.registry import open_storage
from tests.acceptance import clouds
from tests.acceptance.planting import plant
from tests.acceptance.syncing import json_of

REMOTE = [kind for kind in clouds.KINDS if kind != "local"]
SERVICES = [kind for kind in REMOTE if kind != "sftp"]
OTHERS = PartialId("ffffffff", "f" * 20, 1)


def test_all_processes_know_what_stands_in_the_file(oneshot, tmp_path):
    plant(tmp_path / "source", b"a", b"first")
    file = tmp_path / "env"
    with clouds.storages(tmp_path) as variables:
        file.write_text("".join(f"{name}={value}\n" for name, value in variables.items()))
        oneshot.environment["SYNCF_ENV_FILE"] = str(file)
        for kind in REMOTE:
            for places in ((tmp_path / "source", f"{kind}:/x"), (f"{kind}:/x", tmp_path / kind)):
                done = oneshot.run(*places, "--json")
                assert (done.code, json_of(done)["copied"]) == (0, 1), done.err


@pytest.mark.parametrize("kind", REMOTE)
def test_there_and_back(oneshot, tmp_path, kind):
    source, back = tmp_path / "source", tmp_path / "back"
    for name in (b"a", b"folder/b", b"folder/deep/c"):
        plant(source, name, name * 100)
    plant(source, b"big", bytes(9 << 20))
    with clouds.storages(tmp_path) as variables:
        oneshot.environment.update(variables)
        runs = [(source, f"{kind}:/x"), (source, f"{kind}:/x"), (f"{kind}:/x", back)]
        done = [oneshot.run(*places, "--json") for places in runs]
    assert [process.code for process in done] == [0, 0, 0], [process.err for process in done]
    assert [json_of(process)["copied"] for process in done] == [4, 0, 4]
    for name in ("a", "folder/b", "folder/deep/c", "big"):
        assert (back / name).read_bytes() == (source / name).read_bytes()


@pytest.mark.parametrize("kind", SERVICES)
def test_drift_of_the_same_size_and_time_is_seen_and_a_report_says_what_is_lost_and_how_it_was_verified(
    oneshot, tmp_path, monkeypatch, kind
):
    """By the object's version; what is lost before anything is sent."""
    plant(tmp_path / "source", b"f", b"data")
    with clouds.storages(tmp_path) as variables:
        oneshot.environment.update(variables)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        stored = oneshot.run(tmp_path / "source", f"{kind}:x", "--json", "--verify", "stored")
        with closing(open_storage(variables[f"STORAGE_{kind.upper()}"], b"x")) as storage:
            ours = storage.get_file_info(b"f")
            theirs = storage.write_file(b"f", b"DATA", Attributes.of(ours), OTHERS)
            assert (theirs.size, theirs.kept_mtime_ns) == (ours.size, ours.kept_mtime_ns)
            read_back = oneshot.run(tmp_path / "source", f"{kind}:x", "--json")
            assert storage.read_whole(b"f", 10)[1] == b"data"
    told = [json_of(done) for done in (stored, read_back)]
    assert [(each["copied"], each["verify"]) for each in told] == [(1, "stored"), (1, "readback")]
    assert "what its server verified on arrival was not read back" in stored.err
    assert "every copied file was read back and compared" in read_back.err
    assert 0 < stored.err.index("Note: Symbolic links are skipped") < stored.err.index("1 copied")
    assert "Empty directories" in told[0]["not_kept"][0]


def test_no_server_is_trusted_that_verifies_nothing(oneshot, tmp_path):
    plant(tmp_path / "source", b"f")
    with clouds.storages(tmp_path) as variables:
        oneshot.environment.update(variables)
        refused = oneshot.run(tmp_path / "source", "sftp:x", "--json", "--verify", "stored")
    assert refused.code == 2 and "readback" in refused.err, refused.err
