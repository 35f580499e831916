"""Three judges of a body must agree: the typed parser, the exact rules, the documented schema."""

import json
import re
from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Any

import jsonschema
import numpy as np
import pytest
from fastapi import FastAPI
from hypothesis import event, given, settings
from hypothesis import strategies as st

from contracts.schema import Feature, FeatureSchema, Target
from service.answer.decoder import Decoder, InvalidRequestError
from service.answer.typed import make_parser
from service.answer.values import make_column
from service.api.document import describe_api
from service.routes import outcomes, wanted

MAX_ROWS = 3
FEATURES = (
    Feature("whole", "integer", False),
    Feature("großes ☃.x", "integer", True, missing=("NA", "-")),
    Feature("number", "numeric", False),
    Feature("gap", "numeric", True),
    Feature("mark", "numeric", True, missing=("NA",)),
    Feature("text", "categorical", False),
    Feature("blank", "categorical", True),
    Feature("none", "categorical", True, missing=("NA", "-")),
    Feature("flag", "boolean", False, words=("no", "yes")),
    Feature("maybe", "boolean", True, missing=("NA",)),
    Feature("when", "datetime", True),
)
TARGET = Target("late", classes=(0, 1))
PLAIN = FeatureSchema(FEATURES[2:7], TARGET, "event_time")  # no value of these is changed
EVERY = FeatureSchema(FEATURES, TARGET, "event_time")
ODD = FeatureSchema((Feature('a "quoted" \\ name', "numeric", False),), TARGET, "event_time")
SCHEMAS = {"plain": PLAIN, "every kind": EVERY, "odd names": ODD}

INTEGERS = ["0", "-0", "17", "17.0", "1e2", "9007199254740992", "9007199254740993",
            "-9007199254740992.0", "1e16", "1" + "0" * 30, "1" + "0" * 31]  # fmt: skip
NUMBERS = [*INTEGERS, "0.1", "-0.0", "1.5e-7", "1e30", "1.0000001e30", "1e400", "NaN", "-Infinity"]
TEXTS = ["", "a", "NA", "-", "yes", "YES", "no", "ü", "☃", "\u2028", "\x85", '"', "\\", "\\u0000",
         "\0", "\n", "x" * 1000, "x" * 1001, "2013-04-01T12:00:00Z", "1960-02-29T23:59:59.5+02:00",
         "2013-02-29T00:00:00Z", "noon"]  # fmt: skip
OTHERS = ["null", "true", "false", "[]", "{}", '"\\ud800"', "01", "nul", ""]
FITTING = {
    "integer": INTEGERS[:6],
    "numeric": [*INTEGERS, *NUMBERS[11:15]],
    "categorical": [json.dumps(text) for text in TEXTS[1:9]],
    "boolean": ["true", "false", "0", "1", '"yes"', '"No"'],
    "datetime": [json.dumps(text) for text in TEXTS[18:20]],
}


def texts() -> st.SearchStrategy[str]:
    """JSON texts, written with and without escapes."""
    text = st.sampled_from(TEXTS) | st.text(max_size=5)
    return st.builds(json.dumps, text, ensure_ascii=st.booleans())


def tokens() -> st.SearchStrategy[str]:
    """JSON values of any kind, a few of them broken."""
    numbers = st.integers().map(str) | st.floats().map(json.dumps)
    return st.sampled_from(NUMBERS) | st.sampled_from(OTHERS) | numbers | texts()


def value_of(feature: Feature) -> st.SearchStrategy[str]:
    fitting = [*FITTING[feature.kind], *(["null"] if feature.nullable else [])]
    fitting += [json.dumps(mark) for mark in feature.missing]
    return st.sampled_from(fitting)


@st.composite
def rows(draw: Callable[[Any], Any], schema: FeatureSchema) -> str:
    """A row, by name or by place, mostly valid."""
    pairs = [(json.dumps(f.name), draw(value_of(f))) for f in schema.features]
    changes = draw(st.sampled_from([0, 0, 0, 0, 0, 1, 2]))
    for _ in range(changes):
        place = draw(st.integers(0, len(pairs) - 1))
        pairs[place] = (pairs[place][0], draw(tokens()))
    drop = draw(st.sampled_from([None] * 2 * len(pairs) + [*range(len(pairs))]))
    if drop is not None:
        del pairs[drop]
    if draw(st.booleans()):
        return "[" + ",".join(value for _, value in pairs) + "]"
    if changes and draw(st.booleans()):  # a name that is unknown, or there twice
        pairs.append((draw(st.sampled_from(['"other"', pairs[0][0] if pairs else '""'])), "1"))
    pairs = draw(st.permutations(pairs))
    return "{" + ",".join(f"{name}:{value}" for name, value in pairs) + "}"


@st.composite
def bodies(draw: Callable[[Any], Any], schema: FeatureSchema) -> bytes:
    """A request of one of the three forms, mostly valid."""
    odd = draw(st.sampled_from([False] * 19 + [True]))
    if draw(st.booleans()):
        parts = ['"features":' + (draw(tokens()) if odd else draw(rows(schema)))]
    else:
        many = draw(st.lists(rows(schema), min_size=0 if odd else 1, max_size=MAX_ROWS + odd))
        parts = ['"instances":[' + ",".join(many) + "]"]
    if odd:
        parts += draw(st.lists(st.sampled_from(['"x":1', '"features":[]', '"instances":[]'])))
    if draw(st.sampled_from([False, False, True])):
        moments = st.sampled_from(FITTING["datetime"])
        parts.append('"event_time":' + draw(tokens() if odd else moments))
    return ("{" + ", ".join(draw(st.permutations(parts))) + "}").encode("utf-8", "surrogatepass")


@cache
def decoder_of(schema: FeatureSchema) -> Decoder:
    return Decoder(schema, MAX_ROWS)


def outcome_of(decode: Callable[[bytes], Any], body: bytes) -> object:
    """What becomes of a body, in a form that compares."""
    try:
        found = decode(body)
    except InvalidRequestError as error:
        return error.problems
    numeric = np.array([list(row) for row in found.numeric], np.float32)
    text = [list(row) for row in found.text]
    return numeric.tobytes(), numeric.shape, text, found.features, found.event_time


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_the_typed_parser_and_the_exact_rules_agree(
    schema: FeatureSchema, data: st.DataObject
) -> None:
    body = data.draw(bodies(schema))
    decoder = decoder_of(schema)
    found = outcome_of(decoder.decode, body)
    event("refused" if isinstance(found, list) else "taken")
    assert found == outcome_of(decoder.decode_exactly, body)


@pytest.mark.parametrize("schema", [PLAIN, EVERY], ids=["plain", "every kind"])
def test_the_typed_parser_takes_the_usual_forms(schema: FeatureSchema) -> None:
    parse = make_parser(schema.features, [make_column(f) for f in schema.features], MAX_ROWS)
    named = {f.name: json.loads(FITTING[f.kind][0]) for f in schema.features}
    required = {f.name: named[f.name] for f in schema.features if not f.nullable}
    for form in (named, required, list(named.values())):
        for body in ({"features": form}, {"instances": [form, named]}):
            assert parse(json.dumps(body).encode()) is not None


@pytest.mark.parametrize("schema", [PLAIN, EVERY], ids=["plain", "every kind"])
@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_the_decoder_and_the_documented_schema_agree(
    schema: FeatureSchema, data: st.DataObject
) -> None:
    body = data.draw(bodies(schema))
    taken = not isinstance(outcome_of(decoder_of(schema).decode, body), list)
    event("taken" if taken else "refused")
    assert taken == is_documented(schema, body)


def is_documented(schema: FeatureSchema, body: bytes) -> bool:
    """Whether a body is JSON that the OpenAPI document allows."""
    try:
        value = json.loads(body, parse_constant=_refuse)
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except ValueError:  # not JSON, no UTF-8, or half a surrogate pair: no schema can say so
        return False
    return validator_of(schema).is_valid(value)


@cache
def validator_of(schema: FeatureSchema) -> jsonschema.Draft202012Validator:
    app = FastAPI()
    app.include_router(outcomes.router)
    app.include_router(wanted.router)
    document = describe_api(app, schema, "v", MAX_ROWS)
    content = document["paths"]["/predict"]["post"]["requestBody"]["content"]
    form = {**content["application/json"]["schema"], "components": document["components"]}
    return jsonschema.Draft202012Validator(form, format_checker=CHECKER)


CHECKER = jsonschema.FormatChecker(())


@CHECKER.checks("date-time")
def _is_moment(value: object) -> bool:
    if not isinstance(value, str):
        return True
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", value):
        return False
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


def _refuse(name: str) -> object:
    raise ValueError(f"{name} is not JSON")
