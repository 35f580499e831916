"""Tells people what began, what changed and what is over: once each, not at every check.

Where to is PERENNIAL_ALERT_URLS, Apprise's addresses: mail, chats, webhooks and the rest.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import apprise

log = logging.getLogger(__name__)

Kind = Literal["info", "success", "warning", "failure"]


class AlertUrlError(ValueError):
    """An address is none of Apprise's; the message shows its scheme only, the rest is secret."""

    def __init__(self, url: str) -> None:
        scheme = url.partition("://")[0][:20]
        super().__init__(
            f"PERENNIAL_ALERT_URLS: {scheme!r} ... is no address that Apprise knows; "
            "https://appriseit.com lists them"
        )


@dataclass(frozen=True)
class News:
    """One message."""

    kind: Kind
    title: str
    text: str


class Alerts:
    """Sends news to every address.

    Raises:
        AlertUrlError: an address cannot be used.
    """

    def __init__(self, urls: Sequence[str]) -> None:
        self._to = apprise.Apprise()
        for url in urls:
            if not self._to.add(url):
                raise AlertUrlError(url)

    def send(self, news: News | None) -> None:
        """Send; what cannot be delivered is logged, and stops nothing. None = nothing to tell."""
        if news is None or not len(self._to):
            return
        if not self._to.notify(news.text, title=f"Perennial: {news.title}", notify_type=news.kind):
            log.error("an alert was not delivered everywhere: %s", news.title)


def news_of_check(before: Mapping[str, Any] | None, now: Mapping[str, Any]) -> News | None:
    """What a check brings that the one before it did not.

    Args:
        before, now: `alarm`, `reason` and `causes`; None = there was none.
    """
    was = before is not None and before["alarm"]
    if not now["alarm"]:
        return News("success", "the alarm is over", now["reason"]) if was else None
    if before is not None and was and set(before["causes"]) == set(now["causes"]):
        return None
    return News("warning", "alarm, by other causes" if was else "alarm", now["reason"])


def news_of_retrain(state: str, version: str | None, reason: str, action: str = "retrain") -> News:
    """How a retrain ended, or an update."""
    kinds: dict[str, Kind] = {"promoted": "success", "rejected": "info", "awaiting": "warning",
                              "canary": "info"}  # fmt: skip
    title = f"{action} {state}" + (f": version {version}" if version else "")
    return News(kinds.get(state, "failure"), title, reason)


def news_of_canary(state: str, version: str, reason: str) -> News:
    """How a canary ended: promoted, rejected, or superseded by what somebody did."""
    kinds: dict[str, Kind] = {"promoted": "success", "rejected": "warning"}
    return News(kinds.get(state, "info"), f"canary {state}: version {version}", reason)
