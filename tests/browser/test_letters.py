"""Letters as a phone shows them."""

from __future__ import annotations

from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from playwright.async_api import Browser

from server.mail.items import CONFIRMATION, confirmation_about
from tests.browser.checks import findings
from tests.browser.pages import PHONE
from tests.browser.sample import LONG_ARTIST, LONG_VENUE
from tests.unit.mail.test_composer import COMPOSER, ITEM, NOW

pytestmark = pytest.mark.asyncio(loop_scope="session")

DIGEST = [
    ITEM,
    replace(ITEM, id=2, kind="show_result", artist=LONG_ARTIST, venue=LONG_VENUE, status="finished", songs=["x" * 90]),
]
CONFIRM = [replace(ITEM, kind=CONFIRMATION, about=confirmation_about("fan@example.org", 1))]
WIDTHS = "() => [document.documentElement.scrollWidth, innerWidth]"


@pytest.mark.parametrize("language", ["en", "es", "ja"])
async def test_a_letter_fits_a_phone(language: str, browser: Browser) -> None:
    """However long a name, a title or the token of a link: a letter that is wider than the screen is shown too small to read."""
    page = await browser.new_page(viewport=PHONE, is_mobile=True)
    try:
        for items in (DIGEST, CONFIRM):
            email = COMPOSER.compose(
                [replace(item, language=language) for item in items], message_id="<a@example.org>", now=NOW
            )
            message = message_from_bytes(email.data, policy=policy.SMTP)
            assert isinstance(message, EmailMessage)
            html = message.get_body(("html",))
            assert html is not None
            await page.set_content(html.get_content())
            width, screen = await page.evaluate(WIDTHS)
            assert (width, screen) == (PHONE["width"], PHONE["width"])
            assert await findings(page, "color-contrast", "link-name", "html-has-lang", "meta-viewport") == []
    finally:
        await page.close()
