"""Amazon S3 and what speaks its language: `s3://bucket/prefix?endpoint_url=…&region=…&profile=…`.

::

    storage.py    S3Storage     how an upload begins
    upload.py     S3Upload      how it goes on and ends
    client.py     S3Client      whole objects, by the shortest way that is open
    shorter.py    shorter_way   the way past boto3, if it is open, and its keys
    wire.py       Wire          small objects, ranges and listings without boto3, while all goes well
    multipart.py  Multipart     and multipart uploads
    sdk.py                      boto3
    opening.py    open_s3       from the URL to a storage
    place.py      Place, Keys   where a bucket is, and the keys that stand in the environment
    failures.py                 what boto3 raises, as errors of ours

boto3 is imported when something asks for it, because that takes longer than a thousand small objects do: whatever
went wrong on the shorter way, credentials that are not in the environment, listing and giving up of unfinished uploads.
"""

from storage_backends.s3.opening import open_s3

__all__ = ["open_s3"]
