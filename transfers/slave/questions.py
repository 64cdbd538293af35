"""What workers ask while they copy, each answered by one fenced write: is it still ours?"""

from __future__ import annotations

from jobs import uploads
from jobs.models import Slave
from transfers.engine.messages import CheckpointMade, FenceAsked, IntentAsked, Question, SaveToken, TaskKey


def answer(slave: Slave, question: Question) -> set[int]:
    """Ids of the tasks asked about that are still this slave's; written is what the question tells."""
    match question:
        case FenceAsked(keys):
            return uploads.owned(slave, keys)
        case SaveToken(key, token):
            is_ours = uploads.save_token(slave, pair(key), token)
        case CheckpointMade(key, offset, sha256):
            is_ours = uploads.save_checkpoint(slave, pair(key), offset, sha256)
        case IntentAsked(key, sha256, token):
            is_ours = uploads.save_intent(slave, pair(key), sha256, token)
    return {key.task_id} if is_ours else set()


def pair(key: TaskKey) -> uploads.Key:
    """As the tables know it."""
    return key.task_id, key.epoch
