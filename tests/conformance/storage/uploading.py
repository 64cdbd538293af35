"""Obligations of uploads: nothing is visible before the commit, and another process can go on at any point."""

import threading

import pytest

from storage_backends.base import AlreadyCommitted
from storage_backends.errors import KindConflict, NotFound, PreconditionFailed, UploadGone
from tests.conformance.storage.places import (
    MTIME_NS,
    PLAIN,
    Place,
    begin,
    content,
    identity,
    kept_time,
    needs,
    part,
    partial,
    put,
    saved,
    send,
)


class UploadConformance(Place):
    @pytest.fixture
    def data(self, storage):
        """Four parts, the last one shorter."""
        return bytes(range(251)) * (storage.capabilities.part_bytes(1 << 24) * 7 // 2 // 251)

    def test_an_upload_is_published_by_its_commit(self, storage, data):
        session = storage.resume_upload(begin(storage, b"d/f", data, who := partial()), who)
        send(session, data)
        session.sync()
        session.prepare(b"s" * 32)
        info = session.commit()
        session.close()
        found = storage.get_file_info(b"d/f")
        assert identity(info) == identity(found)
        assert (info.size, kept_time(found)) == (len(data), MTIME_NS)
        assert content(storage, b"d/f") == data

    def test_nothing_is_visible_before_the_commit(self, storage, data):
        session = storage.resume_upload(begin(storage, b"d/f", data, who := partial()), who)
        send(session, data)
        session.prepare(b"s" * 32)
        assert not storage.file_exists(b"d/f")
        session.abort()
        session.close()

    def test_the_old_content_stands_until_the_commit(self, storage, data):
        put(storage, b"f", b"old")
        session = storage.resume_upload(begin(storage, b"f", data, who := partial()), who)
        send(session, data)
        session.prepare(b"s" * 32)
        assert content(storage, b"f") == b"old"
        session.commit()
        session.close()
        assert content(storage, b"f") == data

    def test_an_empty_upload_is_published(self, storage):
        session = storage.resume_upload(begin(storage, b"f", b"", who := partial()), who)
        assert list(session.held_parts) == []
        session.prepare(b"s" * 32)
        assert session.commit().size == 0
        session.close()

    def test_the_token_survives_the_journal(self, storage, data):
        name = b"d/\xe9\xff" if b"\xe9\xff" not in self.refused_names else "d/é".encode()
        token = storage.begin_upload(name, size=9, attributes=PLAIN, source_version="v", partial=partial())
        assert type(token).from_json(token.to_json()) == token

    def test_another_process_goes_on_where_one_died(self, storage, open_place, data):
        token = begin(storage, b"d/f", data, partial(1, "d" * 20))
        dead = storage.resume_upload(token, partial(1, "d" * 20))
        token = saved(dead)
        send(dead, data, [0, 1])
        dead.sync()
        dead.close()  # what the kernel does for a process that is killed
        session = open_place().resume_upload(token, partial(2, "d" * 20))
        assert sorted(session.held_parts) == [0, 1]
        send(session, data)
        session.prepare(b"s" * 32)
        session.commit()
        session.close()
        assert content(storage, b"d/f") == data

    def test_a_checkpoint_is_synced_beside_the_writing(self, storage, data):
        session = storage.resume_upload(begin(storage, b"f", data, who := partial()), who)
        syncing = threading.Thread(target=lambda: [session.sync() for _ in range(20)])
        syncing.start()
        send(session, data)
        syncing.join(60)
        assert not syncing.is_alive()
        session.prepare(b"s" * 32)
        session.commit()
        session.close()
        assert content(storage, b"f") == data

    def test_a_resumed_upload_keeps_its_part_size(self, storage, open_place, data):
        token = begin(storage, b"f", data, who := partial())
        first = storage.resume_upload(token, who)
        first.close()
        session = open_place().resume_upload(saved(first), who)
        assert session.token.part_bytes == token.part_bytes
        session.abort()
        session.close()

    def test_the_same_part_may_be_sent_twice(self, storage, data):
        session = storage.resume_upload(begin(storage, b"f", data, who := partial()), who)
        send(session, data, [0, 0, 1, 0, 2, 3, 3, 1])
        session.prepare(b"s" * 32)
        session.commit()
        session.close()
        assert content(storage, b"f") == data

    def test_other_bytes_for_a_held_part_are_refused_where_nothing_can_be_overwritten(self, storage, open_place, data):
        if storage.capabilities.overwrites_parts:
            pytest.skip(f"{storage.get_storage_type()} overwrites parts")
        session = storage.resume_upload(begin(storage, b"f", data, who := partial()), who)
        send(session, data, [0])
        session.close()
        for held in (session, open_place().resume_upload(saved(session), who)):
            with pytest.raises(UploadGone):
                held.write_part(0, memoryview(bytes(session.token.part_bytes)))
        session.abort()

    def test_a_part_may_be_written_again(self, storage, data):
        needs(storage, "overwrites_parts")
        session = storage.resume_upload(begin(storage, b"f", data, who := partial()), who)
        session.write_part(0, memoryview(bytes(session.token.part_bytes)))
        send(session, data, [0, 0, 1, 2, 3])
        session.prepare(b"s" * 32)
        session.commit()
        session.close()
        assert content(storage, b"f") == data

    def test_parts_may_come_in_any_order(self, storage, data):
        needs(storage, "may_write_parts_in_any_order")
        session = storage.resume_upload(begin(storage, b"f", data, who := partial()), who)
        send(session, data, [3, 1, 0, 2])
        session.prepare(b"s" * 32)
        session.commit()
        session.close()
        assert content(storage, b"f") == data

    def test_written_parts_are_held(self, storage, data):
        session = storage.resume_upload(begin(storage, b"f", data, who := partial()), who)
        send(session, data, [0, 1])
        assert sorted(session.held_parts) == [0, 1]
        send(session, data, [2, 3])
        assert sorted(session.held_parts) == [0, 1, 2, 3]
        session.abort()
        session.close()

    def test_keep_gives_up_what_could_not_be_proved_and_cannot_be_cut_off(self, storage, open_place, data):
        if storage.capabilities.overwrites_parts:
            pytest.skip(f"{storage.get_storage_type()} overwrites parts")
        session = storage.resume_upload(begin(storage, b"f", data, who := partial()), who)
        send(session, data)
        session.keep(3)
        assert sorted(session.held_parts) == [0, 1, 2]
        with pytest.raises(UploadGone):
            session.keep(1)
        session.close()
        with pytest.raises(UploadGone):
            open_place().resume_upload(saved(session), who)

    def test_keep_throws_away_what_could_not_be_proved(self, storage, data):
        needs(storage, "overwrites_parts")
        session = storage.resume_upload(begin(storage, b"f", data, who := partial()), who)
        send(session, data)
        session.keep(1)
        assert sorted(session.held_parts) == [0]
        send(session, data)
        session.prepare(b"s" * 32)
        session.commit()
        session.close()
        assert content(storage, b"f") == data

    def test_a_part_of_the_wrong_length_is_refused(self, storage, data):
        session = storage.resume_upload(begin(storage, b"f", data, who := partial()), who)
        with pytest.raises(ValueError, match="part 0"):
            session.write_part(0, memoryview(b"short"))
        session.abort()
        session.close()

    def test_an_upload_that_lacks_parts_is_never_published(self, storage, data):
        session = storage.resume_upload(begin(storage, b"f", data, who := partial()), who)
        send(session, data, [0])
        with pytest.raises(UploadGone):
            session.prepare(b"s" * 32)
            session.commit()
        session.abort()
        session.close()
        assert not storage.file_exists(b"f")

    def test_parts_are_read_back_before_the_commit(self, storage, data):
        needs(storage, "reads_back_before_commit")
        session = storage.resume_upload(begin(storage, b"f", data, who := partial()), who)
        send(session, data)
        session.drop_cache()
        for number in range(session.token.part_count):
            buffer = memoryview(bytearray(session.token.part_length(number)))
            assert session.read_part(number, buffer) == len(buffer)
            assert buffer == part(session.token, data, number)
        session.abort()
        session.close()

    def test_a_commit_that_nobody_recorded_is_recognised(self, storage, open_place, data):
        session = storage.resume_upload(begin(storage, b"f", data, partial(1, "c" * 20)), partial(1, "c" * 20))
        send(session, data)
        session.prepare(b"s" * 32)
        intent = saved(session)
        session.commit()
        session.close()
        with pytest.raises(AlreadyCommitted) as caught:
            open_place().resume_upload(intent, partial(2, "c" * 20))
        assert identity(caught.value.info) == identity(storage.get_file_info(b"f"))

    def test_a_foreign_file_of_the_same_size_and_time_is_not_our_commit(self, storage, open_place, data):
        needs(storage, "version_tells_content")
        session = storage.resume_upload(begin(storage, b"f", data, partial(1, "e" * 20)), partial(1, "e" * 20))
        send(session, data)
        intent = session.prepare(b"s" * 32)
        put(storage, b"f", bytes(len(data)))
        session.abort()
        session.close()
        with pytest.raises(UploadGone):
            open_place().resume_upload(intent, partial(2, "e" * 20))

    def test_a_prepared_upload_that_was_not_committed_goes_on(self, storage, open_place, data):
        session = storage.resume_upload(begin(storage, b"f", data, partial(1, "f" * 20)), partial(1, "f" * 20))
        send(session, data)
        intent = session.prepare(b"s" * 32)
        session.close()
        again = open_place().resume_upload(intent, partial(2, "f" * 20))
        sent_by_the_commit = [3] if storage.capabilities.commits_with_last_part else []
        assert sorted(again.held_parts) == [number for number in range(4) if number not in sent_by_the_commit]
        send(again, data, sent_by_the_commit)
        again.prepare(b"s" * 32)
        again.commit()
        again.close()
        assert content(storage, b"f") == data

    def test_an_aborted_upload_is_gone(self, storage, open_place, data):
        needs(storage, "tells_gone_uploads")
        session = storage.resume_upload(begin(storage, b"f", data, who := partial()), who)
        send(session, data, [0])
        token = saved(session)
        session.abort()
        session.abort()
        session.close()
        with pytest.raises(UploadGone):
            open_place().resume_upload(token, who)
        assert [info.path for info in storage.list_files()] == []

    def test_close_keeps_everything_and_may_be_called_twice(self, storage, open_place, data):
        session = storage.resume_upload(begin(storage, b"f", data, who := partial()), who)
        send(session, data, [0])
        session.close()
        session.close()
        again = open_place().resume_upload(saved(session), who)
        assert sorted(again.held_parts) == [0]
        again.abort()
        again.close()

    def test_an_upload_is_discarded_by_its_token(self, storage, open_place, data):
        needs(storage, "tells_gone_uploads")
        session = storage.resume_upload(begin(storage, b"d/f", data, partial(3, "7" * 20)), partial(3, "7" * 20))
        send(session, data, [0])
        session.close()
        for _ in range(2):
            open_place().discard_upload(saved(session), partial(4, "7" * 20))
        with pytest.raises(UploadGone):
            storage.resume_upload(saved(session), partial(5, "7" * 20))

    def test_what_older_attempts_left_is_discarded(self, storage, open_place, data):
        needs(storage, "finds_partials")
        session = storage.resume_upload(begin(storage, b"d/f", data, partial(3, "a" * 20)), partial(3, "a" * 20))
        session.close()
        assert open_place().discard_partials(b"d/f", partial(4, "a" * 20)) == 1
        with pytest.raises(UploadGone):
            storage.resume_upload(saved(session), partial(4, "a" * 20))

    @pytest.mark.parametrize("epoch", [4, 5000])
    def test_staging_discards_what_older_attempts_left(self, storage, open_place, data, epoch):
        needs(storage, "finds_partials")
        older = [partial(3, "a" * 20), partial(3, "b" * 20)]
        sessions = [storage.resume_upload(begin(storage, b"d/f", data, who), who) for who in older]
        for session in sessions:
            session.close()
        batch = open_place().write_batch()
        for who in older:
            batch.stage(b"d/" + who.digest.encode(), b"data", PLAIN, who._replace(epoch=epoch))
        if storage.capabilities.has_directories:  # elsewhere an upload belongs to its path
            assert [info.path for info in storage.list_uploads() if b"-3.part" in info.path] == []
        batch.stage(b"d/f", b"data", PLAIN, older[0]._replace(epoch=epoch))
        batch.discard()
        with pytest.raises(UploadGone):
            storage.resume_upload(saved(sessions[0]), older[0])

    def test_what_a_younger_attempt_holds_is_never_discarded(self, storage, data):
        needs(storage, "finds_partials")
        who = partial(3, "b" * 20)
        session = storage.resume_upload(begin(storage, b"d/f", data, who), who)
        session.close()
        assert storage.discard_partials(b"d/f", partial(2, "b" * 20)) == 0
        assert storage.discard_partials(b"d/f", partial(9)) == 0
        assert storage.discard_partials(b"no/where/f", partial(9)) == 0
        storage.resume_upload(saved(session), who).close()

    def test_unfinished_uploads_are_listed_for_the_janitor(self, storage, data):
        needs(storage, "lists_uploads")
        session = storage.resume_upload(begin(storage, b"d/f", data, who := partial()), who)
        send(session, data, [0])
        [found] = storage.list_uploads()
        assert found.size == session.token.part_bytes
        session.abort()
        session.close()
        assert list(storage.list_uploads()) == []

    def test_a_zombie_cannot_publish_over_its_successor(self, storage, open_place, data):
        zombie = storage.resume_upload(begin(storage, b"f", data, partial(1, "9" * 20)), partial(1, "9" * 20))
        send(zombie, data)
        zombie.prepare(b"s" * 32)  # its intent is recorded; now it freezes
        newer = data[::-1]
        successor_storage = open_place()
        who = partial(2, "9" * 20)
        successor_storage.discard_partials(b"f", who)
        successor = successor_storage.resume_upload(begin(successor_storage, b"f", newer, who), who)
        send(successor, newer)
        successor.prepare(b"t" * 32)
        successor.commit()
        successor.close()
        with pytest.raises((UploadGone, PreconditionFailed)):
            zombie.commit()
        zombie.close()
        assert content(storage, b"f") == newer

    def test_an_upload_that_was_overtaken_is_refused(self, storage, data):
        needs(storage, "commits_if_version")
        session = storage.resume_upload(begin(storage, b"f", data, who := partial()), who)
        send(session, data)
        session.prepare(b"s" * 32)
        put(storage, b"f", b"somebody else's")
        with pytest.raises(PreconditionFailed):
            session.commit()
        session.abort()
        session.close()

    def test_a_directory_in_the_way_is_told_before_anything_is_sent(self, storage, data):
        needs(storage, "has_directories")
        put(storage, b"f/inside")
        with pytest.raises(KindConflict):
            storage.resume_upload(begin(storage, b"f", data, who := partial()), who)

    def test_a_file_in_the_place_of_a_directory_is_a_conflict(self, storage, data):
        needs(storage, "has_directories")
        put(storage, b"d")
        with pytest.raises(KindConflict):
            storage.resume_upload(begin(storage, b"d/f", data, who := partial()), who)
        assert storage.get_file_info(b"d").size == 4

    def test_modes_arrive(self, storage, data):
        needs(storage, "has_modes")
        session = storage.resume_upload(begin(storage, b"f", data, who := partial()), who)
        send(session, data)
        session.prepare(b"s" * 32)
        assert session.commit().mode == 0o640
        session.close()

    def test_nothing_can_be_read_at_a_name_that_is_only_being_uploaded(self, storage, data):
        session = storage.resume_upload(begin(storage, b"f", data, who := partial()), who)
        send(session, data, [0])
        with pytest.raises(NotFound):
            storage.open_file(b"f")
        session.abort()
        session.close()
