"""Google Cloud Storage under the storage conformance suite: the emulator as it is, and with its faults put right."""

import pytest

from tests.conformance.storage.suite import StorageConformance
from tests.support.gcs import emulator_url, new_bucket
from tests.support.strict_gcs import StrictGcs


@pytest.fixture(scope="module")
def strict():
    with StrictGcs(emulator_url()) as strict:
        yield strict


class TestGcs(StorageConformance):
    scheme = "gs"
    refused_names = frozenset({b"new\nline", b"\xe9\xff", b"c\xff", b"d e\n"})

    @pytest.fixture
    def endpoint(self, strict):
        return strict.url

    @pytest.fixture
    def url(self, endpoint):
        return new_bucket(endpoint)


class TestGcsBySdk(TestGcs):
    """Whatever the requests of our own do not settle goes this way: it must be as good for everything."""

    @pytest.fixture(autouse=True)
    def without_requests_of_our_own(self, monkeypatch):
        monkeypatch.setattr("storage_backends.gcs.client.pool", lambda *_: None)


NO_CONDITIONS = "gcp-storage-emulator overlooks ifGenerationMatch and generation, so nothing is ever refused"
NO_CANCEL = "gcp-storage-emulator answers 501 when a resumable upload is cancelled"
FAULTS = {
    "test_a_zombies_staged_file_cannot_be_published_over_its_successor": NO_CONDITIONS,
    "test_what_is_expected_to_be_absent_is_not_overwritten": NO_CONDITIONS,
    "test_another_version_than_the_expected_one_is_not_overwritten": NO_CONDITIONS,
    "test_a_zombie_cannot_publish_over_its_successor": NO_CONDITIONS,
    "test_an_upload_that_was_overtaken_is_refused": NO_CONDITIONS,
    "test_a_file_that_is_replaced_while_it_is_read_is_never_mixed": NO_CONDITIONS,
    "test_nothing_is_visible_before_the_commit": NO_CANCEL,
    "test_a_resumed_upload_keeps_its_part_size": NO_CANCEL,
    "test_other_bytes_for_a_held_part_are_refused_where_nothing_can_be_overwritten": NO_CANCEL,
    "test_written_parts_are_held": NO_CANCEL,
    "test_keep_gives_up_what_could_not_be_proved_and_cannot_be_cut_off": NO_CANCEL,
    "test_a_part_of_the_wrong_length_is_refused": NO_CANCEL,
    "test_an_upload_that_lacks_parts_is_never_published": NO_CANCEL,
    "test_a_foreign_file_of_the_same_size_and_time_is_not_our_commit": NO_CANCEL,
    "test_an_aborted_upload_is_gone": NO_CANCEL,
    "test_close_keeps_everything_and_may_be_called_twice": NO_CANCEL,
    "test_an_upload_is_discarded_by_its_token": NO_CANCEL,
    "test_nothing_can_be_read_at_a_name_that_is_only_being_uploaded": NO_CANCEL,
}


class TestGcsEmulatorAsItIs(TestGcs):
    """Without anything of ours in between. What it gets wrong is asked of the one above alone."""

    @pytest.fixture
    def endpoint(self):
        return emulator_url()

    @pytest.fixture(autouse=True)
    def what_it_gets_wrong(self, request):
        if why := FAULTS.get(request.function.__name__):
            pytest.skip(why)
