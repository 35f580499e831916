"""How columns are prepared inside a model's Pipeline, so that serving repeats it by construction.

Only steps that ONNX holds exactly (docs/adr/0004): a missing value is marked by a constant and a
threshold, since SimpleImputer's own indicator does not convert; rare categories are grouped by
contracts/transformers.py.
"""

from typing import Any

from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import KFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    Binarizer,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
    TargetEncoder,
)

from contracts.params import Train
from contracts.schema import MAGNITUDE_LIMIT, FeatureSchema
from contracts.transformers import DateParts, RareGrouper

# Beyond every number that a row may hold, within float32.
_MARK = 3e38
TARGET_ENCODER_FOLDS = 5

Branch = tuple[str, Any, list[int]]


def prepare_for_linear(schema: FeatureSchema, train: Train) -> ColumnTransformer:
    """Medians for what is missing, with an indicator; scaled; categories one-hot or by target."""
    few, many = _text_positions(schema, train)
    branches: list[Branch] = [
        ("numbers", _impute_and_scale(), _number_positions(schema)),
        ("missing", _indicator(), _nullable_positions(schema)),
        ("dates", make_pipeline(DateParts(), _impute_and_scale()), _date_positions(schema)),
        ("few categories", _one_hot(train), few),
    ]
    if schema.target.task == "multiclass":  # a target encoding of many classes does not convert
        branches.append(("many categories", _one_hot(train), many))
    else:
        encode = make_pipeline(_target_encoder(schema, train), StandardScaler())
        branches.append(("many categories", encode, many))
    return _columns(branches)


def prepare_for_forest(schema: FeatureSchema, train: Train) -> ColumnTransformer:
    """Medians for what is missing, with an indicator: a forest in ONNX knows no missing values."""
    few, many = _text_positions(schema, train)
    impute = SimpleImputer(strategy="median", keep_empty_features=True)
    dates = make_pipeline(DateParts(), SimpleImputer(strategy="median", keep_empty_features=True))
    return _columns(
        [
            ("numbers", impute, _number_positions(schema)),
            ("missing", _indicator(), _nullable_positions(schema)),
            ("dates", dates, _date_positions(schema)),
            ("categories", _encode_for_trees(schema, train), sorted(few + many)),
        ]
    )


def prepare_for_boosting(schema: FeatureSchema, train: Train) -> ColumnTransformer:
    """Numbers as they are, for boosted trees choose a side for what is missing."""
    few, many = _text_positions(schema, train)
    return _columns(
        [
            ("numbers", "passthrough", _number_positions(schema)),
            ("dates", DateParts(), _date_positions(schema)),
            ("categories", _encode_for_trees(schema, train), sorted(few + many)),
        ]
    )


def prepare_for_lightgbm(schema: FeatureSchema, train: Train) -> ColumnTransformer:
    """As for boosting, but categories by number: its thresholds do not fit target encodings."""
    few, many = _text_positions(schema, train)
    return _columns(
        [
            ("numbers", "passthrough", _number_positions(schema)),
            ("dates", DateParts(), _date_positions(schema)),
            ("categories", _by_number(train), sorted(few + many)),
        ]
    )


def _columns(branches: list[Branch]) -> ColumnTransformer:
    return ColumnTransformer([branch for branch in branches if branch[2]], sparse_threshold=0)


def _impute_and_scale() -> Pipeline:
    return make_pipeline(
        SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler()
    )


def _indicator() -> Pipeline:
    mark = SimpleImputer(strategy="constant", fill_value=_MARK, keep_empty_features=True)
    return make_pipeline(mark, Binarizer(threshold=2 * MAGNITUDE_LIMIT))


def _one_hot(train: Train) -> Pipeline:
    group = RareGrouper(train.min_category_rows, train.max_one_hot)
    return make_pipeline(group, OneHotEncoder(handle_unknown="ignore", sparse_output=False))


def _target_encoder(schema: FeatureSchema, train: Train) -> TargetEncoder:
    folds = KFold(TARGET_ENCODER_FOLDS, shuffle=True, random_state=train.seed)
    # Said, not guessed: whole numbers of a regression would count as classes.
    kind = "continuous" if schema.target.task == "regression" else "binary"
    return TargetEncoder(cv=folds, target_type=kind)


def _encode_for_trees(schema: FeatureSchema, train: Train) -> Any:
    """By target, which shrinks rare categories to the mean; by number where that cannot convert."""
    if schema.target.task != "multiclass":
        return _target_encoder(schema, train)
    return _by_number(train)


def _by_number(train: Train) -> Pipeline:
    group = RareGrouper(train.min_category_rows, train.max_one_hot)
    return make_pipeline(
        group, OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    )


def _number_positions(schema: FeatureSchema) -> list[int]:
    """Positions in the model frame: numbers, then pairs of datetimes, then texts."""
    return list(range(len(schema.numeric)))


def _nullable_positions(schema: FeatureSchema) -> list[int]:
    nullable = {feature.name for feature in schema.features if feature.nullable}
    return [i for i, name in enumerate(schema.numeric) if name in nullable]


def _date_positions(schema: FeatureSchema) -> list[int]:
    return list(range(len(schema.numeric), len(schema.matrix_columns)))


def _text_positions(schema: FeatureSchema, train: Train) -> tuple[list[int], list[int]]:
    """Texts of few and of many categories."""
    features = {feature.name: feature for feature in schema.features}
    few: list[int] = []
    many: list[int] = []
    for i, name in enumerate(schema.categorical, len(schema.matrix_columns)):
        (few if len(features[name].categories) <= train.max_one_hot else many).append(i)
    return few, many
