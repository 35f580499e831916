"""The dashboard of the service: its objectives, its requests, its processes."""

from deploy.dashboards.panels import Dashboard, Panel, Query, stat

CALLED = 'route!~"/metrics|/health/.*"'
OURS = "and on (instance) perennial_build_info"  # of the service's processes, whatever the job


def _burn(what: str) -> tuple[Query, ...]:
    return tuple(
        Query(f"perennial:{what}:ratio_rate{window} / perennial:{what}:budget", window)
        for window in ("5m", "1h", "6h", "3d")
    )


def _quantile(share: float) -> Query:
    rate = 'rate(perennial_request_seconds_bucket{route="/predict"}[$__rate_interval])'
    return Query(f"histogram_quantile({share}, sum by (le) ({rate}))", f"{share:.0%}")


SERVICE = Dashboard(
    "perennial-service",
    "Perennial: service",
    "Whether requests are answered, in time, and by what.",
    (
        stat("Replicas that answer", "Whose newest scrape was answered.",
             "short", "count(perennial_build_info)", 1, low_is_bad=True),
        stat("Alerts", "That fire now; docs/operations.md says what to do.",
             "short", 'count(ALERTS{alertstate="firing"}) or vector(0)', 1),
        stat("Requests answered, 1 d", "Share without a server error; 99.9 % is promised.",
             "percentunit", "1 - perennial:failed_requests:ratio_rate1d", 0.999, low_is_bad=True),
        stat("Predictions in 50 ms, 1 d", "Share of /predict; 99 % is promised.",
             "percentunit", "1 - perennial:slow_predictions:ratio_rate1d", 0.99, low_is_bad=True),
        Panel("Error budget, times too fast",
              "1 = just what is promised is missed. Alerts: 14.4 over 1 h, 6 over 6 h, 1 over 3 d.",
              "short", _burn("failed_requests"), limit=14.4),
        Panel("Latency budget, times too fast", "The same for predictions that take over 50 ms.",
              "short", _burn("slow_predictions"), limit=14.4),
        Panel("Requests", "By status; scrapes and health checks are left out.", "reqps",
              (Query(f"sum by (status) (rate(perennial_requests_total{{{CALLED}}}"
                     "[$__rate_interval]))", "{{status}}"),)),
        Panel("Time to answer /predict", "Of that many requests; the objective is 99 % in 50 ms.",
              "s", (_quantile(0.5), _quantile(0.95), _quantile(0.99)), limit=0.05),
        Panel("Rows by version", "Predictions answered; a promotion is where lines cross.",
              "rowsps", (Query("sum by (version) (rate(perennial_predictions_total"
                               "[$__rate_interval]))", "{{version}}"),)),
        Panel("Errors by kind", "The table in service/border/errors.py says what each kind is.",
              "short", (Query("sum by (kind) (increase(perennial_errors_total[$__rate_interval]))"
                              " or vector(0)", "{{kind}}"),)),
        Panel("Requests that a model failed", "Share by version; over 1 % is an alert.",
              "percentunit",
              (Query("sum by (version) (rate(perennial_model_failures_total[$__rate_interval]))"
                     " / on () group_left () sum(rate(perennial_requests_total"
                     "[$__rate_interval]))", "{{version}}"),), limit=0.01),
        Panel("Processor time of the model", "For each second on the clock, by version.", "s",
              (Query("sum by (version) (rate(perennial_model_seconds_total[$__rate_interval]))",
                     "{{version}}"),)),
        Panel("Memory", "Of each process.", "bytes",
              (Query(f"process_resident_memory_bytes {OURS}", "{{instance}} {{worker}}"),)),
        Panel("Processors", "Used by each replica.", "short",
              (Query(f"rate(process_cpu_seconds_total[$__rate_interval]) {OURS}",
                     "{{instance}}"),)),
        Panel("Open files", "The hard limit less 100 is how many connections are taken.", "short",
              (Query(f"process_open_fds {OURS}", "{{instance}} {{worker}}"),)),
        Panel("Certificate", "Time until Caddy's ends. A domain's is renewed at 30 of 90 days, "
              "Caddy's own at 4 of 12 hours.", "s",
              (Query("probe_ssl_earliest_cert_expiry - time()", "{{instance}}"),), limit=7200,
              low_is_bad=True),
    ),
)  # fmt: skip
