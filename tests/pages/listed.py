"""The pages that a person can open; a new one is one line of PAGES, and everything tries it."""

# Pages that nobody has written yet. It only shrinks: a page that answers has to leave it
# (test_every_page.py says so), and issue 7 is done when it is empty.
NOT_WRITTEN = frozenset({"/predictions", "/predictions/{prediction}", "/models",
                         "/models/{version}", "/monitoring", "/outcomes"})  # fmt: skip

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
WRITTEN = [path for path in PAGES if path not in NOT_WRITTEN]
