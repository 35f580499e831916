"""Which version answers a request; pure. The rule itself is in contracts/traffic.py."""

import json
from dataclasses import dataclass

from contracts.schema import FeatureSchema
from contracts.traffic import Rule, arm_of, entity_key
from service.answer.decoder import Decoded, Decoder
from service.versions.serving import Serving


@dataclass(frozen=True)
class Lineup:
    """Who answers, and by which rule; one object, so that a request never sees half a change.

    Attributes:
        rule: None = the champion answers everything.
        other: the rule's version.
        alike: whether both versions read rows alike.
    """

    champion: Serving
    rule: Rule | None = None
    other: Serving | None = None
    alike: bool = True

    @property
    def is_shadowed(self) -> bool:
        """Whether the other version is asked, and never answers."""
        return self.rule is not None and self.rule.mode == "shadow"


def make_lineup(champion: Serving, rule: Rule | None, other: Serving | None) -> Lineup:
    """The line-up of a rule; without its other version the champion answers everything."""
    if rule is None or other is None:
        return Lineup(champion)
    alike = _reading(champion.schema) == _reading(other.schema)
    return Lineup(champion, rule, other, alike)


def drawn(lineup: Lineup, decoded: Decoded) -> Serving | None:
    """The other version, if the rule draws it for this request; None = it does not.

    The first row decides for all, because one version answers a request whole.
    """
    rule = lineup.rule
    if rule is None or decoded.first_id is None:
        return None
    key = decoded.first_id
    if rule.entity is not None:
        key = entity_key(decoded.features[0], rule.entity)
    return lineup.other if arm_of(rule, key) == "other" else None


def reread(decoded: Decoded, decoder: Decoder) -> Decoded:
    """The same rows as another version reads them.

    Raises:
        InvalidRequestError: it refuses a value that the champion takes.
    """
    rows: list[object] = [json.loads(features) for features in decoded.features]
    return decoder.decode_rows(rows, decoded.event_time).with_first_id(decoded.first_id)


def _reading(schema: FeatureSchema) -> list[tuple[object, ...]]:
    """All that decides how rows are read."""
    return [(f.name, f.kind, f.nullable, f.missing, f.words) for f in schema.features]
