"""The pages that a person can open; a new one is one line of PAGES, and everything tries it."""

# {check}, {prediction} and {version} stand for the newest of the place, {version} for its champion.
PAGES = (
    "/sign-in",
    "/",
    "/try",
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
)
