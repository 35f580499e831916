"""What bench-estimate found, as tables for people."""

from collections.abc import Mapping
from typing import Any

SHOWN = {"roc_auc": "ROC AUC", "brier": "Brier", "loss": "log-loss"}
STRETCHES = {"april_to_december": "April to December", "july_to_december": "July to December"}
SYSTEMS = {"first": "the first champion throughout", "operated": "retrained as params.yaml asks"}


def as_tables(figures_: Mapping[str, Any]) -> str:
    """Markdown: errors by system and kind of window, then every month as operated."""
    systems = figures_["systems"]
    parts = [f"Champion: {SYSTEMS[name]}.\n\n{_errors_table(one['summary'])}"
             for name, one in systems.items()]  # fmt: skip
    heads = " | ".join(f"{title}: estimated | realised" for title in SHOWN.values())
    lines = [f"| month | {heads} |", "| --- |" + " --- |" * 2 * len(SHOWN)]
    for one in systems["operated"]["windows"]["months"]:
        cells = [_cell(one["figures"][name]) for name in SHOWN]
        lines.append(f"| {one['start'][:7]} | {' | '.join(cells)} |")
    last = "Its months, with the champion at the end of each:\n\n" + "\n".join(lines)
    return "\n\n".join([*parts, last])


def _errors_table(summaries: Mapping[str, Any]) -> str:
    shown = ("estimated", "before", "naive", "training", "holdout_cbpe")
    lines = [
        "| windows | figure | estimated | without any outcome of the window | last mature month "
        "| as in training | CBPE from March alone | within the interval |",
        "|" + " --- |" * 8,
    ]
    for kind, summary in summaries.items():
        for stretch, when in STRETCHES.items():
            for name, title in SHOWN.items():
                one = summary[stretch][name]
                cells = [f"{one['error'][n]:.4f}" for n in shown]
                held = "cannot be known" if one["held"] is None else f"{one['held']:.0%}"
                lines.append(f"| {one['windows']} {kind}, {when} | {title} | {' | '.join(cells)} "
                             f"| {held} |")  # fmt: skip
    return "\n".join(lines)


def _cell(value: Mapping[str, Any]) -> str:
    interval = "" if value["low"] is None else f" ({value['low']:.3f} to {value['high']:.3f})"
    return f"{value['value']:.3f}{interval} | {value['realised']:.3f}"
