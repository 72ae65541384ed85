"""Reads an import file as text: finds its encoding, and names a file that is no text."""

from __future__ import annotations

import codecs
from itertools import pairwise
from pathlib import Path

from server.errors import SetupError

FILE_BYTES_MAX = 256 * 1024 * 1024

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    # The mark of UTF-32 begins with that of UTF-16.
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# The first bytes of a workbook (.xlsx, .ods and .numbers are ZIP archives), and of an old one.
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
_WORKBOOK_NAMES = (".xlsx", ".xlsm", ".xls", ".ods", ".numbers")
SAVE_AS = "save the file as UTF-8 (in Excel: Save as, `CSV UTF-8`)"
# Bytes without a sign in Windows-1252; programs keep them as control characters.
_UNASSIGNED = {0x81, 0x8D, 0x8F, 0x90, 0x9D}


def read_text(path: Path) -> str:
    """The text of a `.csv` or `.json` file, without its byte order mark.

    Raises: SetupError: no such file, too large, another kind of file, or an encoding other than UTF-8 and UTF-16
    """
    name, ending = path.name, path.suffix.lower()
    if ending in _WORKBOOK_NAMES:
        raise SetupError(
            f"{name} is a workbook, not a table of text: save its sheet as `CSV UTF-8`, and import that file"
        )
    if ending not in (".csv", ".json"):
        raise SetupError(f"{name}: the name must end in .csv or .json (docs/import.md)")
    try:
        # A pipe would be waited for, without an end and deaf to signals.
        if path.exists() and not path.is_file():
            raise SetupError(f"{path}: is no file; name a file")
        if path.stat().st_size > FILE_BYTES_MAX:
            raise SetupError(f"{name}: larger than {FILE_BYTES_MAX // 2**20} MiB; split the file")
        data = path.read_bytes()
    except OSError as error:
        raise SetupError(f"{path}: {error.strerror}") from error
    if data.startswith(_WORKBOOKS):
        raise SetupError(
            f"{name} holds a workbook, whatever its name says: open it, save its sheet as `CSV UTF-8`, and import that file"
        )
    mark, encoding = next(((mark, name) for mark, name in _BYTE_ORDER_MARKS if data.startswith(mark)), (b"", ""))
    return _decode(name, data[len(mark) :], encoding or _guess_encoding(data))


def _guess_encoding(data: bytes) -> str:
    """UTF-16 without a mark has a zero byte beside each letter of ASCII; everything else must be UTF-8."""
    head = data[:1000]
    pairs = len(head) // 2
    if pairs and head[1::2].count(0) > pairs / 2:
        return "utf-16-le"
    if pairs and head[0::2].count(0) > pairs / 2:
        return "utf-16-be"
    return "utf-8"


def _decode(name: str, data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        if encoding != "utf-8":
            raise SetupError(f"{name}: byte {error.start} is not {encoding.upper()}; {SAVE_AS}") from error
        line = data.count(b"\n", 0, error.start) + 1
        seen = data[error.start : error.start + 1].decode("cp1252", "replace")
        raise SetupError(
            f"{name}: line {line}: byte {error.start} is not UTF-8 (in Windows-1252 it is `{seen}`); {SAVE_AS}"
        ) from error


def unmangled(text: str) -> str | None:
    """The text that was meant by one such as `MÃ¶tley`, whose UTF-8 was read as Windows-1252 and saved so.

    Gives: None: the text is as it was meant
    """
    if text.isascii():
        return None
    try:
        meant = b"".join(
            bytes([ord(char)]) if ord(char) in _UNASSIGNED else char.encode("cp1252") for char in text
        ).decode()
    except UnicodeError:
        return None
    # A capital with a tilde before a dash, quotation mark or dots may be meant: `AMANHÃ…`.
    is_sure = any(
        not first.isascii() and not second.isascii() and second not in "…–—‘’“”›»" for first, second in pairwise(text)
    )
    return meant if is_sure else None
