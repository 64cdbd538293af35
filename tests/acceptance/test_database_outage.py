"""PostgreSQL is restarted in the middle of the work: the same processes go on, and nothing is lost."""

import psycopg
import pytest

from tests.acceptance.faults import MIB, assert_no_upload_is_remembered, assert_same_files, fill, fill_many
from tests.acceptance.processes import Processes, eventually
from tests.acceptance.product import Product
from tests.servers import private_postgres
from tests.support import stack
from tests.support.databases import migrate

pytestmark = pytest.mark.skipif(not stack.is_postgres(), reason="the embedded stack has no PostgreSQL")

FILES = 1500


@pytest.fixture(scope="module")
def server():
    """A PostgreSQL that nobody else uses, migrated."""
    with private_postgres(durable=True) as server:
        migrate(server.url)
        yield server


@pytest.fixture
def product(server, tmp_path):
    """The product on that server."""
    with Processes(tmp_path / "logs") as processes:
        product = Product(processes, database_url=server.url, base=tmp_path / "base")
        yield product
    product.close()


def test_after_a_fast_and_an_immediate_restart_the_same_processes_finish_the_work(product, server):
    source, sink = product.base / "source", product.base / "sink"
    fill(source / "big", 64 * MIB)
    fill_many(source / "many", FILES, 10_000)
    job = product.create_job("source", "sink", bytes_per_second=8 * MIB)
    api = product.start_web()
    slaves = [product.start_slave("slave-001"), product.start_slave("slave-002")]
    running = [product.start_scheduler(), *slaves, api.process]
    eventually(lambda: product.value("SELECT count(*) FROM jobs_checkpoint"), 30, "a checkpoint")
    workers = [slave.children() for slave in slaves]

    server.restart("fast")
    done = product.statuses(job).get("completed", 0)
    eventually(lambda: product.statuses(job).get("completed", 0) > done or is_big_left(product), 20, "more files")
    server.restart("immediate")
    server.stop("immediate")
    assert api("GET", "/health")[0] == 503
    server.start()
    product.steer("update_options", job, bytes_per_second=None)
    product.wait_for_job(job)

    assert [process.code for process in running] == [None] * 4
    assert [slave.children() for slave in slaves] == workers
    assert product.statuses(job) == {"completed": FILES + 3}
    assert product.rows("SELECT DISTINCT attempts FROM jobs_task WHERE kind = 'file'") == [{"attempts": 1}]
    assert_same_files(source, sink)
    assert_no_upload_is_remembered(product)
    assert api("GET", f"/api/jobs/{job}")[1]["status"] == "completed"
    assert all("Traceback" not in process.err for process in running[:3])


def test_connections_that_are_cut_in_the_middle_of_their_transactions_cost_nothing_but_time(product, server):
    source, sink = product.base / "source", product.base / "sink"
    fill(source / "big", 16 * MIB)
    fill_many(source / "many", FILES, 3_000)
    job = product.create_job("source", "sink", bytes_per_second=6 * MIB)
    running = [product.start_scheduler(), product.start_slave("slave-001"), product.start_slave("slave-002")]
    eventually(lambda: product.statuses(job).get("completed", 0) > 0, 30, "the first files")
    cut = (
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE backend_type = 'client backend'"
        " AND state <> 'idle' AND pid <> pg_backend_pid()"
    )
    count = 0
    with psycopg.connect(server.url, autocommit=True) as connection:
        while count < 15:
            count += connection.execute(cut).fetchone()[0]
    product.steer("update_options", job, bytes_per_second=None)
    product.wait_for_job(job)
    assert [process.code for process in running] == [None] * 3
    assert product.rows("SELECT DISTINCT attempts FROM jobs_task WHERE job_id = %s AND kind = 'file'", job) == [
        {"attempts": 1}
    ]
    assert_same_files(source, sink)
    assert_no_upload_is_remembered(product)
    assert all("Traceback" not in process.err for process in running)


def is_big_left(product):
    return product.value("SELECT count(*) FROM jobs_task WHERE status = 'in_progress'") == 1


def test_a_scan_that_loses_the_database_is_repeated_by_the_same_scheduler(product, server):
    fill_many(product.base / "scanned", 15_000, 0)
    scheduler = product.start_scheduler()
    job = product.create_job("scanned", "copied")
    eventually(lambda: product.statuses(job).get("pending", 0) > 1000, 30, "the middle of the scan", every=0.01)
    server.restart("fast")
    eventually(lambda: scan(product, job)["finished_at"], 30, "the scan to be repeated")
    assert (scan(product, job)["error_code"], scan(product, job)["files_seen"]) == ("", 15_000)
    assert product.statuses(job) == {"pending": 15_001}
    assert scheduler.code is None


def scan(product, job):
    try:
        return product.rows("SELECT * FROM jobs_scan WHERE job_id = %s", job)[0]
    except psycopg.OperationalError:
        return {"finished_at": None}
