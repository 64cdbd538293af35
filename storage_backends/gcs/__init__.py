"""Google Cloud Storage: `gs://bucket/prefix`.

::

    storage.py    GcsStorage   how an upload begins
    upload.py     GcsUpload    how it goes on and ends
    progress.py   Chunk        what is sent to, and answered at, the URI of a resumable upload
    resumable.py  Resumable    such an upload without the SDK, while all goes well
    sessions.py   Sessions     and with the rules of the SDK
    client.py     GcsClient    whole objects, by the shortest way that is open
    wire.py       Wire         requests without the SDK, while all goes well
    describing.py              an object of the service's in our words
    sdk.py        SdkClient    Google's SDK, for everything else
    opening.py    open_gcs     URL, endpoint, credentials
    failures.py                what Google's libraries raise, as errors of ours
"""

from storage_backends.gcs.opening import open_gcs

__all__ = ["open_gcs"]
