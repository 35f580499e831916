"""One version, loaded and proven able to answer."""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from contracts.bundle import load_bundle
from contracts.bundle_files import BundleError
from contracts.schema import FeatureSchema
from service.answer.decoder import Decoder
from service.answer.predictor import Predictor


@dataclass(frozen=True)
class Serving:
    """One version, ready to answer. A request keeps the one that it began with."""

    decoder: Decoder
    predictor: Predictor

    @property
    def version(self) -> str:
        return self.predictor.version

    @property
    def schema(self) -> FeatureSchema:
        return self.predictor.schema


def load_serving(bundles: Path, version: str, max_rows: int) -> Serving:
    """Load, verify and warm a registered bundle.

    Raises:
        BundleError: it is not whole, or its own example does not predict.
    """
    bundle = load_bundle(bundles / version)
    if bundle.version != version:
        raise BundleError(f"{bundles / version} holds {bundle.version}")
    predictor = Predictor(bundle)
    decoder = Decoder(bundle.schema, max_rows)
    row = decoder.decode(msgspec.json.encode({"features": bundle.schema.example()}))
    predictor.read(predictor.answers(row.numeric, row.text))
    return Serving(decoder, predictor)
