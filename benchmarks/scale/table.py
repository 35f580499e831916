"""What bench-scale shows, and its bars."""

from typing import Any

MOST_MB, MOST_SECONDS, MOST_TIMES = 1000, 60, 1.5


def as_table(figures: dict[str, Any]) -> str:
    """Markdown, one row a size."""
    names = [f"{who}: {what}" for who in ("check", "Evidently on all rows")
             for what in ("time", "of processors", "memory")]  # fmt: skip
    lines = [f"| rows in the window | {' | '.join(names)} |", "| --- " * (1 + len(names)) + "|"]
    for size in figures["scale"]:
        both = [
            f"{_time(size[name])} | {size[name]['cpu_seconds']:.0f} s | {size[name]['rss_mb']:,} MB"
            for name in ("ours", "evidently")
        ]
        lines.append(f"| {size['rows']:,} | {' | '.join(both)} |")
    return "\n".join(lines)


def _time(found: dict[str, Any]) -> str:
    seconds = f"{found['seconds']:.0f} s"
    return f"failed after {seconds}: {found['failed']}" if "failed" in found else seconds


def missed(figures: dict[str, Any]) -> list[str]:
    """The bars that the largest size does not meet; the ratio is to the smallest."""
    small, large = figures["scale"][0]["ours"], figures["scale"][-1]["ours"]
    found = []
    if large["seconds"] > MOST_SECONDS:
        found.append(f"{large['seconds']:.0f} s; {MOST_SECONDS} at most")
    if large["rss_mb"] > MOST_MB:
        found.append(f"{large['rss_mb']} MB; {MOST_MB} at most")
    if large["seconds"] > MOST_TIMES * small["seconds"]:
        times = large["seconds"] / small["seconds"]
        found.append(f"{times:.1f} times the cost of the smallest window; {MOST_TIMES} at most")
    return found
