"""A package of an SDK that is installed and broken is told in one sentence, also where it is imported when something
asks for it: with the storage's kind, the package's error, and what to type."""

import json
import os
import subprocess
import sys

import pytest

from storage_backends.objects.http import BUNDLES
from tests.support.databases import ROOT

NOBODY = "endpoint_url=http://127.0.0.1:1"
#: Package that raises when it is imported → the URL of a storage that comes to need it.
BROKEN = {
    "boto3": f"s3://bucket?{NOBODY}",
    "botocore.config": f"s3://bucket?{NOBODY}",
    "google.auth": "gs://bucket",
    "google.auth.transport.urllib3": "gs://bucket",
    "google.cloud.storage": f"gs://bucket?{NOBODY}",
    "urllib3": "gs://bucket",
    "azure.storage.blob": f"azure://account1/container?{NOBODY}/account1",
    "azure.identity": "azure://account1/container",
}
#: What a scheduler does first. The finder is asked for every module before all others.
LISTED = """
import importlib.abc, importlib.util, sys

class Broken(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path, target=None):
        return importlib.util.spec_from_loader(name, self) if name == sys.argv[1] else None

    def exec_module(self, module):
        raise AttributeError("half of it\\nis missing")

sys.meta_path.insert(0, Broken())
from storage_backends.errors import ConfigurationError
from storage_backends.registry import open_storage

try:
    list(open_storage(sys.argv[2]).list_files())
except ConfigurationError as error:
    print(error)
"""
#: For Google: a key that is nobody's, of the right shape.
KEY = {"type": "authorized_user", "client_id": "c", "client_secret": "s", "refresh_token": "t"}


@pytest.mark.parametrize(("package", "url"), BROKEN.items(), ids=BROKEN.keys())
def test_a_package_that_is_broken_when_it_is_needed_is_told_as_one_that_is_at_once(package, url, tmp_path):
    (tmp_path / "key").write_text(json.dumps(KEY))
    variables = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "GOOGLE_APPLICATION_CREDENTIALS": "key"}
    variables |= dict.fromkeys(BUNDLES, "")  # our own way to the service is open
    if package != "azure.identity":
        variables["AZURE_STORAGE_KEY"] = "a2V5"
    environment = {**os.environ, **variables, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", LISTED, package, url]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    scheme = url.partition(":")[0]
    extra = {"gs": "gcs"}.get(scheme, scheme)
    assert done.stdout == (
        f"{scheme}:// can't be used, because what it needs is broken (AttributeError: half of it is missing); "
        f"install it anew: {sys.executable} -m pip install --require-hashes -r requirements/{extra}.txt "
        "--force-reinstall\n"
    )
