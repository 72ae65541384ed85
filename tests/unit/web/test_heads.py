"""The head that the server puts into a page."""

from __future__ import annotations

import re
from pathlib import Path

from server.web.heads import Head, with_document, with_head

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "static" / "index.html").read_text("utf-8")


def test_the_page_has_what_is_replaced() -> None:
    """Title and description are replaced, not doubled; with a backslash in a name too."""
    head = Head(title=r"A \1 \g<0>", description="\\d & more", path="/x", data={"name": "</script>"})
    text = with_head(PAGE, head, "https://a.example")
    assert re.findall("<title>.*</title>", text) == [
        r"<title>A \1 \g<0> | MySetlist</title>".replace("<0>", "&lt;0&gt;")
    ]
    assert re.findall('<meta name="description".*>', text) == ['<meta name="description" content="\\d &amp; more">']
    assert '<link rel="canonical" href="https://a.example/x">' in text
    assert '{"name":"\\u003c/script>"}' in text
    assert text.count("</head>") == 1


def test_a_document_ends_no_script() -> None:
    """Whatever a document holds, it stays inside its element."""
    text = with_document(PAGE, "show", {"title": "</head></script><!--"})
    assert text.count("</head>") == 1
    assert "\\u003c/head>\\u003c/script>\\u003c!--" in text
