"""The conformance suite: one test per obligation of `storage_backends.base`, asked of every backend.

A backend subclasses `StorageConformance`, names its scheme and gives an empty root; capabilities decide the rest.
"""

from tests.conformance.storage.batches import BatchConformance
from tests.conformance.storage.listing import ListingConformance
from tests.conformance.storage.reading import ReadingConformance
from tests.conformance.storage.uploading import UploadConformance


class StorageConformance(ListingConformance, ReadingConformance, UploadConformance, BatchConformance):
    """Everything at once."""
