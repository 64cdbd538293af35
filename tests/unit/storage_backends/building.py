"""A batch that builds new directories, and what is seen of them at the root."""

from storage_backends.base import Attributes, PartialId

TIME = 1_600_000_000_123_456_789
PLAIN = Attributes(mtime_ns=TIME, mode=0o640)
PATHS = [b"d/e/one", b"d/three", b"d/two"]


def who(number: int = 0, epoch: int = 1) -> PartialId:
    return PartialId("0123abcd", f"{number:020x}", epoch)


def staged(storage, paths=PATHS, *, data=b"data", epoch=1):
    batch = storage.write_batch()
    for number, path in enumerate(paths):
        batch.stage(path, data, PLAIN, who(number, epoch))
    batch.flush()
    return batch


def publish(batch, paths=PATHS):
    results = batch.publish(paths)
    batch.discard()
    return results


def files(root):
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir())


def trees(root):
    return [path for path in root.rglob("*") if PartialId.is_reserved(path.name.encode()) and path.is_dir()]
