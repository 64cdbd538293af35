"""A token that is a bearer secret is never readable in the database."""

import pytest

from jobs import uploads
from jobs.models import Upload
from jobs.sealing import sealed, unsealed
from jobs.uploads import memories
from storage_backends.base import Attributes, UploadToken
from tests.unit.jobs import builders

URI = "https://upload.example/session?upload_id=bearer"
SECRET = UploadToken("gcs", b"f", 9, 9, "v", "n", Attributes(), {"uri": URI}, is_secret=True).to_json()
PLAIN = UploadToken("local", b"f", 9, 9, "v", "n", Attributes(), {"name": '"is_secret": true'}).to_json()


def test_a_secret_token_comes_back_as_it_was():
    assert unsealed(sealed(SECRET)) == SECRET


def test_a_secret_token_can_not_be_read_without_the_key():
    assert "upload_id" not in sealed(SECRET) and "bearer" not in sealed(SECRET)


@pytest.mark.parametrize("token", ["", PLAIN])
def test_other_tokens_are_kept_as_they_are(token):
    assert sealed(token) == token == unsealed(token)


def test_a_token_of_an_older_key_is_opened_while_that_is_a_fallback(settings):
    old = sealed(SECRET)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another", [settings.SECRET_KEY]
    assert unsealed(old) == SECRET


def test_a_token_of_a_lost_key_is_no_token(settings):
    old = sealed(SECRET)
    settings.SECRET_KEY = "another"
    with pytest.raises(ValueError):
        UploadToken.from_json(unsealed(old))


def test_a_secret_token_does_not_show_its_state():
    assert "bearer" not in repr(UploadToken.from_json(SECRET))


@pytest.mark.django_db
@pytest.mark.parametrize("save", ["token", "intent"])
def test_the_database_holds_secret_tokens_sealed(job, slave, save):
    task = builders.claim_one(slave, job, size=100)
    key = (task.id, task.epoch)
    if save == "token":
        assert uploads.save_token(slave, key, SECRET)
    else:
        assert uploads.save_intent(slave, key, builders.DIGEST, SECRET)
    assert "bearer" not in Upload.objects.get().token
    assert memories([task.id])[task.id].token == SECRET
