"""Every password and secret that can be configured, planted in a whole running installation and looked for wherever
something is told: rows, answers of the API, logs at their most talkative, doctor, pages that need no login."""

import base64
import re
import secrets
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.acceptance.clouds import sftp_place
from tests.acceptance.planting import plant
from tests.acceptance.processes import ROOT, Processes, eventually
from tests.acceptance.product import Product
from tests.integration.site.addresses import addresses
from tests.support import stack

TABLES = ("jobs_jobevent", "jobs_task", "jobs_scan", "jobs_finding", "jobs_job", "jobs_slave", "jobs_upload")
PLANTED = ["SECRET_KEY", "DATABASE", "BROKER", "SFTP", "REFUSED", "AWAY", "WEBHOOK_PATH", "EMAIL", "METRICS"]
ALIASES = ("works", "refuses", "away")

pytestmark = pytest.mark.skipif(not stack.is_postgres(), reason="the embedded stack's servers have no passwords")


@pytest.fixture
def planted() -> dict[str, str]:
    """What it is → the secret. Long enough that nothing else looks like it."""
    found = {name: f"planted{secrets.token_hex(24)}" for name in PLANTED}
    return found | {"WEBHOOK": base64.b64encode(secrets.token_bytes(32)).decode()}


@pytest.fixture
def product(fresh_database, tmp_path, planted):
    """Three SFTP storages that work: their key is taken, their password never asked for. Nobody listens to webhooks or
    e-mail."""
    place = sftp_place()
    server, user = place.partition("@")[2], urlsplit(place).username
    variables = {
        "SECRET_KEY": planted["SECRET_KEY"],
        **{f"STORAGE_{alias.upper()}": f"sftp://{user}:{planted['SFTP']}@{server}" for alias in ALIASES},
        "WEBHOOKS": f"http://127.0.0.1:1/{planted['WEBHOOK_PATH']}",
        "WEBHOOK_SECRET": f"whsec_{planted['WEBHOOK']}",
        "EMAIL_URL": f"smtp://someone:{planted['EMAIL']}@127.0.0.1:1",
        "NOTIFY_EMAILS": "ann@example.org",
        "METRICS_TOKEN": planted["METRICS"],
        "DEBUG": "false",
        "ALLOWED_HOSTS": "127.0.0.1",
    }
    # It asks this machine's own users for no password, and takes any.
    fresh_database = fresh_database.replace("@", f":{planted['DATABASE']}@", 1)
    with Processes(tmp_path / "logs") as processes:
        product = Product(processes, database_url=fresh_database, base=tmp_path / "base", **variables)
        product.environment["LOG_LEVEL"] = "DEBUG"
        yield product
    product.close()


def storages_go_wrong(product, planted):
    """What becomes of two storages when their jobs are there: one refuses the password, at one nobody listens."""
    server, _, options = product.environment["STORAGE_WORKS"].partition("@")[2].partition("?")
    known_hosts = f"known_hosts={parse_qs(options)['known_hosts'][0]}"
    return {
        "STORAGE_REFUSES": f"sftp://nobody-here:{planted['REFUSED']}@{server}?{known_hosts}",
        "STORAGE_AWAY": f"sftp://someone:{planted['AWAY']}@127.0.0.1:1/srv",
    }


def private_key(product):
    file = parse_qs(urlsplit(product.environment["STORAGE_WORKS"]).query)["key_file"][0]
    return Path(file).read_text().splitlines()[2]


def run_into_everything(product, changed):
    """A job to each storage, one with a file that can't be copied; `changed` are variables once the jobs are there."""
    plant(product.base / "source", b"good", b"data")
    plant(product.base / "source", b"in-the-way", b"data")
    plant(product.base, b"source/big", bytes(9 << 20))
    in_the_way = Path(urlsplit(product.environment["STORAGE_WORKS"]).path) / "works" / "in-the-way"
    in_the_way.mkdir(parents=True)
    (in_the_way / "file").touch()
    jobs = [product.create_job("source", alias, sink_type=alias, max_attempts=1) for alias in ALIASES]
    product.environment |= changed
    product.start_scheduler()
    product.start_slave()
    eventually(lambda: told_of(product, jobs), 60, "all to fail, and to be told of in vain")
    return jobs


def told_of(product, jobs):
    failed = product.value("SELECT count(*) FROM jobs_task WHERE status = 'failed' AND reason_text != ''")
    tried = product.value("SELECT count(*) FROM jobs_notification WHERE attempts > 0 AND error != ''")
    scans = product.rows("SELECT DISTINCT job_id FROM jobs_scan WHERE error_text != ''")
    return failed and tried >= 2 and len(scans) == len(jobs) - 1


def answers(product, jobs):
    """Everything that can be asked for with GET, as an administrator, and what needs no login."""
    api = product.start_web()
    paths = {address.template for address in addresses() if set(address.names) <= {"pk"}}
    asked = [path for path in sorted(paths) if path.startswith(("/api/", "/health"))]
    found = [api.text(path.format(pk=job)) for job in jobs for path in asked]
    assert sum("SINK_KIND_CONFLICT" in answer for answer in found) >= 2, "it was not asked for what failed"
    return "".join(found)


def doctor(product, **variables):
    command = [sys.executable, str(ROOT / "manage.py"), "doctor"]
    environment = product.environment | variables
    done = subprocess.run(command, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode != 0, "it is not in order"
    return done.stdout + done.stderr


def test_no_planted_secret_is_told(product, planted):
    jobs = run_into_everything(product, storages_go_wrong(product, planted))
    told = {"answers": answers(product, jobs), "doctor": doctor(product)}
    broker = product.environment["BROKER_URL"].partition("@")[2]
    wrong_broker = {"BROKER_URL": f"amqp://guest:{planted['BROKER']}@{broker}"}
    told["doctor of a wrong broker"] = doctor(product, **wrong_broker)
    assert "refused user and password" in told["doctor of a wrong broker"]
    refused = product.start_slave("slave-002", **wrong_broker)
    refused.wait(30)
    for process in product.processes.started():
        told[process.name] = process.out + process.err
    for table in TABLES:
        told[table] = str(product.rows(f"SELECT * FROM {table}"))
    told["notifications"] = str(product.rows("SELECT payload, error FROM jobs_notification"))
    looked_for = planted | {"private key": private_key(product)}
    found = [(what, where) for where, text in told.items() for what, secret in looked_for.items() if secret in text]
    assert not found
    assert re.search("away|127.0.0.1:1", told["jobs_scan"]), "where the trouble is, is told"
