"""What all object stores have in common: keys below a prefix, metadata beside the bytes, many requests in flight.

::

    s3  gcs  azure  memory.py               one service each: an `ObjectClient`, an `ObjectUpload`, a few lines of
        │                                   `ObjectStorage` on how to begin and resume an upload
    upload.py     ObjectUpload              what is the same of every upload
    storage.py    ObjectStorage             the whole rest of the storage interface, in terms of the client
    listing.py                              keys as a tree
    batch.py      ObjectBatch               many small objects at once
    reading.py    ObjectFile, ReadAhead     one big object in ranges, many small ones ahead of time
    metadata.py                             times, modes and digests as metadata
    client.py     ObjectClient              what a service can do with whole objects
    pages.py                                what a listing tells, checked
    shorter.py    ShorterWay                the same by requests of our own, tried first
    http.py  connection.py  talks.py        what those go over, many at once
    body.py  adapter.py                     requests by the SDKs
    pace.py                                 how long a service wants to be left alone
"""
