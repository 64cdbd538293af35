"""A job that completes in the very moment in which somebody wants it to go on does go on."""

import pytest

from jobs import services, transitions
from jobs.models import Job, Scan
from jobs.states import JobStatus
from tests.acceptance.planting import plant

pytestmark = pytest.mark.django_db


@pytest.fixture
def stale_job(settings, tmp_path):
    """A job that was read while it ran; meanwhile it is completed."""
    settings.STORAGES_CONFIGURED = {"local": tmp_path.as_uri()}
    plant(tmp_path / "source", b"file")
    places = {"source_type": "local", "source_path": "source", "sink_type": "local", "sink_path": "sink"}
    job = services.create_job(actor="test", is_due=False, **places)
    transitions.move_job(Job.objects.get(pk=job.pk), "complete", actor="scheduler")
    assert job.status == JobStatus.RUNNING
    return job


def test_run_now_of_a_job_that_was_completed_meanwhile_runs_it_again(stale_job):
    services.run_now(stale_job, actor="test")
    assert Job.objects.get().status == JobStatus.RUNNING
    assert Scan.objects.filter(finished_at=None).exists()
