"""The pages that a person can open; a new one is one line of PAGES, and everything tries it."""

# {check}, {prediction} and {scoring} stand for the newest of the place, {version} for its champion.
PAGES = (
    "/sign-in",
    "/",
    "/try",
    "/try/files/{scoring}",
    "/reports",
    "/reports/{check}",
    "/docs",
    "/predictions",
    "/predictions/{prediction}",
    "/models",
    "/models/{version}",
    "/monitoring",
    "/outcomes",
)
# What pages link to besides: files, figures for programs, and pages that are shown in a sandbox.
OTHER = (
    "/assets/{name}",
    "/checks",
    "/checks/{check}",
    "/health/ready",
    "/metrics",
    "/models/history.csv",
    "/models/history.json",
    "/models/versions.csv",
    "/models/versions.json",
    "/models/{version}/card",
    "/monitoring/checks.csv",
    "/monitoring/checks.json",
    "/monitoring/decisions.csv",
    "/monitoring/decisions.json",
    "/monitoring/retrains.csv",
    "/monitoring/retrains.json",
    "/openapi.json",
    "/try/files/{scoring}.csv",
    "/try/files/{scoring}.json",
)
