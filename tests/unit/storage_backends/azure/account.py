"""An account on Azure that nobody has, and an endpoint where nobody answers."""

import base64

EMULATOR = "?endpoint_url=http://127.0.0.1:1/account1"
KEY = base64.b64encode(b"a secret of 24 bytes, no").decode()
SAS = "sv=2026-01-01&sr=c&sp=rwdl&sig=SECRET%2Bsignature%3D"
