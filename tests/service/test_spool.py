"""The spool alone, on real files: what is acknowledged stays, whatever happens to the bytes."""

import resource
from pathlib import Path

import pytest

from service.ledger.slots import SpoolUnusableError, slots_with_records
from service.ledger.spool import (
    Position,
    SpoolFullError,
    SpoolWriteError,
    open_spool,
)

BUDGET = 1_000_000
PAYLOADS = [b'"first"', b'"a second, longer one"', b'"third"']


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def fill(directory: Path, payloads: list[bytes] = PAYLOADS, budget: int = BUDGET) -> Path:
    """A spool as a killed process leaves it; gives its only segment."""
    spool = open_spool(directory, budget)
    for at, payload in enumerate(payloads, 1):
        spool.append(payload, 1, 0, at)
    spool.close()
    (segment,) = directory.glob("0/*.spool")
    return segment


def payloads(directory: Path) -> list[bytes | None]:
    """What a new process would replay; None = damaged."""
    spool = open_spool(directory, BUDGET)
    found = []
    while spool.waiting:
        chunk = spool.read()
        found += [record.payload for record in chunk.records]
        if chunk.records:
            spool.forget(chunk.end)
    spool.close()
    return found


def ends(segment: Path) -> list[int]:
    """Where each of PAYLOADS' records ends."""
    size = segment.stat().st_size - sum(map(len, PAYLOADS))
    header = size // len(PAYLOADS)
    return [sum(map(len, PAYLOADS[: i + 1])) + header * (i + 1) for i in range(len(PAYLOADS))]


def test_what_was_appended_is_read_in_order(directory: Path) -> None:
    fill(directory)
    spool = open_spool(directory, BUDGET)
    assert (spool.rows, spool.oldest_at, spool.in_use) == (3, 1, True)
    spool.append(b'"fourth"', 2, 0, 4)
    first = spool.read()
    assert [record.payload for record in first.records] == PAYLOADS
    spool.forget(first.end)
    assert (spool.rows, [one.payload for one in spool.read().records]) == (2, [b'"fourth"'])
    spool.close()


def test_a_tail_that_is_torn_at_any_byte_loses_only_itself(directory: Path) -> None:
    segment = fill(directory)
    whole, borders = segment.read_bytes(), ends(segment)
    for size in range(len(whole)):
        segment.write_bytes(whole[:size])
        complete = sum(end <= size for end in borders)
        assert payloads(directory) == PAYLOADS[:complete], size


def test_a_flipped_bit_anywhere_loses_only_its_record(directory: Path) -> None:
    segment = fill(directory)
    whole, borders = segment.read_bytes(), ends(segment)
    for byte in range(len(whole)):
        for bit in (0, 3, 7):
            damaged = bytearray(whole)
            damaged[byte] ^= 1 << bit
            segment.write_bytes(damaged)
            hit = sum(end <= byte for end in borders)
            expected = [None if i == hit else one for i, one in enumerate(PAYLOADS)]
            assert payloads(directory) == expected, (byte, bit)


def test_rubbish_between_records_is_told_and_passed_over(directory: Path) -> None:
    segment = fill(directory)
    whole, borders = segment.read_bytes(), ends(segment)
    rubbish = b"\xff\xfePS" * 20_000
    segment.write_bytes(whole[: borders[0]] + rubbish + whole[borders[0] :])
    assert payloads(directory) == [PAYLOADS[0], None, *PAYLOADS[1:]]


def test_beyond_its_budget_it_refuses_until_something_is_replayed(directory: Path) -> None:
    spool = open_spool(directory, 8_000)
    with pytest.raises(SpoolFullError, match="PERENNIAL_SPOOL_MAX_BYTES"):
        for at in range(1, 100):
            spool.append(b"x" * 400, 1, 0, at)
    assert 0.8 < spool.fill <= 1
    kept = spool.rows
    spool.forget(spool.read().end)
    spool.append(b"x" * 400, 1, 0, 100)
    assert spool.rows <= kept
    spool.close()


def test_a_record_that_the_disk_refuses_is_not_kept_and_the_next_one_is(directory: Path) -> None:
    spool = open_spool(directory, BUDGET)
    spool.append(PAYLOADS[0], 1, 0, 1)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))  # less than the next record
    try:
        with pytest.raises(SpoolWriteError, match="cannot be written"):
            spool.append(b"x" * 200, 1, 0, 2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    spool.append(PAYLOADS[1], 1, 0, 3)
    assert spool.rows == 2
    spool.close()
    assert payloads(directory) == PAYLOADS[:2]


def test_segments_are_deleted_once_they_are_replayed(directory: Path) -> None:
    spool = open_spool(directory, 80_000)  # so that a segment has 10,000 bytes
    for at in range(1, 31):
        spool.append(b"x" * 1_000, 1, 0, at)
    files = len(list(directory.glob("0/*.spool")))
    assert files > 3
    while spool.waiting:
        spool.forget(spool.read().end)
    assert (spool.rows, spool.oldest_at) == (0, None)
    spool.rest()
    assert (list(directory.glob("0/*.spool")), spool.bytes) == ([], 0)
    spool.append(PAYLOADS[0], 1, 0, 1)
    assert spool.read().segment == files + 1
    spool.close()


def test_records_larger_than_one_reading_are_read(directory: Path) -> None:
    large = [b"x" * 3_000_000, b"y" * 10]
    spool = open_spool(directory, 10 * BUDGET)
    for payload in large:
        spool.append(payload, 1, 0, 1)
    found = []
    while spool.waiting:
        chunk = spool.read()
        found += [record.payload for record in chunk.records]
        spool.forget(chunk.end)
    spool.close()
    assert found == large


def test_each_process_has_its_own_slot_and_adopts_one_that_is_free(directory: Path) -> None:
    first, second = open_spool(directory, BUDGET), open_spool(directory, BUDGET)
    assert first.slot != second.slot
    assert first.id != second.id
    second.append(PAYLOADS[0], 1, 0, 1)
    second.close()
    assert slots_with_records(directory) == [second.slot]
    third = open_spool(directory, BUDGET)
    assert (third.slot, third.id, third.rows) == (second.slot, second.id, 1)
    first.close()
    third.close()


def test_a_slot_without_records_begins_under_a_new_name(directory: Path) -> None:
    spool = open_spool(directory, BUDGET)
    spool.append(PAYLOADS[0], 1, 0, 1)
    spool.forget(spool.read().end)
    assert spool.position > Position(0, 0)
    spool.rest()
    spool.close()
    again = open_spool(directory, BUDGET)
    assert again.id != spool.id
    again.close()


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SpoolUnusableError, match="PERENNIAL_SPOOL_DIR"):
        open_spool(tmp_path / "file", BUDGET)


def test_reading_never_runs_past_what_was_acknowledged(directory: Path) -> None:
    segment = fill(directory)
    spool = open_spool(directory, BUDGET)
    with segment.open("ab") as file:
        file.write(segment.read_bytes())
    assert len(spool.read().records) == len(PAYLOADS)
    spool.close()
