"""How the profile page looks, by day and on paper."""

STYLE = """
:root { color-scheme: light; --ink: #24303c; --soft: #5c6b7a; --line: #dde3e9; --back: #f5f7f9 }
* { box-sizing: border-box }
body { margin: 0; background: var(--back); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif }
main { max-width: 1120px; margin: 0 auto; padding: 24px 16px 64px }
h1 { font-size: 24px; margin: 8px 0 16px; overflow-wrap: anywhere }
h2 { font-size: 17px; margin: 0 0 8px }
section { background: #fff; border: 1px solid var(--line); border-radius: 8px;
  padding: 16px 20px; margin: 0 0 16px }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px 20px;
  margin: 0 }
dt { color: var(--soft); font-size: 12px }
dd { margin: 0; font-weight: 600; overflow-wrap: anywhere }
.badge { display: inline-block; padding: 1px 10px; border-radius: 10px; font-size: 13px }
.badge.fail { background: #fbe3e0; color: #93221a }
.badge.warn { background: #fdf0d2; color: #7a4b00 }
.badge.info { background: #e3eef8; color: #1f4f7d }
.findings { list-style: none; padding: 0; margin: 0 }
.findings > li { border-left: 4px solid; padding: 6px 12px; margin: 8px 0; overflow-wrap: anywhere }
.findings > .fail { border-color: #c5372c; background: #fdf4f3 }
.findings > .warn { border-color: #d9920a; background: #fefaf0 }
.findings > .info { border-color: #3c7fb8; background: #f4f8fc }
summary { cursor: pointer; color: var(--soft); font-size: 13px }
figure { margin: 0 }
figcaption, .note { color: var(--soft); font-size: 13px; margin: 6px 0 0 }
.wide { overflow-x: auto }
svg { max-width: 100%; height: auto }
table { border-collapse: collapse; font-size: 13px; width: 100% }
th, td { text-align: left; padding: 4px 10px 4px 0; border-bottom: 1px solid var(--line);
  vertical-align: top; overflow-wrap: anywhere; min-width: 56px; max-width: 220px }
thead th { color: var(--soft); font-weight: 500; white-space: nowrap }
td { font-variant-numeric: tabular-nums }
@media print { body { background: #fff } section { border: 0; break-inside: avoid } }
"""
