"""The dashboard of retrains: the scheduler, what it trained, who answers."""

from deploy.dashboards.panels import Dashboard, Panel, Query, stat

RETRAINS = Dashboard(
    "perennial-retrains",
    "Perennial: retrains",
    "Whether the scheduler lives, what became of retrains, and which version answers.",
    (
        stat("Scheduler's sign of life", "Holds for so long; it gives one every 10 seconds. Below "
             "0 it has stopped.", "s",
             "max(perennial_scheduler_alive_until_timestamp_seconds) - time()", 0,
             low_is_bad=True),
        stat("A retrain runs since", "0 = none runs.", "s",
             "(time() - max(perennial_retrain_running_since_timestamp_seconds)) or vector(0)",
             7200),
        stat("Newest retrain ended", "How long ago, however it ended.", "s",
             "time() - max(perennial_retrain_ended_timestamp_seconds)"),
        stat("Newest rollback", "How long ago an earlier version was made champion again.", "s",
             "time() - max(perennial_rollback_timestamp_seconds)", 3600, low_is_bad=True),
        Panel("Retrains by state", "Of all time; `python -m monitoring.decisions` says why each.",
              "short", (Query("max by (state) (perennial_retrains)", "{{state}}"),)),
        Panel("Since the newest of each state", "A `failed` of the last hour is an alert.", "s",
              (Query("time() - max by (state) (perennial_retrain_ended_timestamp_seconds)",
                     "{{state}}"),)),
        Panel("Who answers", "Share of requests by version and role; a canary has a part, a shadow "
              "only listens.", "percentunit",
              (Query("max by (role, version) (perennial_traffic_share)", "{{role}} {{version}}"),)),
        Panel("Age of what the champion knows", "Since the newest row it has learned from; 90 days "
              "is an alert.", "s",
              (Query("time() - max by (version) "
                     "(perennial_model_trained_until_timestamp_seconds)", "{{version}}"),),
              limit=90 * 86400),
        Panel("Shadow", "Rows that a shadow was asked, and those that it was not.", "rowsps",
              (Query("sum(rate(perennial_shadow_rows_total[$__rate_interval]))", "asked"),
               Query("sum(rate(perennial_shadow_dropped_total[$__rate_interval])) or vector(0)",
                     "dropped"))),
        Panel("Champion not served", "1 = what answers is not the registry's champion, or an "
              "earlier one stands in.", "short",
              (Query("max(perennial_champion_problem)", "not the champion"),
               Query("max(perennial_champion_stand_in)", "stand-in")), limit=1),
    ),
)  # fmt: skip
