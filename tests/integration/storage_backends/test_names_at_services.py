"""A name that a service can't hold is that file's trouble alone: it has its reason, and the others go on."""

import os

import pytest

from tests.unit.engine.doubles import PART, Bench, pattern
from transfers.engine.contracts import Place, Result

TOO_LONG = b"/".join([b"n" * 200] * 6)
REFUSED = {
    "s3": {b"\xff": "SINK_BAD_PATH", TOO_LONG: "SINK_NAME_TOO_LONG"},
    "gcs": {b"\xff": "SINK_BAD_PATH", b"line\nbreak": "SINK_BAD_PATH", TOO_LONG: "SINK_NAME_TOO_LONG"},
    "azure": {
        **{b"\xff": "SINK_BAD_PATH", b"back\\slash": "SINK_BAD_PATH", b"dot.": "SINK_BAD_PATH"},
        TOO_LONG: "SINK_NAME_TOO_LONG",
    },
}


@pytest.mark.parametrize("size", [10, 9 * PART], ids=["small", "large"])
@pytest.mark.parametrize("service", REFUSED)
def test_names_a_service_can_not_hold_fail_alone(tmp_path, request, service, size):
    bench = Bench(tmp_path)
    bench.sink = Place(request.getfixturevalue(f"{service}_url"), b"prefix")
    names = [b"before", *REFUSED[service], b"zz after"]
    for name in names:
        bench.write(os.fsdecode(name), pattern(size))
    works = [
        bench.work(number, "before")._replace(path=name, size=size) for number, name in enumerate(names, start=1)
    ]
    outcomes = dict(zip(names, bench.run(*works), strict=True))
    refused = {name: outcomes[name].reason_code for name in REFUSED[service]}
    assert refused == REFUSED[service]
    assert {outcomes[name].result for name in REFUSED[service]} == {Result.FAILED}
    assert {outcomes[name].result for name in (b"before", b"zz after")} == {Result.COMPLETED}
    bench.storages.close()
