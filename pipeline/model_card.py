"""The model card: what a person reads before trusting a bundle."""

from collections.abc import Mapping
from typing import Any

from contracts.schema import Feature, FeatureSchema

TEMPLATE = """\
# Model card: {target}

A {candidate} that answers the probability of `{target} = {positive}`; from {threshold} upwards it
predicts {positive}, below {negative}.

- Learned from {rows:,} rows, {trained_from} to {trained_until}.
- Parameters: {values}. Probabilities are calibrated by a sigmoid.
- ONNX and scikit-learn differ by at most {parity:.1e} on held-out and hostile rows.

## Quality

On the newest {metrics[rows]:,} rows, each answered by this recipe fitted on earlier rows only:

| measure | model | always the training rate |
|---|---|---|
| ROC AUC | {metrics[roc_auc]:.4f} | 0.5 |
| log-loss | {metrics[log_loss]:.4f} | {metrics[baseline_log_loss]:.4f} |
| Brier | {metrics[brier]:.4f} | {metrics[baseline_brier]:.4f} |
| F1 / precision / recall | {metrics[f1]:.3f} / {metrics[precision]:.3f} / {metrics[recall]:.3f} | |
| accuracy | {metrics[accuracy]:.3f} | |

## Features

| name | kind | may be missing | seen in training |
|---|---|---|---|
{features}

## Limits

The past it learned from ends at the date above: check `/reports` for what has changed since. It
says nothing about causes. Rows outside the ranges above are answered, but were never seen.
"""


def write_model_card(
    schema: FeatureSchema,
    chosen: Mapping[str, Any],
    metrics: Mapping[str, Any],
    origin: Mapping[str, Any],
    parity: float,
) -> str:
    """Markdown; the same inputs give the same bytes."""
    negative, positive = schema.target.classes
    values = ", ".join(f"{key} = {value}" for key, value in chosen["values"].items())
    return TEMPLATE.format(
        target=schema.target.name,
        candidate=chosen["candidate"].replace("_", " "),
        positive=positive,
        negative=negative,
        threshold=schema.target.threshold,
        rows=origin["rows"],
        trained_from=origin["trained_from"][:10],
        trained_until=origin["trained_until"][:10],
        values=values,
        parity=parity,
        metrics=metrics,
        features="\n".join(_feature_row(feature) for feature in schema.features),
    )


def _feature_row(feature: Feature) -> str:
    if feature.kind == "categorical":
        seen = f"{len(feature.categories)} categories"
    else:
        seen = f"{feature.low} to {feature.high}"
    return f"| {feature.name} | {feature.kind} | {'yes' if feature.nullable else 'no'} | {seen} |"
