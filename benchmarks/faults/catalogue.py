"""Every fault, and how often it is injected; the bugs that the suite must find."""

from dataclasses import dataclass

from benchmarks.faults import damage, database, disk, processes, versions
from benchmarks.faults.setting import Setting
from benchmarks.faults.surroundings import (
    Figures,
    Inject,
    on_postgresql,
    on_small_disk,
    on_sqlite,
)
from benchmarks.faults.traced import power_cut


@dataclass(frozen=True)
class Fault:
    """How it is injected, and how often: usually, and when there is little time."""

    inject: Inject
    usual: int
    few: int


@dataclass(frozen=True)
class Control:
    """A bug of seeded.py, the fault that must find it, as what, and in how many trials."""

    bug: str
    fault: str
    harm: str
    trials: int


async def _power_cut(setting: Setting) -> Figures:
    return (await power_cut(setting, spooling=False)).as_json()


async def _power_cut_while_spooling(setting: Setting) -> Figures:
    return (await power_cut(setting, spooling=True)).as_json()


FAULTS: dict[str, Fault] = {
    "kill_sqlite": Fault(
        on_sqlite(lambda it: processes.killed(it.bench, it.service)), 200, 4
    ),
    "kill_postgresql": Fault(
        on_postgresql(lambda it: processes.killed(it.bench, it.service)), 50, 2
    ),
    "kill_while_spooling": Fault(
        on_sqlite(lambda it: database.killed_while_locked(it.bench, it.service)), 50, 2
    ),
    "locked_after_kill": Fault(
        on_sqlite(lambda it: database.locked_after_kill(it.bench, it.service)), 20, 1
    ),
    "sigterm": Fault(on_sqlite(lambda it: processes.restarted(it.bench, it.service)), 20, 2),
    "swap_and_rollback": Fault(on_sqlite(lambda it: versions.swapped(it.bench)), 400, 20),
    "sqlite_locked": Fault(
        on_sqlite(lambda it: database.locked(it.bench, it.setting.seconds(20))), 5, 1
    ),
    "disk_full_database": Fault(
        on_small_disk(lambda it: disk.full(it.bench, it.setting.seconds(5)), spool_too=False), 10, 1
    ),
    "disk_full_everything": Fault(
        on_small_disk(lambda it: disk.full(it.bench, it.setting.seconds(5)), spool_too=True), 10, 1
    ),
    "postgresql_stopped": Fault(
        on_postgresql(lambda it: database.stopped(it.bench, it.server, it.setting.seconds(60))),
        3, 1,
    ),
    "postgresql_black_hole": Fault(
        on_postgresql(lambda it: database.swallowed(it.bench, it.proxy, it.setting.seconds(60))),
        3, 1,
    ),
    "postgresql_refused": Fault(
        on_postgresql(lambda it: database.refused(it.bench, it.proxy, it.setting.seconds(20))),
        5, 1,
    ),
    "postgresql_slow": Fault(
        on_postgresql(lambda it: database.slow(it.bench, it.proxy, it.setting.seconds(20))), 5, 1
    ),
    "ambiguous_commit": Fault(
        on_postgresql(lambda it: database.ambiguous(it.bench, it.service, it.proxy)), 200, 20
    ),
    "spool_damaged_read": Fault(
        on_sqlite(lambda it: damage.read_damaged(it.bench, it.service)), 10_000, 200
    ),
    "spool_damaged_replay": Fault(
        on_sqlite(lambda it: damage.replay_damaged(it.bench, it.service)), 50, 2
    ),
    "power_cut": Fault(_power_cut, 1000, 30),
    "power_cut_while_spooling": Fault(_power_cut_while_spooling, 1000, 30),
}  # fmt: skip

# The suite itself is tested: each of these bugs must be found.
CONTROLS: dict[str, Control] = {
    f"control_{control.bug}": control
    for control in (
        Control("no_sync", "power_cut", "lost", 30),
        Control("spool_no_sync", "power_cut_while_spooling", "lost", 30),
        Control("spool_unchecked", "spool_damaged_replay", "torn", 15),
        Control("answer_before_write", "kill_sqlite", "lost", 3),
        Control("answers_swapped", "swap_and_rollback", "mismatched", 3),
        Control("rows_rounded", "swap_and_rollback", "torn", 3),
        Control("keys_forgotten", "locked_after_kill", "duplicated", 1),
    )
}


def trials_of(name: str, *, quick: bool) -> int:
    """How often a fault, or a control's, is injected."""
    if name in CONTROLS:
        return CONTROLS[name].trials
    return FAULTS[name].few if quick else FAULTS[name].usual
