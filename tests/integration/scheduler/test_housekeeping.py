"""Slaves remove the partials of tasks that are final, whatever stands in their uploads."""

import pytest

from jobs import services, transitions, upkeep, uploads
from jobs.models import Upload
from storage_backends.base import PartialId
from tests.integration.scan.tree import Tree
from tests.unit.jobs import builders
from transfers.slave.housekeeping import remove_abandoned

pytestmark = pytest.mark.django_db


@pytest.fixture
def killed(tmp_path, settings):
    """A killed job that left the upload of one file behind, with the given token."""
    settings.STORAGES_CONFIGURED = {"local": tmp_path.as_uri()}
    tree, slave = Tree(tmp_path), builders.new_slave()

    def make(token: str) -> tuple[Tree, object]:
        tree.write("a")
        tree.sink.mkdir()
        task = builders.claim_one(slave, tree.job, b"a")
        uploads.save_token(slave, (task.id, task.epoch), token)
        identifier = services.installation().identifier
        partial = tree.sink / PartialId.of(identifier, str(tree.job.pk), b"a", task.epoch).name.decode()
        partial.write_text("half a file")
        services.kill_job(tree.job, actor="user:x")
        transitions.settle(slave, [builders.ending(task, "pending")])
        upkeep.cancel_killed()
        return slave, partial

    return make


def test_a_token_of_another_version_does_not_end_the_slave_and_the_partial_goes_by_its_name(killed):
    slave, partial = killed('{"schema": 2}')
    assert remove_abandoned(slave) == 1
    assert not partial.exists() and not Upload.objects.exists()


def test_a_token_that_is_no_json_does_neither(killed):
    slave, partial = killed("half a tok")
    assert remove_abandoned(slave) == 1
    assert not partial.exists()
