"""What is nobody's any more: partials of tasks that are final, of killed jobs mostly, are removed; tasks that were
claimed without our hearing of it are given back."""

from __future__ import annotations

import logging
from collections.abc import Collection

from jobs import transitions, uploads
from jobs.errors import Refusal
from jobs.models import Slave, Upload
from jobs.sealing import unsealed
from jobs.services import installation
from jobs.storages import job_root, opened
from storage_backends.base import PartialId, UploadToken
from storage_backends.errors import PartialBusy, StorageError
from storage_backends.names import display_path

log = logging.getLogger(__name__)

UPLOADS_AT_ONCE = 20


def remove_abandoned(slave: Slave) -> int:
    """Abort a few unfinished uploads of final tasks; returns how many are gone."""
    done = 0
    for upload in uploads.abandoned(slave, UPLOADS_AT_ONCE):
        try:
            _abort(upload)
        except PartialBusy:
            continue  # its last owner still lets go; the next round finds it free
        except (StorageError, Refusal) as error:
            log.warning("the partial of %s could not be removed: %s", display_path(bytes(upload.task.path)), error)
            continue
        uploads.forget(upload)
        done += 1
    return done


def let_go_of_strays(slave: Slave, held: Collection[int]) -> None:
    """Give back what is the slave's by the database and in nobody's hand; `held` are the ids of what is."""
    if count := transitions.let_go(slave, held):
        log.warning("%d tasks were claimed without our hearing of it; they wait again", count)


def _abort(upload: Upload) -> None:
    task = upload.task
    path = bytes(task.path)
    partial = PartialId.of(installation().identifier, str(task.job_id), path, task.epoch + 1)
    with opened(job_root(task.job, "sink")) as sink:
        if not upload.token:
            sink.discard_partials(path, partial)
            return
        try:
            token = UploadToken.from_json(unsealed(upload.token))
        except (ValueError, KeyError, TypeError):  # written by another version: all that is left is its name
            sink.discard_partials(path, partial)
            return
        sink.discard_upload(token, partial)
