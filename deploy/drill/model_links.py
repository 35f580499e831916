"""Links of the model: a world that turns upside down, and a model that should never have answered.

The scheduler's job runs in a thread while alarm, alert, governor, retrain, gate and swap each look
for its own trace.
"""

import json

from sqlalchemy import select

from contracts.tables import decisions
from deploy.drill.flights import upside_down
from deploy.drill.place import BAD, lay_over
from deploy.drill.probe import Probe
from deploy.drill.stage import LinkBrokenError, Stage
from monitoring.attempts import RefusedError
from monitoring.recorded import last_facts
from monitoring.retrain import Outcome, run_retrain
from monitoring.triggers import of_person

HARM_DAYS, LATER_DAYS, PROBATION_DAYS = 28, 14, 10
# Nobody waits so long but on a busy machine, or for a link that is cut.
CHECK_SECONDS, ALERT_SECONDS, RETRAIN_SECONDS, SWAP_SECONDS = 600.0, 45.0, 900.0, 45.0


def alarm(stage: Stage) -> str:
    """Every outcome turns into its opposite; the check must see it."""
    stage.live(HARM_DAYS, upside_down)
    stage.begin_check()

    def facts() -> str | None:
        with stage.engine.connect() as connection:
            found = last_facts(connection)
        return str(found["reason"]) if found is not None and found["alarm"] else None

    return stage.wait(facts, CHECK_SECONDS, "the check saw no harm").partition(";")[0]


def alert(stage: Stage) -> str:
    """The alarm reaches the address that is told."""

    def title() -> str | None:
        return next((each for each in stage.news if each.endswith("alarm")), None)

    title_ = stage.wait(title, ALERT_SECONDS, "no message of the alarm has arrived")
    return f"a message has arrived: {title_!r}"


def governor(stage: Stage) -> str:
    """The governor says yes."""

    def answered() -> tuple[str, str] | None:
        newest = select(decisions).order_by(decisions.c.decision_id.desc()).limit(1)
        with stage.engine.connect() as connection:
            row = connection.execute(newest).one_or_none()
        recent = row is not None and row.decided_at >= stage.now
        return (row.answer, row.reason) if row is not None and recent else None

    word, why = stage.wait(answered, CHECK_SECONDS, "the governor was not asked")
    if word != "yes":
        raise LinkBrokenError(f"the governor said no: {why}")
    return f"yes: {why}"


def retrain(stage: Stage) -> str:
    """`dvc repro` in a working copy makes and registers a challenger."""

    def trained() -> str | None:
        row = stage.newest_retrain()
        if row is None or row.state == "started":
            return None
        if row.challenger_version is None:
            raise LinkBrokenError(f"{row.state}: {_why(row.verdict)}")
        return str(row.challenger_version)

    return f"trained {stage.wait(trained, RETRAIN_SECONDS, 'no challenger was registered')}"


def gate(stage: Stage) -> str:
    """The better challenger is promoted."""

    def judged() -> tuple[str, str] | None:
        row = stage.newest_retrain()
        return None if row.finished_at is None else (row.state, _why(row.verdict))

    state, why = stage.wait(judged, RETRAIN_SECONDS, "the gate did not decide")
    if state != "promoted":
        raise LinkBrokenError(f"{state}: {why}")
    return why


def swap(stage: Stage) -> str:
    """The service answers with it, and what it is asked meanwhile is answered."""
    stage.end_check()
    with Probe(stage) as probe:
        _wait_until_answering(stage, probe, stage.champion())
    return f"the service answers with {stage.champion()}"


def refusal(stage: Stage) -> str:
    """A challenger that has learned two hundred rows by heart is turned away."""
    stage.live(LATER_DAYS, upside_down)
    lay_over(stage.settings.params_file, BAD)
    before = stage.champion()
    outcome = _retrain_by_person(stage, "fire drill: a recipe that learns by heart")
    if outcome.state == "failed":
        raise LinkBrokenError(f"the retrain failed: {outcome.reason}")
    if outcome.state != "rejected" or stage.champion() != before:
        raise LinkBrokenError(f"a bad challenger was {outcome.state}: {outcome.reason}")
    return outcome.reason


def probation(stage: Stage) -> str:
    """A person opens the gate for it; probation brings the predecessor back."""
    good = stage.champion()
    stage.day += 1
    open_gate = {"min_t": -1e9, "segments": None}
    lay_over(stage.settings.params_file, {"monitoring": {"gate": open_gate}})
    outcome = _retrain_by_person(stage, "fire drill: the gate stands open")
    if outcome.state != "promoted":
        raise LinkBrokenError(f"the bad model was not even promoted: {outcome.reason}")
    with Probe(stage) as probe:
        _wait_until_answering(stage, probe, outcome.challenger or "")
        stage.live(PROBATION_DAYS, upside_down)
        stage.check()
        if stage.champion() != good:
            raise LinkBrokenError("ten days of worse answers, and the bad model still is champion")
        _wait_until_answering(stage, probe, good)
    return _why(stage.newest_retrain().verdict)


def _retrain_by_person(stage: Stage, reason: str) -> Outcome:
    asked = of_person(reason, stage.now)
    try:
        return run_retrain(stage.engine, stage.settings, stage.params, lambda: stage.now, asked)
    except RefusedError as refused:
        raise LinkBrokenError(f"the governor refused a person: {refused}") from None


def _wait_until_answering(stage: Stage, probe: Probe, version: str) -> None:
    stage.wait(
        lambda: probe.versions[-1:] == [version] or None, SWAP_SECONDS,
        f"the service has not answered with {version} within {SWAP_SECONDS:.0f} s",
    )  # fmt: skip


def _why(verdict: str) -> str:
    found = json.loads(verdict)
    return str(found.get("reason") or found.get("error") or verdict)
