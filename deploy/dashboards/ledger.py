"""The dashboard of the ledger: that every answer is logged, and how fast."""

from deploy.dashboards.panels import Dashboard, Panel, Query, stat


def _commit(share: float) -> Query:
    rate = "rate(perennial_ledger_commit_seconds_bucket[$__rate_interval])"
    return Query(f"histogram_quantile({share}, sum by (le) ({rate}))", f"{share:.0%}")


def _rows(what: str) -> Query:
    return Query(f"sum(rate(perennial_ledger_rows_{what}_total[$__rate_interval]))", what)


LEDGER = Dashboard(
    "perennial-ledger",
    "Perennial: ledger",
    "Whether each answered row is in the database, or waits on disk for it.",
    (
        stat("Rows nowhere", "Answered, and neither stored nor spooled; must be 0.", "short",
             "sum(abs(perennial_ledger_unbalanced_rows))", 1),
        stat("Rows in the spool", "That wait for the database.", "short",
             "sum(perennial_spool_rows)", 1),
        stat("Quarantined, 1 d", "Rows of the spool that could not be replayed.", "short",
             "sum(increase(perennial_ledger_rows_quarantined_total[1d]))", 1),
        stat("Database", "1 = it can be read by every process.", "short",
             "min(perennial_database_reachable)", 1, low_is_bad=True),
        Panel("Rows", "Answered = stored at once + spooled; what is spooled is replayed later.",
              "rowsps",
              (_rows("answered"), _rows("stored"), _rows("spooled"), _rows("replayed"))),
        Panel("Time to make a group durable", "A slow disk or database is seen here first.", "s",
              (_commit(0.5), _commit(0.95), _commit(0.99)), limit=0.25),
        Panel("Rows that wait", "In memory for a commit, and on disk for the database.", "short",
              (Query("sum(perennial_ledger_queue)", "queue"),
               Query("sum(perennial_spool_rows)", "spool")), limit=20000),
        Panel("Rows in a commit", "Mean; it grows with traffic.", "short",
              (Query("sum(rate(perennial_ledger_group_rows_sum[$__rate_interval])) / "
                     "sum(rate(perennial_ledger_group_rows_count[$__rate_interval]))", "rows"),)),
        Panel("Spool's budget", "Share that is spent; full, /predict answers 503.", "percentunit",
              (Query("max(perennial_spool_fill)", "spent"),), limit=0.8),
        Panel("Spool's disk", "Bytes of the spool, and bytes free on its disk.", "bytes",
              (Query("sum(perennial_spool_bytes)", "spool"),
               Query("min(perennial_spool_disk_free_bytes)", "free"))),
        Panel("Oldest row in the spool", "Its age; how long the database has been away.", "s",
              (Query("max(perennial_spool_oldest_seconds)", "age"),), limit=300),
        Panel("Since the registry and the keys were read", "Keys that were revoked meanwhile still "
              "work.", "s",
              (Query("max(perennial_champion_poll_age_seconds)", "registry"),
               Query("max(perennial_keys_age_seconds)", "keys")), limit=30),
        Panel("Log lines given up", "Because nobody read stderr in time.", "short",
              (Query("sum(increase(perennial_log_lines_dropped_total[$__rate_interval]))",
                     "lines"),), limit=1),
    ),
)  # fmt: skip
