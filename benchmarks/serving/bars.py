"""What the figures of bench-serve must reach, and the tables that show them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

Figures = Mapping[str, float]
Results = Mapping[str, Mapping[str, Figures]]  # system -> connections ("c16") -> figures

MEGABYTE = 1e6


@dataclass(frozen=True)
class Bar:
    """One promise. `at_least` says which side of `bar` and `aim` is the good one."""

    name: str
    value: float
    bar: float
    aim: float
    at_least: bool = True

    @property
    def passed(self) -> bool:
        return self.value >= self.bar if self.at_least else self.value <= self.bar

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "passed": self.passed}


def judge(
    results: Results, large: Mapping[str, Figures], rss_bytes: float, start_seconds: float
) -> list[Bar]:
    """Every bar of the service with durable SQLite and access control.

    Args:
        results: medians of requests/s, p50 and p99 in ms.
        large: the same of requests with many rows, with their rows/s.
    """
    sqlite, echo, tutorial = results["sqlite"], results["echo"], results["tutorial"]
    fastest = max(figures["rps"] for figures in tutorial.values())
    rows_per_second = max(figures["rows_per_second"] for figures in large.values())
    middle = sqlite["c16"]
    return [
        Bar("requests/s of the echo's, 64 connections",
            sqlite["c64"]["rps"] / echo["c64"]["rps"], 0.35, 0.6),
        Bar("requests/s of the tutorial's best, 64 connections",
            sqlite["c64"]["rps"] / fastest, 80, 200),
        Bar("p99 in ms, 16 connections", middle["p99_ms"], 4, 4, at_least=False),
        Bar("p99 of the p50, 16 connections",
            middle["p99_ms"] / middle["p50_ms"], 8, 8, at_least=False),
        Bar("rows/s of large requests", rows_per_second, 100_000, 200_000),
        Bar("memory after the load in MB", rss_bytes / MEGABYTE, 150, 150, at_least=False),
        Bar("start to first answer in s", start_seconds, 1.5, 0.6, at_least=False),
    ]  # fmt: skip


def results_table(results: Results) -> str:
    """Markdown, one row per system and number of connections."""
    rows = [
        [name, key[1:], f"{f['rps']:,.0f}", f"{f['rps'] / results['echo'][key]['rps']:.3f}",
         f"{f['cpu_us']:,.0f}", f"{f['p50_ms']:.2f}", f"{f['p99_ms']:.2f}", f"{f['errors']:.0f}"]
        for name, found in results.items()
        for key, f in found.items()
    ]  # fmt: skip
    head = ["system", "connections", "requests/s", "of the echo", "CPU µs", "p50 ms", "p99 ms",
            "errors"]  # fmt: skip
    return _table(head, rows)


def large_table(large: Results) -> str:
    """Markdown, one row per system and number of connections."""
    rows = [
        [name, key[1:], f"{f['rps']:,.0f}", f"{f['rows_per_second']:,.0f}", f"{f['p50_ms']:.1f}",
         f"{f['p99_ms']:.1f}", f"{f['errors']:.0f}"]
        for name, found in large.items()
        for key, f in found.items()
    ]  # fmt: skip
    head = ["1,000 rows a request", "connections", "requests/s", "rows/s", "p50 ms", "p99 ms",
            "errors"]  # fmt: skip
    return _table(head, rows)


def bars_table(bars: Sequence[Mapping[str, Any]]) -> str:
    """Markdown, one row per bar, from Bar.as_json."""
    rows = [
        [bar["name"], f"{bar['value']:,.2f}", f"{'≥' if bar['at_least'] else '≤'} {bar['bar']:,g}",
         f"{bar['aim']:,g}", "yes" if bar["passed"] else "NO"]
        for bar in bars
    ]  # fmt: skip
    return _table(["what", "measured", "bar", "aim", "passed"], rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
