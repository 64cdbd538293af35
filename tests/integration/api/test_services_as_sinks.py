"""Jobs to object stores and SFTP over HTTP: no path leaves what the operator configured, nobody names a server of his
own, and what the sink can't keep is in the answer."""

import pytest

from jobs.models import Job, JobEvent

NOBODY = "endpoint_url=http://127.0.0.1:1"
STORAGES = {
    "s3": f"s3://bucket/team?region=x&{NOBODY}",
    "gcs": f"gs://bucket/team?{NOBODY}",
    "azure": f"azure://account1/container/team?{NOBODY}/account1",
    "sftp": "sftp://user@127.0.0.1:1/srv/team",
    "objects": "memory://of-a-test",
}
NEW = {"source_path": "/in", "sink_path": "/out", "source_type": "local", "interval": "5m"}


@pytest.fixture(autouse=True)
def services(storage, settings, monkeypatch):
    """An alias of each kind. Nobody listens where they are."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AZURE_STORAGE_KEY"):
        monkeypatch.setenv(name, "a2V5")
    settings.STORAGES_CONFIGURED = {**settings.STORAGES_CONFIGURED, **STORAGES}


@pytest.mark.parametrize("path", ["..", "../other", "/a/../../other", "a//b", "/..", "./a"])
@pytest.mark.parametrize("alias", STORAGES)
def test_no_path_leaves_what_is_configured(api, alias, path):
    for paths in ({"sink_path": path, "sink_type": alias}, {"source_path": path, "source_type": alias}):
        answer = api.post("/api/jobs", {**NEW, "sink_type": "local", **paths})
        field = next(iter(paths))
        assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (400, "PATH_NOT_CANONICAL", field)
    browsed = api.get(f"/api/storages/{alias}/browse", {"path": path})
    assert (browsed.status_code, browsed.json()["code"]) == (400, "PATH_NOT_CANONICAL")
    assert not Job.objects.exists()


@pytest.mark.parametrize("url", STORAGES.values())
def test_nobody_names_a_place_of_his_own(api, url):
    answer = api.post("/api/jobs", {**NEW, "sink_type": url})
    assert (answer.status_code, answer.json()["field"]) == (400, "sink_type")


@pytest.mark.parametrize("field", ["endpoint_url", "sink_url", "sink_options", "credential"])
def test_nobody_names_an_endpoint(api, field):
    answer = api.post("/api/jobs", {**NEW, "sink_type": "s3", field: "http://127.0.0.1:2"})
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (400, "UNKNOWN_FIELD", field)
    assert not Job.objects.exists()


def test_what_the_sink_can_not_keep_is_in_the_answer_and_in_the_history_before_anything_is_copied(api):
    answer = api.post("/api/jobs", {**NEW, "sink_type": "objects"})
    assert answer.status_code == 201
    told = answer.json()["warnings"]
    for what in ("Empty directories", "Symbolic links", "not UTF-8"):
        assert len([sentence for sentence in told if what in sentence]) == 1
    assert list(JobEvent.objects.filter(action="warn").order_by("pk").values_list("text", flat=True)) == told
