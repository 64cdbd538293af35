"""Storages over HTTP: the list, the test of a connection, and a look into one directory that never leaves the root."""

import base64
import os

import pytest


@pytest.fixture
def maker(make_user, client_of):
    """May add jobs, and nothing else."""
    return client_of(make_user("add_job"))


def token_of(path: bytes) -> str:
    return base64.urlsafe_b64encode(path).decode()


def refused(answer) -> tuple[int, str, str]:
    assert answer.json().keys() == {"code", "message", "field", "hint"}
    return answer.status_code, answer.json()["code"], answer.json()["field"]


def names(listing) -> tuple[list[str], list[str]]:
    return [each["name"] for each in listing["directories"]], [each["name"] for each in listing["files"]]


def test_the_list_tells_kind_and_capabilities_and_no_url(maker, storage, settings):
    settings.STORAGES_CONFIGURED = {
        **settings.STORAGES_CONFIGURED,
        **{"bucket": "s3://KEY:s3cret@127.0.0.1:1/b", "odd": "gopher://user:s3cret@host/x"},
    }
    answer = maker.get("/api/storages")
    found = {each["alias"]: each for each in answer.json()}
    assert list(found) == ["bucket", "local", "odd"] and "s3cret" not in answer.content.decode()
    assert (found["local"]["kind"], found["local"]["problem"]) == ("file", "")
    assert found["local"]["capabilities"]["has_directories"] is found["local"]["capabilities"]["has_modes"] is True
    assert found["odd"]["capabilities"] is None and "gopher" in found["odd"]["problem"]


def test_the_list_costs_no_query_beyond_signing_in(maker, storage, django_assert_num_queries):
    maker.get("/api/storages")
    for address in ("/api/storages", "/api/storages/local/browse"):
        with django_assert_num_queries(4):
            assert maker.get(address).status_code == 200


def test_a_connection_is_tested(maker, storage):
    url = "/api/storages/local/test"
    assert maker.post(url).json() == {"alias": "local", "message": "Source: local:/ can be reached."}
    assert maker.post(url, {"path": "/in"}).status_code == 200
    assert refused(maker.post(url, {"path": "/none"})) == (400, "SOURCE_NOT_FOUND", "path")
    assert "is made when the job starts" in maker.post(url, {"path": "/none", "side": "sink"}).json()["message"]
    assert not (storage / "none").exists()
    assert refused(maker.post(url, {"side": "middle"})) == (400, "INVALID_CHOICE", "side")
    assert refused(maker.post(url, {"pathh": "/"})) == (400, "UNKNOWN_FIELD", "pathh")
    storage.rename(storage.with_name("gone"))
    assert refused(maker.post(url))[0] == 400


def test_one_directory_is_told_at_a_time(maker, storage):
    (storage / "in" / "deep" / "deeper").mkdir(parents=True)
    top = maker.get("/api/storages/local/browse").json()
    assert (top["path"], top["parents"], names(top)) == ("/", [], (["in"], []))
    inner = maker.get("/api/storages/local/browse", {"path": "/in"}).json()
    assert (inner["path"], names(inner), inner["is_cut"]) == ("/in", (["deep"], ["a.txt"]), False)
    assert (inner["files"][0]["size"], inner["files"][0]["is_directory"]) == (5, False)
    assert inner["parents"] == [{"token": "", "name": "/"}]
    deep = maker.get("/api/storages/local/browse", {"token": inner["directories"][0]["token"]}).json()
    assert (deep["path"], names(deep)) == ("/in/deep", (["deeper"], []))


def test_a_name_that_is_no_text_is_reached_by_its_token(maker, storage):
    os.mkdir(bytes(storage / "in") + b"/caf\xe9")
    found = maker.get("/api/storages/local/browse?path=in").json()["directories"][0]
    assert (found["name"], found["is_usable"]) == ("caf\\xE9", False)
    assert maker.get("/api/storages/local/browse", {"token": found["token"]}).json()["path"] == ""


@pytest.mark.parametrize("path", ["..", "/in/..", "/in/../..", "//", "/in//x", "./in", "in/\0", ""])
def test_no_path_leads_out_of_the_root(maker, storage, path):
    status, _, field = refused(maker.get("/api/storages/local/browse", {"path": path}))
    assert (status, field) == (400, "path")


@pytest.mark.parametrize("path", [b"..", b"in/..", b"../x", b"/etc", b"in//x", b"in/\0"])
def test_no_token_leads_out_of_the_root(maker, storage, path):
    found = maker.get("/api/storages/local/browse", {"token": token_of(path)})
    assert refused(found) == (400, "PATH_NOT_CANONICAL", "path")


def test_no_link_leads_out_of_the_root(maker, storage, tmp_path):
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "canary").touch()
    (storage / "link").symlink_to(tmp_path / "secret")
    (storage / "in" / "up").symlink_to("../..")
    for path in ("/link", "/in/up", "/in/up/secret"):
        answer = maker.get("/api/storages/local/browse", {"path": path})
        assert answer.status_code == 400 and "canary" not in answer.content.decode(), path


def test_what_is_no_storage_or_no_parameter_is_told(maker, storage):
    for answer in (maker.get("/api/storages/nonsense/browse"), maker.post("/api/storages/nonsense/test")):
        assert refused(answer) == (404, "NOT_FOUND", "")
    assert refused(maker.get("/api/storages/local/browse?paht=/"))[1:] == ("UNKNOWN_FIELD", "paht")
    assert refused(maker.get("/api/storages/local/browse?path=/none"))[1] == "SOURCE_NOT_FOUND"
    assert refused(maker.get("/api/storages/local/browse?path=/in/a.txt"))[0] == 400


def test_whoever_may_not_add_jobs_learns_nothing(make_user, client_of, storage):
    viewer = client_of(make_user("view_job", "run_job", "view_slave"))
    for send, address in [
        (viewer.get, "/api/storages"),
        (viewer.get, "/api/storages/local/browse"),
        (viewer.post, "/api/storages/local/test"),
        (viewer.get, "/api/storages/nonsense/browse"),
    ]:
        answer = send(address)
        assert refused(answer)[0] == 403 and "add_job" in answer.json()["message"]
