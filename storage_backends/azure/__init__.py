"""Azure Blob Storage: `azure://account/container/prefix`.

::

    storage.py    AzureStorage   which names can be held, and what became of an upload
    upload.py     AzureUpload    how it goes on and ends
    client.py     AzureClient    whole blobs, by the shortest way that is open
    shorter.py    AzureWay       the way past the SDK, closed
    wire.py       Wire           and open: lists, reads and writes without the SDK, while all goes well
    describing.py                a blob of the service's in our words, and ours in the service's
    listing.py                   from the service's order of names to ours
    transport.py  Transport      connections, time-outs, no secret in an error
    opening.py    open_azure     URL, endpoint, and which credentials
    credentials.py               keys and SAS tokens, never printed
    failures.py                  what the SDK raises, as errors of ours
"""

from storage_backends.azure.opening import open_azure

__all__ = ["open_azure"]
