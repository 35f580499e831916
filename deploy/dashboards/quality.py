"""The dashboard of the model's quality: what answers turned out to be worth."""

from deploy.dashboards.panels import Dashboard, Panel, Query, stat

QUALITY = Dashboard(
    "perennial-quality",
    "Perennial: model quality",
    "What answers were worth once their outcomes came, and what is estimated until then.",
    (
        stat("Log-loss", "Mean over the newest judged rows of the version that answers; a "
             "regression's absolute error.", "short",
             "max(perennial_quality_loss and on (version) perennial_model_info)"),
        stat("Rows judged", "The newest outcomes of seven days, at most 20,000; few say little.",
             "short", "sum(perennial_quality_rows)"),
        stat("Worse than expected", "1 = the newest check says so, from outcomes.", "short",
             "max(perennial_check_worse)", 1),
        stat("Learned until", "Age of the newest row that the champion has learned from.", "s",
             "time() - max(perennial_model_trained_until_timestamp_seconds)", 90 * 86400),
        Panel("Loss by version", "Mean log-loss in nats, or absolute error of a regression.",
              "short", (Query("max by (version) (perennial_quality_loss)", "{{version}}"),)),
        Panel("Right answers", "Share of classes that were right; a regression has none.",
              "percentunit",
              (Query("max by (version) (perennial_quality_accuracy)", "{{version}}"),)),
        Panel("Bias", "Mean of predicted minus observed; 0 is right on average.", "short",
              (Query("max by (version) (perennial_quality_bias)", "{{version}}"),)),
        Panel("Mix of answers", "Share of each class in the last hour, by version; a jump is worth "
              "a look.", "percentunit",
              (Query("max by (version, prediction) (perennial_quality_prediction_share)",
                     "{{version}} {{prediction}}"),)),
        Panel("Loss: estimated and realised", "Of the newest check, before its outcomes come, with "
              "its interval; what is usual; and what outcomes have brought to an earlier one.",
              "short",
              tuple(Query(f'max(perennial_check_{name}{{figure="loss"}})', legend)
                    for name, legend in (("estimated", "estimated"), ("estimated_low", "low"),
                                         ("estimated_high", "high"), ("usual", "usual"),
                                         ("realised", "realised")))),
        Panel("Beyond expectation", "t over days of the loss that outcomes show above what was "
              "expected; params.yaml, policy.performance_t.", "short",
              (Query("max(perennial_check_performance_t)", "t"),), limit=2.0),
        Panel("Outcomes", "By what became of them; `recorded` is well.", "rowsps",
              (Query("sum by (status) (rate(perennial_outcomes_total[$__rate_interval]))",
                     "{{status}}"),)),
        Panel("Outcomes for a prediction", "Over seven days; below a tenth nothing can be judged.",
              "percentunit",
              (Query("perennial:outcomes_per_prediction:ratio_rate7d", "outcomes"),), limit=0.1,
              low_is_bad=True),
    ),
)  # fmt: skip
