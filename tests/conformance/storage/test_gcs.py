"""Google Cloud Storage under the storage conformance suite, on gcp-storage-emulator."""

from types import MappingProxyType

import pytest

from tests.conformance.storage.suite import StorageConformance
from tests.servers import buckets


class TestGcs(StorageConformance):
    scheme = "gs"
    refused_names = frozenset({b"\xe9\xff", b"c\xff", b"new\nline"})

    server_faults = MappingProxyType(
        dict.fromkeys(
            (
                "test_a_zombies_staged_file_cannot_be_published_over_its_successor",
                "test_what_is_expected_to_be_absent_is_not_overwritten",
                "test_another_version_than_the_expected_one_is_not_overwritten",
                "test_a_zombie_cannot_publish_over_its_successor",
                "test_an_upload_that_was_overtaken_is_refused",
            ),
            "the emulator ignores every ifGenerationMatch",
        )
        | {"test_a_file_that_is_replaced_while_it_is_read_is_never_mixed": "it gives any generation for any other"}
        | dict.fromkeys(
            ("test_an_aborted_upload_is_gone", "test_an_upload_is_discarded_by_its_token"),
            "it does not know how to end a session (501)",
        )
    )

    @pytest.fixture
    def url(self):
        with buckets.gcs_bucket() as url:
            yield url
