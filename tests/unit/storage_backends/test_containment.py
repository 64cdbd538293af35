"""Nothing leads out of the root: not a path, not a link, not a directory swapped for one at the worst moment."""

import ctypes
import os
import socket
import threading
import time

import pytest

from storage_backends.base import Attributes, FileInfo, Kind, ListError, PartialId
from storage_backends.errors import BadPath, NotFound, NotRegular, StorageError, SymlinkRefused
from storage_backends.local import LocalStorage, beneath

SECRET = b"S"
WHO = PartialId("0123abcd", "0" * 20, 1)


@pytest.fixture(params=["openat2", "walk"], autouse=True)
def resolver(request, monkeypatch):
    """Both ways to stay inside have to hold by themselves."""
    if request.param == "walk":
        monkeypatch.setattr(beneath, "has_openat2", lambda: False)
    return request.param


@pytest.fixture
def trap(tmp_path, root):
    """A root full of ways out, and secrets around it."""
    (tmp_path / "secret").write_bytes(SECRET)
    (tmp_path / "root-evil").mkdir()
    (tmp_path / "root-evil" / "secret").write_bytes(SECRET)
    (root / "a" / "b").mkdir(parents=True)
    (root / "a" / "b" / "f").write_bytes(b"ok")
    for name, target in {
        "to_file": "../secret",
        "to_file_absolute": str(tmp_path / "secret"),
        "up": "..",
        "inside": "a/b",
        "loop": "loop",
        "proc_root": "/proc/self/root",
        "proc_fd": "/proc/self/fd/0",
    }.items():
        (root / name).symlink_to(target)
    os.mkfifo(root / "fifo")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(root / "socket"))
    return root


NOT_CANONICAL = [
    b".",
    b"..",
    b"/",
    b"//",
    b"/etc/passwd",
    b"../secret",
    b"a/../../secret",
    b"a/..",
    b"a//b/f",
    b"./a/b/f",
    b"a/b/./f",
    b"../root-evil/secret",
    b"nope/..",
    b"a/b/f\0x",
]
LITERAL = [b"..\\..\\secret", b"%2e%2e/secret", b"~root/x", b"file:///etc"[5:].lstrip(b"/") + b"x", b"..."]
THROUGH_A_LINK = [b"up/secret", b"up/root-evil/secret", b"inside/f", b"proc_root/etc/passwd", b"loop/x", b"to_file/x"]
LINKS = [b"to_file", b"to_file_absolute", b"loop", b"proc_fd", b"inside"]


@pytest.mark.parametrize("path", NOT_CANONICAL)
def test_a_path_that_is_not_canonical_is_refused_by_every_call(storage, trap, path):
    for call in calls(storage, path).values():
        with pytest.raises(BadPath):
            call()


def test_the_root_is_no_file_and_no_link(storage, trap):
    for name, call in calls(storage, b"").items():
        if name not in ("get_file_info", "write_directory"):  # it may be looked at and given attributes
            with pytest.raises(BadPath):
                call()


@pytest.mark.parametrize("path", LITERAL)
def test_odd_spellings_are_names_like_any_other(storage, trap, path):
    with pytest.raises(NotFound):
        storage.open_file(path)


@pytest.mark.parametrize("path", THROUGH_A_LINK)
def test_a_link_on_the_way_is_refused_by_every_call_and_named(storage, trap, tmp_path, path):
    before = snapshot(tmp_path)
    for call in calls(storage, path).values():
        with pytest.raises(SymlinkRefused, match=f"'{path.split(b'/')[0].decode()}' is a symbolic link"):
            call()
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("path", LINKS)
def test_a_link_is_never_opened_as_a_file(storage, trap, path):
    with pytest.raises(NotRegular):
        storage.open_file(path)


@pytest.mark.parametrize("path", [b"fifo", b"socket", b"a"])
def test_what_is_not_a_regular_file_is_refused_without_hanging(storage, trap, path):
    with pytest.raises(NotRegular):
        storage.open_file(path)


def test_a_link_that_leads_out_is_replaced_and_never_written_through(storage, trap, tmp_path):
    storage.write_file(b"to_file", b"new", Attributes(), WHO)
    assert (tmp_path / "secret").read_bytes() == SECRET
    assert (trap / "to_file").read_bytes() == b"new"


def test_a_partial_that_is_a_link_is_never_written_through(storage, trap, tmp_path):
    (trap / WHO.name.decode()).symlink_to(tmp_path / "secret")
    storage.write_file(b"f", b"new", Attributes(), WHO)
    assert (tmp_path / "secret").read_bytes() == SECRET


def test_attributes_are_never_set_through_a_link(storage, trap, tmp_path):
    before = (tmp_path / "secret").stat()
    link = storage.get_file_info(b"to_file")
    storage.set_attributes(b"to_file", Attributes(mtime_ns=5, mode=0o777, uid=1, gid=1), link)
    assert (tmp_path / "secret").stat() == before


def test_a_jobs_directory_that_is_a_link_is_refused(trap):
    storage = LocalStorage(os.fsencode(trap), b"up/root-evil")
    with pytest.raises(SymlinkRefused, match="'up'"):
        storage.probe()


def test_a_jobs_directory_is_not_made_through_a_link(trap, tmp_path):
    with pytest.raises(SymlinkRefused, match="'up'"):
        LocalStorage(os.fsencode(trap), b"up/made", create=True)
    assert not (tmp_path / "made").exists()


def test_the_operators_root_may_be_a_link(storage, root, tmp_path):
    (tmp_path / "alias").symlink_to("root")
    alias = LocalStorage(os.fsencode(tmp_path / "alias"))
    alias.write_file(b"f", b"data", Attributes(), WHO)
    assert storage.file_exists(b"f")
    assert alias.root_identity() == storage.root_identity()


def test_a_listing_reports_links_and_enters_none(storage, trap):
    paths = {entry.path for entry in storage.list_files()}
    assert {b"up", b"inside", b"proc_root", b"a/b/f"} <= paths
    assert not any(path.startswith((b"up/", b"inside/", b"proc_root/")) for path in paths)


def test_a_directory_swapped_for_a_link_between_listing_and_entering_is_an_error(storage, root, tmp_path):
    (root / "d").mkdir()
    listing = storage.list_files()
    assert next(listing).path == b"d/"
    (root / "d").rmdir()
    (root / "d").symlink_to(tmp_path)
    [error] = listing
    assert isinstance(error, ListError) and isinstance(error.error, SymlinkRefused)


@pytest.mark.parametrize("moment", [1, 2])
def test_a_directory_swapped_for_a_link_while_directories_are_made_below_it_is_refused(
    storage, root, tmp_path, faults, resolver, moment
):
    outside = tmp_path / "outside"
    outside.mkdir()
    (root / "d").mkdir()
    made = []

    def swap_before(real, name, *args, **kwargs):
        made.append(name)
        if len(made) == moment:
            (root / "d").rename(root / "gone")
            (root / "d").symlink_to(outside)
        return real(name, *args, **kwargs)

    faults.replace("mkdir", swap_before)
    with pytest.raises(SymlinkRefused):
        storage.write_file(b"d/new/below/f", b"data", Attributes(), WHO)
    assert len(made) >= 2 and not list(outside.iterdir())


def test_no_write_and_no_read_escapes_while_a_directory_is_swapped_for_a_link(storage, root, tmp_path, resolver):
    """`r` is exchanged with a link to the outside, as fast as the kernel can, while it is read, written and listed."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(SECRET)
    (root / "r").mkdir()
    (root / "r" / "secret").write_bytes(b"ok")
    (root / "evil").symlink_to(outside)
    before = snapshot(outside)
    stop = threading.Event()
    swapper = threading.Thread(target=swap, args=(os.fsencode(root / "r"), os.fsencode(root / "evil"), stop))
    swapper.start()
    seen, done = set(), 0
    deadline = time.monotonic() + 0.5  # a race needs its time; nothing is waited for
    try:
        while time.monotonic() < deadline:
            for call in (lambda: seen.add(storage.read_whole(b"r/secret", 9)[1]), *calls(storage, b"r/new").values()):
                try:
                    call()
                    done += 1
                except StorageError:
                    continue
    finally:
        stop.set()
        swapper.join()
    assert done, "the race never let anything through, so it proves nothing"
    assert SECRET not in seen
    assert snapshot(outside) == before


def swap(one: bytes, other: bytes, stop: threading.Event) -> None:
    libc = ctypes.CDLL(None)
    while not stop.is_set():
        libc.renameat2(-100, one, -100, other, 2)  # AT_FDCWD, RENAME_EXCHANGE


def calls(storage, path):
    """Every call that takes a path, by name."""

    def write_link():
        batch = storage.write_batch()
        try:
            batch.stage_symlink(path, b"x", Attributes(), WHO)
        finally:
            batch.discard()

    def upload():
        token = storage.begin_upload(path, size=1, attributes=Attributes(), source_version="", partial=WHO)
        session = storage.resume_upload(token, WHO)
        try:
            session.write_part(0, memoryview(b"x"))
            session.prepare(b"")
            session.commit()
        finally:
            session.close()

    return {
        "get_file_info": lambda: storage.get_file_info(path),
        "open_file": lambda: storage.open_file(path).close(),
        "read_whole": lambda: storage.read_whole(path, 100),
        "read_link": lambda: storage.read_link(path),
        "write_file": lambda: storage.write_file(path, b"x", Attributes(), WHO),
        "stage_symlink": write_link,
        "upload": upload,
        "write_directory": lambda: storage.write_directory(path, Attributes(mode=0o700)),
        "set_attributes": lambda: storage.set_attributes(
            path, Attributes(mode=0o777), FileInfo(path, Kind.FILE, 1, 1, "")
        ),
        "discard_partials": lambda: storage.discard_partials(path, WHO),
        "delete_file": lambda: storage.delete_file(path),
    }


def snapshot(folder):
    """Names, contents and metadata of everything below `folder` except the root itself, links not followed."""
    state = {}
    for path, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name != "root"]
        for name in (*folders, *files):
            status = os.lstat(os.path.join(path, name))
            state[path, name] = (status.st_mode, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return state


def test_what_was_looked_at_is_what_is_worked_in(storage, root):
    """A disk may be taken away, or put in its place, between the look and the work."""
    (root / "a").write_bytes(b"1")
    looked = storage.root_identity()
    root.rename(root.with_name("away"))
    root.mkdir()
    assert [entry.path for entry in storage.list_files()] == [b"a"]
    assert (storage.root_identity().chain[0], storage.root_identity().device) == (looked.chain[0], looked.device)
