"""The product's settings in a known environment: no .env, no operator's variables, the database of the chosen stack."""

import os

from tests.support import stack

os.environ.update(stack.select(os.environ))

from syncf_site.settings import *

# Child processes are the product, not a test: they read the product's own settings from the same environment.
os.environ["DJANGO_SETTINGS_MODULE"] = "syncf_site.settings"

# Hashing passwords is not what these tests are about.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
