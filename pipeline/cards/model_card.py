"""The model card: what a person reads before trusting a bundle."""

from pipeline.cards.document import Section, to_html, to_markdown
from pipeline.cards.evidence import (
    choice_section,
    importance_section,
    trust_section,
    weakness_section,
)
from pipeline.cards.facts import CardFacts
from pipeline.cards.origin import (
    answer_section,
    data_section,
    features_section,
    serving_section,
    use_section,
)
from pipeline.cards.quality import quality_section


def write_model_card(facts: CardFacts) -> str:
    """Markdown, without pictures; the same facts give the same bytes."""
    return to_markdown(_title(facts), _sections(facts))


def write_html_card(facts: CardFacts) -> str:
    """One HTML file with pictures, no script, nothing to load; the same facts, the same bytes."""
    return to_html(_title(facts), _sections(facts))


def _title(facts: CardFacts) -> str:
    return f"Model card: {facts.schema.target.name}"


def _sections(facts: CardFacts) -> list[Section]:
    return [
        answer_section(facts),
        use_section(facts),
        data_section(facts),
        quality_section(facts),
        trust_section(facts),
        weakness_section(facts),
        importance_section(facts),
        choice_section(facts),
        features_section(facts),
        serving_section(facts),
    ]
