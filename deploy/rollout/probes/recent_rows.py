"""Inside a replica: the newest different rows that the champion answered; argument: how many."""

import json
import sys

from sqlalchemy import select

from contracts.database import make_engine
from contracts.registry import champion
from contracts.settings import Settings
from contracts.tables import predictions

READ = 20  # rows for each that is wanted: clients repeat themselves


def main() -> None:
    most = int(sys.argv[1])
    engine = make_engine(Settings().database_url, pooled=False)
    with engine.connect() as connection:
        current = champion(connection)
        version = current.version if current else ""
        newest = (
            select(predictions.c.features, predictions.c.prediction, predictions.c.probability)
            .where(predictions.c.model_version == version)
            .order_by(predictions.c.prediction_id.desc())
            .limit(READ * most)
        )
        found: dict[str, tuple[str, float | None]] = {}
        for features, prediction, chance in connection.execute(newest):
            found.setdefault(features, (prediction, chance))
    rows = [[json.loads(f), json.loads(p), chance] for f, (p, chance) in found.items()][:most]
    json.dump({"version": version, "rows": rows}, sys.stdout)


if __name__ == "__main__":
    main()
