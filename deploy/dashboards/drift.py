"""The dashboard of drift: what checks see."""

from deploy.dashboards.panels import Dashboard, Panel, Query, stat

DRIFT = Dashboard(
    "perennial-drift",
    "Perennial: drift",
    "What the scheduled checks see; /reports has each with its figures.",
    (
        stat("Alarm", "1 = the newest check alarms: faulty data, or worse performance.", "short",
             "max(perennial_check_alarm)", 1),
        stat("Features changed", "Share that the newest check names.", "percentunit",
             "max(perennial_check_drift_share)", 0.2),
        stat("Newest check", "How long ago; once a day is usual.", "s",
             "time() - max(perennial_check_timestamp_seconds)", 90000),
        stat("Rows compared", "Predictions in its window; fewer than policy.min_rows are not "
             "judged.", "short", "max(perennial_check_rows)"),
        Panel("Alarms", "Of the newest check. Worse = outcomes show it, so a retrain is wished "
              "for.", "short",
              (Query("max(perennial_check_alarm)", "alarm"),
               Query("max(perennial_check_worse)", "worse")), limit=1),
        Panel("Changed features over time", "Share that checks name; a change alone is told and "
              "not acted on.", "percentunit",
              (Query("max(perennial_check_drift_share)", "share"),), limit=0.2),
        Panel("Estimated ROC AUC", "Before outcomes come, with its interval, and what is usual.",
              "short",
              tuple(Query(f'max(perennial_check_{name}{{figure="roc_auc"}})', legend)
                    for name, legend in (("estimated", "estimated"), ("estimated_low", "low"),
                                         ("estimated_high", "high"), ("usual", "usual")))),
        Panel("How far estimates were off", "Realised minus estimated, of the newest check whose "
              "outcomes have come.", "short",
              (Query("max by (figure) (perennial_check_estimate_error)", "{{figure}}"),)),
        Panel("Rows and outcomes", "Predictions of the window, and outcomes that the champion has "
              "not learned.", "short",
              (Query("max(perennial_check_rows)", "rows"),
               Query("max(perennial_check_outcomes)", "outcomes"))),
        Panel("Mix of answers against yesterday", "Greatest change of a class's share within a "
              "day; without a yesterday there is none, and 0 is shown.", "percentunit",
              (Query("max(abs(perennial_quality_prediction_share - "
                     "perennial_quality_prediction_share offset 1d)) or vector(0)", "change"),),
              limit=0.2),
    ),
)  # fmt: skip
