"""A real browser that looks at the running product, and complains of whatever the page's makers would not see."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from tests.servers.packages import find_program

FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
)
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
SERIOUS = {"serious", "critical"}


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's, installed if need be; ServerMissing says what to type where it can't be."""
    program = find_program("/usr/bin/chromium", "chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(program), args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


def _said(message: ConsoleMessage) -> str:
    return f"{message.text} ({message.location.get('url', '')})"


class Visitor:
    """Somebody signed in, at one width and in one colour scheme."""

    def __init__(
        self, browser: Browser, url: str, *, size: dict[str, int] = WIDE, scheme: str = "light", **options: Any
    ) -> None:
        self.complaints: list[str] = []
        self._url = url
        context = browser.new_context(viewport=size, color_scheme=scheme, reduced_motion="reduce", **options)
        context.set_default_timeout(15_000)
        self.page: Page = context.new_page()
        self.page.on("console", lambda said: said.type == "error" and self.complaints.append(_said(said)))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def sign_in(self, name: str, password: str) -> None:
        """By the form."""
        self.go("/admin/login/?next=/admin/")
        self.page.fill("#id_username", name)
        self.page.fill("#id_password", password)
        self.page.click("input[type=submit]")
        self.page.wait_for_url("**/admin/")

    def go(self, address: str) -> Page:
        """To an address of the site."""
        self.page.goto(self._url + address)
        return self.page

    def look(self, size: dict[str, int], scheme: str) -> None:
        """At the page at hand through another window."""
        self.page.set_viewport_size({"width": size["width"], "height": size["height"]})
        self.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce")

    def hide(self, is_hidden: bool) -> None:
        """Tell the page that its tab went to the background, or came back: no tab of this browser ever does."""
        self.page.evaluate(
            """hidden => {
                Object.defineProperty(document, "hidden", { get: () => hidden, configurable: true });
                document.dispatchEvent(new Event("visibilitychange"));
            }""",
            is_hidden,
        )

    def hurdles(self) -> list[str]:
        """What keeps somebody with a screen reader or a keyboard out, on the page at hand."""
        # Without its own requests for style sheets: it asks for those of an @import at the page's address.
        found = Axe().run(self.page, options={"preload": False, "resultTypes": ["violations"]}).response["violations"]
        return [
            f"{rule['id']}: {node['target']} {node['html'][:200]}"
            for rule in found
            if rule["impact"] in SERIOUS
            for node in rule["nodes"]
        ]

    def sticks_out(self) -> int:
        """By how many pixels the page is wider than the window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))
