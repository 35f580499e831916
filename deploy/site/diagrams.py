"""Mermaid diagrams as SVG, drawn at build time: the theme would have readers load 3 MB from a CDN.

Colours come from site.css, so that they follow the light and the dark scheme.
"""

import importlib.util
import json
import re

_DIAGRAM = re.compile(r"^```mermaid\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_OWN_STYLE = re.compile(r"<style>.*?</style>", re.DOTALL)
_BEHIND_LABELS = "fill:hsl(-120, 0%, 80%)"


def draw_diagrams(markdown: str) -> str:
    """Every mermaid block as a picture; where merman has no wheel, the blocks stay as they are."""
    if "```mermaid" not in markdown or importlib.util.find_spec("merman") is None:
        return markdown
    numbers = iter(range(1000))
    return _DIAGRAM.sub(lambda block: _figure(block[1], f"diagram-{next(numbers)}"), markdown)


def _figure(source: str, name: str) -> str:
    import merman

    # Labels as SVG text; the other pipelines put HTML into the picture.
    engine = merman.MermanEngine(options_json='{"svg":{"pipeline":"resvg-safe"}}', services=None)
    drawn = engine.render_svg(source, json.dumps({"svg": {"diagram_id": name}}))
    svg = _OWN_STYLE.sub("", drawn).replace("\n", " ")
    svg = svg.replace(_BEHIND_LABELS, "fill:var(--md-default-bg-color)")
    return f'<figure class="diagram" tabindex="0">{svg}</figure>'
