"""How large the parts of a blob are, how large a blob may be, and which names it can have."""

import pytest

from storage_backends.azure.storage import CAPABILITIES
from storage_backends.base import Attributes, PartialId
from storage_backends.errors import BadPath, FileTooBig, NameTooLong

WHO = PartialId("0123abcd", "0" * 20, 1)


@pytest.mark.parametrize(
    ("size", "part_bytes"),
    [
        (0, 8 << 20),
        (8 << 20, 8 << 20),
        (50_000 * (8 << 20), 8 << 20),
        (50_000 * (8 << 20) + 1, (8 << 20) + 1),
        (5 << 40, -(-(5 << 40) // 50_000)),
        (50_000 * (4000 << 20), 4000 << 20),
    ],
)
def test_parts_are_as_large_as_they_must_be(size, part_bytes):
    assert CAPABILITIES.part_bytes(size) == part_bytes
    assert -(-size // part_bytes) <= 50_000


def test_a_file_beyond_the_services_limit_is_refused(storage):
    size = 50_000 * (4000 << 20) + 1
    with pytest.raises(FileTooBig):
        storage.begin_upload(b"f", size=size, attributes=Attributes(), source_version="v", partial=WHO)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        (b"a\\b", "backslash"),
        (b"a/b./c", "dot"),
        (b"...", "dot"),
        (b"a\nb", "control character"),
        (b"a\x7f", "control character"),
        ("a\x85".encode(), "control character"),
        ("a\uffff".encode(), "control character"),
        (b"a\xff", "not UTF-8"),
        (b"a/" * 252 + b"b", "folders"),
        (b"../other", "canonical"),
    ],
)
def test_a_name_that_a_blob_can_not_have_is_refused(storage, path, reason):
    with pytest.raises(BadPath, match=reason):
        storage.key(path)


def test_keys_stay_below_their_prefix(storage):
    assert storage.key(b"d/.f g?&#%") == "team/job/d/.f g?&#%"


@pytest.mark.parametrize("character", ["a", "é", "語", "😀"])
def test_a_key_has_up_to_1024_characters_in_utf_16(storage, character):
    room = 1024 - len("team/job/")
    units = len(character.encode("utf-16-le")) // 2
    assert storage.key((character * (room // units)).encode())
    with pytest.raises(NameTooLong):
        storage.key((character * (room // units + 1)).encode())
