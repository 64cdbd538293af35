"""Pages of listings, as S3, Google Cloud Storage and Azure write them, for servers that write them wrongly."""

from __future__ import annotations

import json

from tests.support.http_proxy import Answer

S3 = (
    '<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name>'
    "<IsTruncated>{cut}</IsTruncated>{more}{objects}</ListBucketResult>"
)
S3_OBJECT = (
    '<Contents><Key>{key}</Key><Size>{size}</Size>{version}<LastModified>2026-11-30T12:00:00.123Z</LastModified>'
    "</Contents>"
)
AZURE = (
    '<?xml version="1.0"?><EnumerationResults><Blobs>{objects}</Blobs><NextMarker>{token}</NextMarker>'
    "</EnumerationResults>"
)
AZURE_OBJECT = (
    "<Blob><Name>{key}</Name><Properties><Last-Modified>Mon, 30 Nov 2026 12:00:00 GMT</Last-Modified>{version}"
    "<Content-Length>{size}</Content-Length><BlobType>BlockBlob</BlobType></Properties></Blob>"
)


def s3(sizes: dict[str, str], token: str = "", version: str = '<ETag>"e"</ETag>') -> Answer:
    """Objects of these sizes by their keys; with a `token` there are more. `version`: how each tells its own."""
    objects = "".join(S3_OBJECT.format(key=key, size=size, version=version) for key, size in sizes.items())
    more = f"<NextContinuationToken>{token}</NextContinuationToken>" if token else ""
    return _xml(S3.format(cut=str(bool(token)).lower(), more=more, objects=objects))


def gcs(sizes: dict[str, str], token: str = "", version: str = "generation metageneration") -> Answer:
    """The same."""
    told = dict.fromkeys(version.split(), "1") | {"updated": "2026-11-30T12:00:00.123Z"}
    items = [{"name": key, "size": size, **told} for key, size in sizes.items()]
    page = {"items": items} | ({"nextPageToken": token} if token else {})
    return Answer(200, {"Content-Type": "application/json"}, json.dumps(page).encode())


def azure(sizes: dict[str, str], token: str = "", version: str = "<Etag>0x1</Etag>") -> Answer:
    """The same."""
    objects = "".join(AZURE_OBJECT.format(key=key, size=size, version=version) for key, size in sizes.items())
    return _xml(AZURE.format(objects=objects, token=token))


def _xml(document: str) -> Answer:
    return Answer(200, {"Content-Type": "application/xml"}, document.encode())
