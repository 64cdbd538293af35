"""The one-shot sync over storages whose clients have threads of their own: there and back, and again."""

import pytest

from tests.acceptance import clouds
from tests.acceptance.planting import plant
from tests.acceptance.syncing import json_of

REMOTE = [kind for kind in clouds.KINDS if kind != "local"]


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
