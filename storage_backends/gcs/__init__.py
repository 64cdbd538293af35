"""Google Cloud Storage: `gs://bucket/prefix`.

::

    storage.py    GcsStorage, GcsUpload   how an upload begins, goes on and ends
    sessions.py   Sessions                plain requests to the URI of a resumable upload
    client.py     GcsClient               whole objects, through the SDK
    opening.py    open_gcs                URL, endpoint, credentials
    failures.py                           what Google's libraries raise, as errors of ours
"""

from storage_backends.gcs.opening import open_gcs

__all__ = ["open_gcs"]
