"""The spool's record: a header that checks itself, then JSON. Pure: bytes in, bytes out.

A header is MAGIC, the payload's length, its rows, its keys, when it was written, the payload's
CRC-32 and the CRC-32 of all that. JSON is UTF-8 and MAGIC cannot occur in UTF-8, so whoever looks
for the next record after damage never takes a payload for one.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

MAGIC = b"\xff\xfePS"
_FIELDS = struct.Struct(">4sIIIQI")
_CHECK = struct.Struct(">I")
HEADER_BYTES = _FIELDS.size + _CHECK.size


class Header(NamedTuple):
    """What a record says about itself."""

    length: int  # of the payload, bytes
    rows: int
    keys: int
    at: int  # microseconds since 1970
    crc: int


class Record(NamedTuple):
    """What lies between two offsets of a segment; `payload` None = damaged.

    Attributes:
        rows: of the header; 0 where that is damaged too.
    """

    start: int
    end: int
    rows: int
    keys: int
    at: int
    payload: bytes | None


def pack(payload: bytes, rows: int, keys: int, at: int) -> bytes:
    """A whole record."""
    fields = _FIELDS.pack(MAGIC, len(payload), rows, keys, at, zlib.crc32(payload))
    return fields + _CHECK.pack(zlib.crc32(fields)) + payload


def scan(data: bytes, start: int, complete: bool) -> Iterator[Record]:
    """The records of a segment's bytes, in order, with the damage between them.

    A record that is cut off is not given: it was never whole on disk, so nobody was answered.

    Args:
        start: offset of data[0] in the segment; the records' offsets are the segment's.
        complete: nothing follows `data`, so damage at its end is damage and not yet to be read.
    """
    at = 0
    while at + HEADER_BYTES <= len(data):
        header = _header(data, at)
        if header is None:
            following = _next_header(data, at + 1)
            if following < 0 and not complete:
                return
            end = len(data) if following < 0 else following
            yield Record(start + at, start + end, 0, 0, 0, None)
        else:
            end = at + HEADER_BYTES + header.length
            if end > len(data):
                return
            yield _record(header, start + at, data[at + HEADER_BYTES : end])
        at = end


def _record(header: Header, start: int, payload: bytes) -> Record:
    whole = zlib.crc32(payload) == header.crc
    end = start + HEADER_BYTES + header.length
    return Record(start, end, header.rows, header.keys, header.at, payload if whole else None)


def _header(data: bytes, at: int) -> Header | None:
    checked = at + _FIELDS.size
    if not data.startswith(MAGIC, at) or len(data) < checked + _CHECK.size:
        return None
    if _CHECK.unpack_from(data, checked)[0] != zlib.crc32(data[at:checked]):
        return None
    return Header(*_FIELDS.unpack_from(data, at)[1:])


def _next_header(data: bytes, at: int) -> int:
    """Where the next sound header begins; -1 = nowhere."""
    at = data.find(MAGIC, at)
    while at >= 0 and _header(data, at) is None:
        at = data.find(MAGIC, at + 1)
    return at
