"""Sections of the model card about what it answers, what it learned from and how it is served."""

from contracts.params import Params
from contracts.schema import Feature, Target
from pipeline.cards.document import Block, Bullets, Section, Table
from pipeline.cards.facts import CardFacts, figure
from pipeline.evaluation.slices import moment_text
from pipeline.evaluation.texts import plain, short_number

SHOWN_CLASSES, SHOWN_CATEGORIES, SHOWN_FINDINGS = 12, 5, 30
SPLITS = {
    "time": "the newest {days} days, cut into {folds} folds; each is answered by the same recipe "
    "fitted on earlier rows only",
    "stratified": "a random {share:.0%} with the same share of every class, cut into {folds} "
    "folds; each is answered by the same recipe fitted without it",
    "grouped": "a random {share:.0%}, where rows with the same {id} stay together, cut into "
    "{folds} folds; each is answered by the same recipe fitted without it",
    "shuffled": "a random {share:.0%}, cut into {folds} folds; each is answered by the same "
    "recipe fitted without it",
}


def answer_section(facts: CardFacts) -> Section:
    """What a row's answer means, and how it becomes a decision."""
    target, data = facts.schema.target, facts.params.data
    writers = {"binary": _binary, "multiclass": _multiclass, "regression": _regression}
    blocks: list[Block] = [writers[target.task](target, facts.params)]
    if data.ignored_classes:
        names = ", ".join(plain(label) for label in data.ignored_classes)
        blocks.append(f"Rows whose {plain(target.name)} is {names} were left out: it has neither "
                      "learned from them nor been judged on them.")  # fmt: skip
    return Section("What it answers", tuple(blocks))


def use_section(facts: CardFacts) -> Section:
    """What it is made for, and what it is not."""
    until = facts.origin["trained_until"][:10]
    points = [
        "Made for rows of the same source and meaning as the table it learned from, with features "
        "that are known at the moment of the question.",
        "Values outside the ranges listed under Features are answered, but were never seen.",
        "It finds what goes together; it says nothing about causes.",
        "It was not examined for fairness between groups of people. The weakest segments below "
        "say where its loss is largest, not why.",
    ]
    if facts.params.data.timestamp:
        points.insert(1, f"Its past ends on {until}: the reports of the monitoring say what has "
                      "changed since.")  # fmt: skip
    return Section("Intended use and limits", (Bullets(tuple(points)),))


def data_section(facts: CardFacts) -> Section:
    """What it learned from, and how it was judged."""
    origin, data, judging = facts.origin, facts.params.data, facts.params.evaluate
    span = ""
    if data.timestamp:
        span = f", {origin['trained_from'][:10]} to {origin['trained_until'][:10]} (UTC)"
    how = SPLITS[data.split].format(days=judging.holdout_days, share=judging.holdout_share,
                                    folds=judging.folds, id=plain(data.id))  # fmt: skip
    blocks: list[Block] = [
        f"It learned from {origin['rows']:,} rows{span}.",
        f"It was judged on {facts.metrics['rows']:,} rows: {how}.",
    ]
    if facts.schema.target.classes:
        blocks.append(_class_table(facts))
    if facts.findings:
        blocks += ["The validation of the table found:", _findings_table(facts)]
    return Section("Data", tuple(blocks))


def features_section(facts: CardFacts) -> Section:
    """Every feature with the values that were seen."""
    rows = tuple(
        (feature.name, feature.kind, "yes" if feature.nullable else "no", _seen(feature))
        for feature in facts.schema.features
    )
    head = ("name", "kind", "may be missing", "seen in training")
    return Section("Features", (Table(head, rows),))


def serving_section(facts: CardFacts) -> Section:
    """ONNX, or why not."""
    if facts.parity is not None:
        text = (
            "It is served by ONNX Runtime. Its answers differ from scikit-learn's by at most "
            f"{facts.parity:.1e} on held-out and hostile rows."
        )
    else:
        reason = plain(facts.skops_reason, 400) or "ONNX would answer differently."
        text = f"It is served from scikit-learn (model.skops), which is slower: {reason}"
    return Section("How it is served", (text,))


def _binary(target: Target, params: Params) -> str:
    negative, positive = (plain(label) for label in target.classes)
    cost = params.evaluate.cost
    rule = (
        "the largest F1 on rows that it had not learned from"
        if cost is None
        else f"the smallest cost, {cost.false_positive:g} for each false {positive} and "
        f"{cost.false_negative:g} for each missed one"
    )
    return (
        f"The probability that {plain(target.name)} is {positive}. From {target.threshold:g} "
        f"upwards it predicts {positive}, below {negative}; this threshold gave {rule}."
    )


def _multiclass(target: Target, _: Params) -> str:
    names = [plain(label) for label in target.classes]
    more = len(names) - SHOWN_CLASSES
    listed = ", ".join(names[:SHOWN_CLASSES]) + (f" and {more} more" if more > 0 else "")
    return (
        f"The probability of each of {len(names)} classes of {plain(target.name)}: {listed}. It "
        "predicts the likeliest one."
    )


def _regression(target: Target, _: Params) -> str:
    text = f"The value of {plain(target.name)}."
    if target.margin is None or target.coverage is None:
        return text
    return (
        f"{text} The true value is expected within {figure(target.margin)} of the answer for "
        f"{target.coverage:.0%} of rows."
    )


def _class_table(facts: CardFacts) -> Table:
    truths = facts.judged.truths.astype(int).tolist()
    classes = facts.schema.target.classes
    counts = [truths.count(k) for k in range(len(classes))]
    order = sorted(range(len(classes)), key=lambda k: (-counts[k], k))[:SHOWN_CLASSES]
    rows = [(str(classes[k]), f"{counts[k]:,}", f"{counts[k] / len(truths):.1%}") for k in order]
    return Table(("class", "held-out rows", "share"), tuple(rows))


def _findings_table(facts: CardFacts) -> Table:
    head = tuple(str(key) for key in facts.findings[0])
    shown = facts.findings[:SHOWN_FINDINGS]
    return Table(head, tuple(tuple(str(each.get(key, "")) for key in head) for each in shown))


def _seen(feature: Feature) -> str:
    if feature.kind == "categorical":
        names = ", ".join(plain(name, 20) for name in feature.categories[:SHOWN_CATEGORIES])
        more = len(feature.categories) - SHOWN_CATEGORIES
        return f"{names} and {more} more" if more > 0 else names or "nothing"
    if feature.low is None or feature.high is None:
        return "nothing"
    if feature.kind == "boolean":
        return "false and true" if feature.low < feature.high else str(bool(feature.low)).lower()
    shown = moment_text if feature.kind == "datetime" else short_number
    return f"{shown(feature.low)} to {shown(feature.high)}"
