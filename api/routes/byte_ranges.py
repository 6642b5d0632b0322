"""Byte ranges (RFC 9110, section 14): which part of a file a request asks for."""

from __future__ import annotations

import re

ONE_RANGE = re.compile(r"bytes=(\d{1,18})-(\d{1,18})?|bytes=-(\d{1,18})")


def wanted_part(header: str | None, size: int) -> range | None:
    """The bytes of a file that a `Range` header asks for.

    Args:
        header: As it was sent, if it was.
        size: Bytes of the file.

    Returns:
        The positions; all of them without a header, and where it is of another unit, malformed or asks for several ranges,
        which may be ignored. None where nothing of the range lies in the file: to be answered with 416.

    >>> wanted_part("bytes=4-", 10), wanted_part("bytes=-3", 10), wanted_part("bytes=10-", 10)
    (range(4, 10), range(7, 10), None)
    """
    found = ONE_RANGE.fullmatch("" if header is None else header.replace(" ", ""))
    if found is None or (found[2] is not None and int(found[2]) < int(found[1])):
        return range(size)
    if found[3] is not None:
        part = range(max(0, size - int(found[3])), size)
    else:
        part = range(int(found[1]), min(size, size if found[2] is None else int(found[2]) + 1))
    return part or None
