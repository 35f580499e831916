"""The section that an update writes on top of the card of the model that it went on from."""

from collections.abc import Mapping
from typing import Any

from pipeline.cards.document import Section, Table, to_html, to_markdown
from pipeline.cards.facts import figure, interval
from pipeline.cards.quality import MEASURES

TITLE = "An update"
_HEADING = "</h1>\n"


def note_update(
    cards: Mapping[str, bytes], base: str, update: Mapping[str, Any], metrics: Mapping[str, Any]
) -> dict[str, bytes]:
    """Both cards with the section after their heading; the rest stays, as it was of the base.

    Args:
        cards: model_card.md and model_card.html, and whatever else.
        update: as in the manifest: rows, from, until, held_back.
        metrics: of pipeline.evaluation.measures.measure, on the rows that were held back.
    """
    section = _section(base, update, metrics)
    markdown = cards["model_card.md"].decode()
    first, _, rest = markdown.partition("\n")
    note = to_markdown("", [section]).partition("\n")[2]
    page = cards["model_card.html"].decode()
    body = to_html("", [section]).partition(_HEADING)[2].partition("</body>")[0]
    head, mark, tail = page.partition("</h1>")
    return {
        "model_card.md": f"{first}\n{note.rstrip()}\n{rest}".encode(),
        "model_card.html": f"{head}{mark}\n{body.strip()}{tail}".encode(),
    }


def _section(base: str, update: Mapping[str, Any], metrics: Mapping[str, Any]) -> Section:
    rows = [
        (MEASURES[name][0], figure(metrics[name]), interval(metrics["intervals"].get(name)))
        for name in MEASURES if name in metrics
    ]  # fmt: skip
    return Section(
        TITLE,
        (
            f"This is version {base}, which has gone on learning from {update['rows']:,} outcomes "
            f"of {update['from'][:10]} to {update['until'][:10]}. Its preparation, calibration "
            "and threshold are as they were.",
            f"On {update['held_back']:,} later rows, which it has not learned from:",
            Table(("measure", "model", "95 % interval"), tuple(rows)),
            f"What follows is the card of {base}, with the figures of its own time.",
        ),
    )
