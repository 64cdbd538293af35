"""Encryption at rest of upload tokens that are bearer secrets: whoever reads such a token may write in our name.

The key is derived from SECRET_KEY; keys in SECRET_KEY_FALLBACKS still open what was sealed before a change. A token
that no key opens is handed out as it stands: it is no token, so the upload starts over.
"""

from __future__ import annotations

import base64
import logging
from typing import TYPE_CHECKING

from django.conf import settings
from django.utils.encoding import force_bytes

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet

log = logging.getLogger(__name__)

_PREFIX = "sealed:1:"
_SECRET = '"is_secret": true'
"""As `UploadToken.to_json` writes it; inside of its strings the quotes would be escaped."""


def sealed(token: str) -> str:
    """`token` (an `UploadToken` as JSON) as the database may hold it: encrypted if it is a secret."""
    if _SECRET not in token:
        return token
    return _PREFIX + _keys().encrypt(token.encode()).decode()


def unsealed(text: str) -> str:
    """The inverse of `sealed`."""
    if not text.startswith(_PREFIX):
        return text
    from cryptography.fernet import InvalidToken

    try:
        return _keys().decrypt(text.removeprefix(_PREFIX)).decode()
    except InvalidToken:
        log.warning("an upload token was sealed with another SECRET_KEY; its upload starts over")
        return text


def _keys() -> MultiFernet:
    """Imported late: most jobs have no secret token."""
    from cryptography.fernet import Fernet, MultiFernet
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    def derive(key: str | bytes) -> Fernet:
        drawn = HKDF(SHA256(), 32, salt=None, info=b"syncf upload token").derive(force_bytes(key))
        return Fernet(base64.urlsafe_b64encode(drawn))

    return MultiFernet([derive(key) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)])
