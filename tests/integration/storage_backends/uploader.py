"""A process that uploads a file, for tests that kill it: `python uploader.py URL FILE TOKEN`.

The token is written to the file TOKEN before the first byte of FILE leaves, and taken from there if it is there.
"""

import sys
from pathlib import Path

from storage_backends.base import AlreadyCommitted, Attributes, PartialId, UploadToken
from storage_backends.registry import open_storage

WHO = PartialId("0123abcd", "0" * 20, 1)


def main(url: str, file: Path, kept: Path) -> None:
    data, storage = file.read_bytes(), open_storage(url)
    if not kept.exists():
        attributes = Attributes(mtime_ns=1_600_000_000_000_000_000)
        token = storage.begin_upload(b"f", size=len(data), attributes=attributes, source_version="v", partial=WHO)
        kept.write_text(token.to_json())
    try:
        session = storage.resume_upload(UploadToken.from_json(kept.read_text()), WHO)
    except AlreadyCommitted as committed:
        print("already committed", committed.info.size)
        return
    token = session.token
    print("held", *sorted(session.held_parts), flush=True)
    for number in range(token.part_count):
        if number not in session.held_parts:
            start = number * token.part_bytes
            session.write_part(number, memoryview(data)[start : start + token.part_length(number)])
    session.prepare(b"s" * 32)
    session.commit()
    session.close()
    storage.close()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
