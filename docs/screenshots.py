"""Takes the pictures of the README from a running system, with Chromium: `python -m docs.screenshots`.

The system is the product, made for this and gone afterwards: one job that is through, one with a file that could not
arrive, and one with a limit on its speed, whose page is taken while it copies.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from tests.acceptance.browser import Visitor, chromium
from tests.acceptance.processes import Processes, eventually
from tests.acceptance.product import Product
from tests.support import stack
from tests.support.databases import SqliteTemplate

IMAGES = Path(__file__).parent / "images"
NAME, PASSWORD = "admin", "only-for-tests"
MB = 1 << 20
#: How long the slow job has copied when its picture is taken: the columns of a few minutes are to be seen.
COPYING_SECONDS = 110


def main() -> None:
    """Write docs/images/overview.png and job.png."""
    IMAGES.mkdir(exist_ok=True)
    os.environ.update(stack.select(os.environ))
    with tempfile.TemporaryDirectory(prefix="syncf-pictures-") as directory:
        home = Path(directory)
        template = SqliteTemplate(home)
        with template.copy() as url, Processes(home / "logs") as processes:
            product = Product(processes, database_url=url, base=home / "base")
            try:
                _take(product, *_begin(product))
            finally:
                product.close()


def _begin(product: Product) -> tuple[str, str]:
    """Everything runs; the address of the site and the path of the slow job's page."""
    product.manage("collectstatic", "--noinput", "--verbosity", "0")
    _fill(product.base)
    address = product.start_web().address
    product.start_scheduler()
    product.start_slave("slave-001", concurrency=3)  # one more than there are films: the other jobs don't wait for them
    product.create_job("documents", "archive/documents", name="documents", interval=900)
    product.create_job("scans", "archive/scans", name="scans", interval=3600)
    job = product.create_job("photos", "archive/photos", name="photos", interval=300, bytes_per_second=3 * MB)
    return address, f"/admin/jobs/job/{job}/change/"


def _fill(base: Path) -> None:
    """Three sources, and a directory at a sink where a file belongs."""
    for number in range(200):
        _write(base / "documents" / f"{number // 20:02}" / f"letter-{number:03}.txt", 40_000)
        _write(base / "photos" / "2026" / f"picture-{number:03}.jpg", 500_000)
    for name in ("film-1.mp4", "film-2.mp4"):
        _write(base / "photos" / name, 300 * MB)
    _write(base / "scans" / "contract.pdf", 2 * MB)
    _write(base / "scans" / "invoice.pdf", 1 * MB)
    (base / "archive" / "scans" / "invoice.pdf").mkdir(parents=True)


def _write(path: Path, size: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(os.urandom(min(size, MB)) * max(1, size // MB))


def _take(product: Product, address: str, page_of_job: str) -> None:
    sent = "SELECT sum(copied_bytes) FROM jobs_task"
    eventually(
        lambda: (product.value(sent) or 0) > COPYING_SECONDS * 3 * MB, 4 * COPYING_SECONDS, "the job to copy", every=5
    )
    with chromium() as browser:
        visitor = Visitor(browser, address, size={"width": 1280, "height": 1000})
        visitor.sign_in(NAME, PASSWORD)
        visitor.go("/admin/").screenshot(path=IMAGES / "overview.png")
        page = visitor.go(page_of_job)
        page.wait_for_selector("[data-live=flight] table")
        page.screenshot(path=IMAGES / "job.png")
        assert not visitor.complaints, visitor.complaints


if __name__ == "__main__":
    main()
