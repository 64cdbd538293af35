"""/metrics: who may read it, that it is right, that Prometheus can read it, and what it costs."""

import json
import re
from collections import Counter as Multiset
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from django.db.models.functions import Now
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse

from jobs import parking, scans, troubles
from jobs.models import Counter, Notification, Scan, Slave
from jobs.transitions import settle
from tests.support.databases import ROOT
from tests.unit.jobs import builders

pytestmark = pytest.mark.django_db
TOKEN = "only-for-tests-and-long-enough"
QUERIES = 19
DEPLOY = ROOT / "deploy"


@pytest.fixture(autouse=True)
def token(settings):
    settings.METRICS_TOKEN = TOKEN


def scrape(client, accept: str = "") -> str:
    answer = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}", "Accept": accept})
    assert answer.status_code == 200
    return answer.content.decode()


def values(client) -> dict:
    """(name, labels) → value."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in parse(scrape(client))
        for sample in family.samples
    }


def value(found: dict, name: str, **labels) -> float:
    """Of the one series of that name whose labels include these."""
    [result] = [v for (n, have), v in found.items() if n == name and set(labels.items()) <= have]
    return result


@pytest.fixture
def busy(db):
    """Something of everything."""
    job = builders.new_job(name='a "name"\nwith \\ everything', interval=timedelta(hours=1))
    Scan.objects.create(job=job, started_at=Now(), finished_at=Now(), errors=2)
    slave = builders.new_slave("slave-001", bytes_per_second=1000)
    failed, done, _ = (builders.claim_one(slave, job, path, size=10) for path in (b"a", b"b", b"c"))
    settle(slave, [builders.ending(failed, "failed"), builders.ending(done, copied=10)])
    builders.discover(job, b"d", b"e", size=5)
    parking.park(builders.new_job(), "ROOT_CHANGED", "why")
    Scan.objects.create(job=builders.new_job(status="paused"))
    troubles.watch()
    return job


def test_figures_are_what_is_in_the_database(client, busy):
    found = values(client)
    assert value(found, "syncf_jobs", status="running") == 2 and value(found, "syncf_jobs", status="paused") == 1
    assert value(found, "syncf_jobs_parked", reason="ROOT_CHANGED") == 1
    for status, count in {"failed": 1, "completed": 1, "in_progress": 1, "pending": 2}.items():
        assert value(found, "syncf_tasks", kind="file", status=status) == count
    assert value(found, "syncf_tasks_bytes", status="pending") == 10
    assert value(found, "syncf_tasks_failed", reason="SINK_IO_ERROR") == 1
    assert value(found, "syncf_copied_files_total") == 1 and value(found, "syncf_copied_bytes_total") == 10
    assert value(found, "syncf_queue_files") == 2
    assert value(found, "syncf_job_failed_files", job_id=str(busy.pk)) == 1
    assert value(found, "syncf_job_last_scan_errors", job=str(busy)) == 2
    assert 0 <= value(found, "syncf_job_lag_seconds", job_id=str(busy.pk)) < 600
    assert value(found, "syncf_slaves", state="online") == 1
    assert value(found, "syncf_slave_bytes_per_second", slave="slave-001") == 1000
    assert value(found, "syncf_slave_tasks_in_hand", slave="slave-001") == 1
    assert 0 < value(found, "syncf_slave_lease_seconds", slave="slave-001") <= 45
    assert value(found, "syncf_scans_unfinished", phase="requested") == 1
    assert value(found, "syncf_scheduler_up") == 0
    assert value(found, "syncf_notifications_waiting") == Notification.objects.count() == 2


@pytest.mark.parametrize("parser", [parse, parse_openmetrics])
def test_the_text_is_what_prometheus_wants(client, busy, parser):
    text = scrape(client, "application/openmetrics-text; version=1.0.0" if parser is parse_openmetrics else "")
    families = list(parser(text))
    names = [family.name for family in families]
    assert len(names) == len(set(names)) > 30
    series = Multiset((s.name, *sorted(s.labels.items())) for family in families for s in family.samples)
    assert [one for one, count in series.items() if count > 1] == []
    for family in families:
        assert re.fullmatch(r"syncf_[a-z_]+[a-z]", family.name), family.name
        assert family.documentation and family.documentation.endswith("."), family.name
        assert family.type in ("gauge", "counter"), family.name
        assert not re.search(r"_(milliseconds|minutes|hours|kilobytes|megabytes|count|sum|bucket)$", family.name)
        for sample in family.samples:
            assert sample.name.endswith("_total") == (family.type == "counter"), sample.name


def test_the_parser_would_notice_what_is_no_metrics_text():
    with pytest.raises(ValueError):
        list(parse('syncf_jobs{status="running} 1\n'))


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer x", f"Token {TOKEN}", f"Bearer {TOKEN}x", TOKEN])
def test_nobody_reads_them_without_the_token(client, admin_client, authorization):
    for one in (client, admin_client):
        refused = one.get("/metrics", headers={"Authorization": authorization})
        assert (refused.status_code, refused["WWW-Authenticate"]) == (401, "Bearer")
        assert b"syncf_" not in refused.content


def test_without_a_token_in_the_settings_they_are_off(client, settings):
    settings.METRICS_TOKEN = ""
    for authorization in ("", "Bearer ", f"Bearer {TOKEN}"):
        assert client.get("/metrics", headers={"Authorization": authorization}).status_code == 403


def test_only_get(client):
    assert client.post("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 405
    assert client.post("/metrics").status_code == 401


def test_they_cost_the_same_few_queries_whatever_there_is(client, busy, django_assert_num_queries):
    with django_assert_num_queries(QUERIES):
        scrape(client)
    for _ in range(10):
        job = builders.new_job()
        builders.new_slave()
        builders.discover(job, *(b"%d" % number for number in range(20)))
        scans.request_due()
    with django_assert_num_queries(QUERIES) as queries:
        scrape(client)
    whole_table = [q["sql"] for q in queries if 'FROM "jobs_task"' in q["sql"] and not narrow(q["sql"])]
    assert whole_table == []


def narrow(statement: str) -> bool:
    """Whether a partial index over few rows answers it, or the key of the few that have an unfinished upload."""
    few = '"owner_id" IS NOT NULL', "'failed'", "LIMIT 10000", '"jobs_task"."id" IN (SELECT U0."task_id"'
    return any(text in statement for text in few)


def names_in(text: str) -> set[str]:
    return set(re.findall(r"\bsyncf_[a-z_]+", text)) - {"syncf_metrics_token"}


def exported(client) -> set[str]:
    """With `_total` where that is the series' name."""
    families = list(parse(scrape(client)))
    return {f.name + ("_total" if f.type == "counter" else "") for f in families}


def expressions(file: Path) -> list[str]:
    if file.suffix == ".json":
        return [target["expr"] for panel in json.loads(file.read_text())["panels"] for target in panel["targets"]]
    groups = yaml.safe_load(file.read_text())["groups"]
    return [rule["expr"] for group in groups for rule in group["rules"]]


@pytest.mark.parametrize("file", ["grafana/syncf.json", "prometheus/syncf.rules.yml"])
def test_dashboard_and_alerts_ask_for_what_there_is(client, busy, file):
    asked = expressions(DEPLOY / file)
    assert len(asked) > 8
    for expression in asked:
        assert names_in(expression) or expression.startswith("up{"), expression
        assert names_in(expression) <= exported(client), expression
        assert expression.count("(") == expression.count(")") and expression.count("{") == expression.count("}")


def test_alerts_and_panels_use_labels_that_the_series_have(client, busy):
    found = values(client)
    labels = {}
    for name, have in found:
        labels.setdefault(name, set()).update(key for key, _ in have)
    for file in ("grafana/syncf.json", "prometheus/syncf.rules.yml"):
        for expression in expressions(DEPLOY / file):
            for name, inside in re.findall(r"(syncf_[a-z_]+)\{([^}]*)\}", expression):
                assert set(re.findall(r"(\w+)=", inside)) <= labels[name], expression


def test_every_alert_says_how_grave_it_is_and_what_is_wrong():
    for group in yaml.safe_load((DEPLOY / "prometheus/syncf.rules.yml").read_text())["groups"]:
        names = [rule["alert"] for rule in group["rules"]]
        assert len(names) == len(set(names))
        for rule in group["rules"]:
            assert rule["labels"]["severity"] in ("warning", "critical") and rule["annotations"]["summary"]


def test_the_documentation_lists_every_metric(client, busy):
    assert names_in((ROOT / "docs/metrics.md").read_text()) == exported(client)


def test_what_is_over_has_no_series_of_its_own(client, busy):
    Slave.objects.update(state="offline")
    found = values(client)
    assert not [name for name, _ in found if name.startswith("syncf_slave_")]
    Counter.objects.all().delete()
    assert value(values(client), "syncf_copied_files_total") == 0
