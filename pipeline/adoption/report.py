"""What adoption tells a person: what was decided, why, and what comes next."""

import json
import shlex
from collections.abc import Sequence

from pipeline.adoption.infer import Findings
from pipeline.adoption.write_params import describe

WIDTH = 118
NAME_WIDTH = 32
MOST_LINES = 60
MOST_EXAMPLE = 40


def report(findings: Findings, notes: Sequence[str], params: str) -> str:
    """Lines of at most WIDTH characters, names and requests aside where they are longer."""
    answer, wish, splitting = findings.answer, findings.wish, findings.splitting
    rare = f"; left out, too rare: {list(answer.ignored)[:5]}" if answer.ignored else ""
    classes = f"; classes {list(answer.classes)[:10]}, rows {list(answer.counts)[:10]}{rare}"
    said = [
        f"{findings.rows} rows; {answer.rows} with a known answer",
        f"task {answer.task} ({answer.why}){classes if answer.classes else ''}",
        f"split {splitting.split}; rows before {splitting.until} (UTC) are learned from"
        + (f"; time of a row: {wish.timestamp}" if wish.timestamp else ""),
        *notes,
        *findings.hints,
    ]
    features = [(c.name, c.kind, describe(c)) for c in findings.features]
    left_out = [(name, "-", reason) for name, reason in findings.left_out.items()]
    lines = [
        *(_cut(f"{wish.target}: " * (not i) + line) for i, line in enumerate(said)),
        "",
        f"{len(features)} features:",
        *_table(features, params),
        *(["", f"{len(left_out)} columns left out:", *_table(left_out, params)] * bool(left_out)),
        "",
        f"{params} is written; change there what you know better. Next:",
        "  dvc repro        # train, evaluate and package a first model",
        "  make run         # train if needed, serve on port 8000 and watch",
        *_request(findings),
    ]
    return "\n".join(lines) + "\n"


def _table(rows: Sequence[tuple[str, str, str]], params: str) -> list[str]:
    shown = rows[:MOST_LINES]
    width = min(NAME_WIDTH, max((len(_plain(name)) for name, _, _ in shown), default=0))
    lines = [_cut(f"  {_plain(n)[:width]:<{width}}  {kind:<11}  {said}") for n, kind, said in shown]
    more = len(rows) - len(shown)
    return [*lines, f"  ... and {more} more, see {params}"] if more else lines


def _request(findings: Findings) -> list[str]:
    """A request for the first row, broken between features."""
    if len(findings.first) > MOST_EXAMPLE:
        return ["  then see localhost:8000/docs for a request that can be pasted"]
    pairs = [
        f"{json.dumps(k, ensure_ascii=False)}: {json.dumps(v, ensure_ascii=False)}"
        for k, v in findings.first.items()
    ]
    lines, line = [], '{"features": {'
    for i, pair in enumerate(pairs):
        text = pair + (", " if i < len(pairs) - 1 else "}}")
        if len(line) + len(text) > WIDTH - 10:
            lines.append(line)
            line = " "
        line += text
    body = shlex.quote("\n".join([*lines, line]))
    ask = '  curl -s localhost:8000/predict -H "X-API-Key: $PERENNIAL_API_KEY" --json \\'
    return [
        "  export PERENNIAL_API_KEY=...  # the key that `make run` prints",
        ask,
        *body.splitlines(),
    ]


def _plain(text: str) -> str:
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in text)


def _cut(line: str) -> str:
    plain = _plain(line)
    return plain if len(plain) <= WIDTH else plain[: WIDTH - 3] + "..."
