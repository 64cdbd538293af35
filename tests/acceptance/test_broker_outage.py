"""RabbitMQ goes away, forgets, and is lied to, while slaves work: nothing is lost, and nothing is believed."""

import json
from contextlib import closing

import pika
import pytest
from pika.exceptions import ChannelClosedByBroker

from tests.acceptance.faults import assert_same_files, fill_many
from tests.acceptance.processes import Processes, eventually
from tests.acceptance.product import Product
from tests.servers import private_rabbitmq
from tests.support import stack

pytestmark = pytest.mark.skipif(not stack.is_postgres(), reason="the embedded stack has no RabbitMQ")

FILES = 3000
FILE_BYTES = 2000


@pytest.fixture(scope="module")
def node():
    """A RabbitMQ that nobody else uses."""
    with private_rabbitmq() as node:
        yield node


@pytest.fixture
def product(fresh_database, tmp_path, node):
    """The product on that node."""
    with Processes(tmp_path / "logs") as processes:
        product = Product(processes, database_url=fresh_database, base=tmp_path / "base", BROKER_URL=node.url)
        yield product
    product.close()


@pytest.fixture
def job(product):
    """Some ten seconds of work in a few thousand files, under way at two slaves."""
    fill_many(product.base / "source", FILES, FILE_BYTES)
    return product.create_job("source", "sink", bytes_per_second=FILES * FILE_BYTES // 10)


@pytest.fixture
def started(product, job):
    """Scheduler and slaves at work on the job."""
    running = [product.start_scheduler(), product.start_slave("slave-001"), product.start_slave("slave-002")]
    eventually(lambda: completed(product, job) > 0, 30, "the first files")
    return running


def completed(product, job):
    return product.statuses(job).get("completed", 0)


def queue(product):
    return f"syncf.{product.value('SELECT identifier FROM jobs_installation')}.tasks"


class Channel:
    """A channel to the node; a context manager."""

    def __init__(self, node):
        self._connection = pika.BlockingConnection(pika.URLParameters(node.url))

    def __enter__(self):
        return self._connection.channel()

    def __exit__(self, *exception):
        self._connection.close()


def assert_done_by(product, job, running, seconds=60):
    product.wait_for_job(job, seconds=seconds)
    assert [process.code for process in running] == [None] * len(running)
    assert completed(product, job) == FILES + 1  # and the root
    attempts = product.rows("SELECT DISTINCT attempts FROM jobs_task WHERE job_id = %s AND kind = 'file'", job)
    assert attempts == [{"attempts": 1}]
    assert all("Traceback" not in process.err for process in running)
    assert_same_files(product.base / "source", product.base / "sink")


def test_every_file_arrives_although_the_queue_is_purged_and_deleted_and_the_server_stopped_and_killed(
    product, node, job, started
):
    with Channel(node) as channel:
        channel.queue_purge(queue(product))
        channel.queue_delete(queue(product))
    wait_for_more(product, job)
    eventually(lambda: consumers(node, product) is not None, 30, "a new queue", every=0.5)
    node.stop()
    wait_for_more(product, job)
    node.start()
    node.kill9()
    node.start()
    product.steer("update_options", job, bytes_per_second=None)
    assert_done_by(product, job, started)

    again = product.create_job("source", "sink2")
    product.wait_for_job(again)
    eventually(lambda: consumers(node, product) == 2, 30, "both slaves to listen again")


def wait_for_more(product, job):
    before = completed(product, job)
    eventually(lambda: completed(product, job) > before, 20, "more files")


def consumers(node, product):
    """How many listen to the queue, None without one. A slave does while it has an idle worker."""
    with Channel(node) as channel:
        try:
            return channel.queue_declare(queue(product), passive=True).method.consumer_count
        except ChannelClosedByBroker:
            return None


def test_forged_doubled_and_garbled_messages_have_no_effect(product, node, job, started):
    paused = product.create_job("source", "elsewhere")
    eventually(lambda: len(product.rows("SELECT 1 FROM jobs_scan WHERE finished_at IS NOT NULL")) == 2, 30, "its scan")
    product.steer("pause_job", paused)
    under_way = "SELECT count(*) FROM jobs_task WHERE job_id = %s AND owner_id IS NOT NULL"
    eventually(lambda: product.value(under_way, paused) == 0, 10, "the paused job's copies to stop")
    settled = product.rows("SELECT id, epoch, status FROM jobs_task WHERE job_id = %s ORDER BY id", paused)
    sent = forgeries(product, paused, job)
    with Channel(node) as channel:
        channel.confirm_delivery()
        for body in sent:
            channel.basic_publish("", queue(product), body, mandatory=True)
    product.steer("update_options", job, bytes_per_second=None)
    assert_done_by(product, job, started)
    eventually(lambda: waiting(node, queue(product)) == 0, 30, "the messages to be read")
    assert waiting(node, queue(product).replace(".tasks", ".dead")) >= len(GARBAGE)
    assert product.rows("SELECT id, epoch, status FROM jobs_task WHERE job_id = %s ORDER BY id", paused) == settled


GARBAGE = [
    b"",
    b"\x00\xff" * 100,
    b"[]",
    b"{" * 5000,
    b'{"v":1,"tasks":"1"}',
    b'{"v":1,"tasks":[]}',
    b'{"v":1,"tasks":[1,1]}',
    b'{"v":1,"tasks":[-1]}',
    b'{"v":1,"tasks":[1.5]}',
    b'{"v":1,"tasks":[9223372036854775808]}',
    b'{"v":1,"tasks":[1],"path":"../../etc/passwd"}',
    b'{"v":2,"tasks":[1]}',
    b"x" * (1 << 20),
]


def forgeries(product, paused, job):
    """Messages that are none, name nothing, name what may not be touched, and name what is or was under way."""
    unknown = [10**12 + number for number in range(500)]
    named = [*ids_of(product, paused), *ids_of(product, job), *ids_of(product, job), *unknown]
    chunks = [named[start : start + 500] for start in range(0, len(named), 500)]
    return [*GARBAGE, *(json.dumps({"v": 1, "tasks": ids}).encode() for ids in chunks)]


def ids_of(product, job):
    return [row["id"] for row in product.rows("SELECT id FROM jobs_task WHERE job_id = %s ORDER BY id", job)]


def waiting(node, name):
    with Channel(node) as channel, closing(channel):
        return channel.queue_declare(name, passive=True).method.message_count
