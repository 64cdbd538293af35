"""Who may write a partial: two owners of one task, in every order that matters."""

import fcntl
import os
import shutil

import pytest

from storage_backends.base import AlreadyCommitted, Attributes, PartialId, UploadToken
from storage_backends.errors import PartialBusy, UploadGone
from storage_backends.local import partials
from tests.unit.storage_backends.faults import ENOLCK
from tests.unit.storage_backends.sending import DATA, PLAIN, send


def who(epoch: int) -> PartialId:
    return PartialId("0123abcd", "d" * 20, epoch)


def begin(storage, epoch=1) -> UploadToken:
    return storage.begin_upload(b"f", size=len(DATA), attributes=PLAIN, source_version="v", partial=who(epoch))


def finish(session, data=DATA) -> None:
    send(session, data)
    session.prepare(b"")
    session.commit()
    session.close()


def names(root) -> list[str]:
    return sorted(os.listdir(root))


def test_a_partial_is_hidden_private_and_named_by_its_epoch(storage, root):
    session = storage.resume_upload(begin(storage), who(7))
    assert names(root) == [".syncf-0123abcd-dddddddddddddddddddd-7.part"]
    assert (root / names(root)[0]).stat().st_mode & 0o7777 == 0o600
    session.close()


def test_a_partial_that_is_being_written_is_busy(storage, other):
    session = storage.resume_upload(begin(storage), who(1))
    with pytest.raises(PartialBusy):
        other.resume_upload(session.token, who(1))
    session.close()


def test_taking_over_renames_first_so_that_the_zombies_commit_finds_nothing(storage, other, root):
    zombie = storage.resume_upload(begin(storage), who(1))
    send(zombie)
    token = zombie.prepare(b"")
    with pytest.raises(PartialBusy):
        other.resume_upload(token, who(2))
    assert names(root) == [os.fsdecode(who(2).name)]
    with pytest.raises(UploadGone):
        zombie.commit()
    zombie.close()
    assert names(root) == [os.fsdecode(who(2).name)]


def test_a_successor_of_a_busy_zombie_starts_over_in_a_new_inode(storage, other, root):
    zombie = storage.resume_upload(begin(storage), who(1))
    with pytest.raises(PartialBusy):
        other.resume_upload(zombie.token, who(2))
    session = other.resume_upload(begin(other, 2), who(2))
    assert session.token.state["inode"] != zombie.token.state["inode"]
    send(session)
    zombie.write_part(0, memoryview(bytes(zombie.token.part_bytes)))  # it still has its descriptor
    session.prepare(b"")
    session.commit()
    session.close()
    with pytest.raises(UploadGone):
        zombie.commit()
    zombie.close()
    assert (root / "f").read_bytes() == DATA
    assert names(root) == ["f"]


def test_beginning_anew_takes_away_what_a_frozen_older_owner_is_about_to_publish(storage, other, root):
    zombie = storage.resume_upload(begin(storage), who(1))
    send(zombie)
    zombie.prepare(b"")
    newer = DATA[::-1]
    finish(other.resume_upload(begin(other, 2), who(2)), newer)
    with pytest.raises(UploadGone):
        zombie.commit()
    zombie.close()
    assert (root / "f").read_bytes() == newer


def test_the_newest_of_several_older_partials_is_taken_and_the_rest_removed(storage, root):
    for epoch, content in ((2, b"2"), (4, b"4444"), (3, b"333")):
        (root / os.fsdecode(who(epoch).name)).write_bytes(content)
    session = storage.resume_upload(seen_before(storage), who(9))
    assert names(root) == [os.fsdecode(who(9).name)]
    assert (root / os.fsdecode(who(9).name)).read_bytes() == b"4444"
    session.close()


@pytest.mark.parametrize("epoch", [9, 5000])
def test_older_partials_are_found_whether_they_are_looked_up_or_listed(storage, root, epoch):
    (root / os.fsdecode(who(epoch - 1).name)).write_bytes(b"older")
    (root / os.fsdecode(who(epoch - 3).name)).write_bytes(b"oldest")
    (root / os.fsdecode(who(epoch + 1).name)).write_bytes(b"younger")
    (root / os.fsdecode(who(1).stem + b"x.part")).write_bytes(b"not ours")
    assert storage.discard_partials(b"f", who(epoch)) == 2
    assert len(names(root)) == 2


def test_a_folder_is_listed_once_however_many_files_of_it_are_tried_again(storage, root, monkeypatch):
    listed, real = [], os.listdir
    monkeypatch.setattr(os, "listdir", lambda fd: listed.append(fd) or real(fd))
    (root / "d").mkdir()
    partials_of = [PartialId("0123abcd", f"{number:020x}", 500) for number in range(50)]
    for partial in partials_of:
        (root / "d" / os.fsdecode(partial._replace(epoch=77).name)).write_bytes(b"older")
    batch = storage.write_batch()
    for partial in partials_of:
        batch.stage(b"d/" + partial.digest.encode(), b"data", Attributes(), partial)
    assert len(listed) == 2  # and the one above it, for what was left of it as a new directory
    batch.discard()
    assert real(root / "d") == []


def test_an_owner_never_touches_the_partial_of_a_younger_epoch(storage, other, root):
    first = storage.resume_upload(begin(storage), who(1))
    first.close()
    younger = other.resume_upload(first.token, who(3))
    send(younger)
    with pytest.raises(UploadGone):
        storage.resume_upload(first.token, who(2))
    storage.discard_partials(b"f", who(2))
    younger.prepare(b"")
    younger.commit()
    younger.close()
    assert (root / "f").read_bytes() == DATA


def test_an_owner_that_froze_between_open_and_lock_leaves_the_published_file_alone(storage, other, root, faults):
    """Its descriptor means the inode that a younger owner has published in between; the lock is free again by then."""
    first = storage.resume_upload(begin(storage), who(1))
    first.close()
    frozen = []

    def freeze(real, fd, operation):
        if not frozen:
            frozen.append(True)
            finish(other.resume_upload(first.token, who(2)))
        return real(fd, operation)

    faults.replace("flock", freeze)
    with pytest.raises(UploadGone):
        storage.resume_upload(first.token, who(1))
    assert frozen and (root / "f").read_bytes() == DATA


def test_an_owner_that_froze_before_locking_its_new_partial_gives_it_up(storage, other, root, faults):
    frozen = []

    def freeze(real, fd, operation):
        if not frozen:
            frozen.append(True)
            finish(other.resume_upload(seen_before(other), who(2)))
        return real(fd, operation)

    faults.replace("flock", freeze)
    with pytest.raises(PartialBusy):
        storage.resume_upload(begin(storage), who(1))
    assert frozen and (root / "f").read_bytes() == DATA


def test_an_owner_that_froze_before_taking_over_finds_nothing(storage, other, root, faults):
    first = storage.resume_upload(begin(storage), who(1))
    first.close()
    frozen = []

    def freeze(real, *args, **kwargs):
        if not frozen:
            frozen.append(True)
            finish(other.resume_upload(first.token, who(3)))
        return real(*args, **kwargs)

    faults.replace("rename", freeze)
    with pytest.raises(UploadGone):
        storage.resume_upload(first.token, who(2))
    assert frozen and names(root) == ["f"] and (root / "f").read_bytes() == DATA


def test_a_partial_with_a_second_hard_link_is_not_trusted(storage, root):
    session = storage.resume_upload(begin(storage), who(1))
    session.close()
    os.link(root / os.fsdecode(who(1).name), root / "second")
    with pytest.raises(UploadGone):
        storage.resume_upload(session.token, who(1))
    assert names(root) == ["second"]


@pytest.mark.parametrize("make", [lambda path: path.symlink_to("/etc/hostname"), os.mkfifo])
def test_a_partial_that_is_no_file_is_removed(storage, root, make):
    make(root / os.fsdecode(who(1).name))
    with pytest.raises(UploadGone):
        storage.resume_upload(seen_before(storage), who(1))
    assert names(root) == []


def test_a_partial_longer_than_the_file_is_cut(storage, root):
    (root / os.fsdecode(who(1).name)).write_bytes(bytes(len(DATA) + 5))
    session = storage.resume_upload(seen_before(storage), who(2))
    assert list(session.held_parts) == [0, 1]
    finish(session)
    assert (root / "f").read_bytes() == DATA


def test_only_whole_parts_are_held(storage, root):
    (root / os.fsdecode(who(1).name)).write_bytes(bytes(begin(storage).part_bytes + 5))
    session = storage.resume_upload(seen_before(storage), who(2))
    assert list(session.held_parts) == [0]
    session.close()


def test_without_locks_a_partial_is_never_reused(storage, root, faults):
    """A zombie may hold it open and nothing could tell: the next owner goes on in a new inode."""
    faults.fail("flock", ENOLCK, times=99)
    first = storage.resume_upload(begin(storage), who(1))
    send(first)
    first.close()
    with pytest.raises(UploadGone):
        storage.resume_upload(first.token, who(2))
    assert names(root) == []
    finish(storage.resume_upload(begin(storage, 2), who(2)))
    assert (root / "f").read_bytes() == DATA


def test_a_session_whose_name_means_another_inode_does_not_publish_it(storage, root):
    session = storage.resume_upload(begin(storage), who(1))
    send(session)
    session.prepare(b"")
    again = storage.resume_upload(begin(storage), who(1))  # the same owner begins anew
    with pytest.raises(UploadGone):
        session.commit()
    session.close()
    again.close()
    assert not (root / "f").exists()


def test_a_prepared_upload_is_recognised_after_its_commit_only(storage):
    session = storage.resume_upload(begin(storage), who(1))
    unprepared = session.token
    send(session)
    prepared = session.prepare(b"")
    session.commit()
    session.close()
    with pytest.raises(AlreadyCommitted):
        storage.resume_upload(prepared, who(2))
    with pytest.raises(UploadGone):
        storage.resume_upload(unprepared, who(2))


def test_the_janitor_does_not_remove_a_partial_that_is_being_written(storage, other, root):
    session = storage.resume_upload(begin(storage), who(1))
    [found] = other.list_uploads()
    with pytest.raises(PartialBusy):
        other.delete_file(found.path)
    session.close()
    other.delete_file(found.path)
    assert names(root) == []


def test_a_lock_is_exclusive_and_does_not_wait(root):
    path = root / "lock"
    path.touch()
    with path.open("rb") as one, path.open("rb") as two:
        assert partials.lock(one.fileno(), b"lock")
        with pytest.raises(PartialBusy):
            partials.lock(two.fileno(), b"lock")
        fcntl.flock(one, fcntl.LOCK_UN)
        assert partials.lock(two.fileno(), b"lock")


def seen_before(storage) -> UploadToken:
    """A token whose upload had been opened by an earlier attempt."""
    token = begin(storage)
    return token._replace(state={"inode": "1"})


def test_aborting_leaves_alone_the_partial_that_another_attempt_began_under_the_same_name(storage, other, root):
    """Housekeeping works at the epoch that a retry is going to have: its lock is on the old inode only."""
    first = storage.resume_upload(begin(storage), who(1))
    first.close()
    housekeeping = storage.resume_upload(first.token, who(2))
    retry = other.resume_upload(begin(other, 2), who(2))
    housekeeping.abort()
    finish(retry)
    assert (root / "f").read_bytes() == DATA


def test_taking_over_leaves_alone_the_partial_that_another_attempt_began_meanwhile(storage, other, root, faults):
    first = storage.resume_upload(begin(storage), who(1))
    first.close()
    retries = []

    def freeze(real, fd, operation):
        if not retries:
            retries.append(None)
            retries[0] = other.resume_upload(begin(other, 2), who(2))
        return real(fd, operation)

    faults.replace("flock", freeze)
    with pytest.raises(PartialBusy):
        storage.resume_upload(first.token, who(2))
    finish(retries[0])
    assert (root / "f").read_bytes() == DATA


def test_a_directory_that_was_taken_away_is_not_made_again_to_resume_in(storage, root):
    token = storage.begin_upload(b"d/e/f", size=len(DATA), attributes=PLAIN, source_version="v", partial=who(1))
    session = storage.resume_upload(token, who(1))
    session.close()
    shutil.rmtree(root / "d")
    with pytest.raises(UploadGone):
        storage.resume_upload(session.token, who(2))
    assert names(root) == []


def test_every_task_has_a_partial_name_of_its_own():
    ids = {PartialId.of("12345678", job, path, 1) for job in ("1", "2", "21") for path in (b"a", b"b", b"1a", b"a/b")}
    assert len({each.name for each in ids}) == 12
    assert all(len(each.digest) == 20 and set(each.digest) <= set("0123456789abcdef") for each in ids)
    assert len(PartialId.of("12345678", "1", b"a" * 4000, 1 << 31).name) <= 64


def test_names_of_partials_stay_the_same_from_version_to_version():
    partial = PartialId.of("12345678", "1", b"a/b", 3)
    assert partial.name == b".syncf-12345678-d122866d1c19f09c10b4-3.part"
    assert partial.stem + b"3.part" == partial.name and PartialId.parse(partial.name).name == partial.name
    assert PartialId.parse(partial.name).digest == partial.digest
