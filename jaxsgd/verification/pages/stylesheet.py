"""How the page of a report looks: on paper, on a phone, by day and by night."""

STYLE = """
:root {
  color-scheme: light dark;
  --paper: #fdfdfb; --ink: #1f2023; --soft: #5d5f66; --line: #dddcd5; --fill: #f4f3ee; --link: #1b5a99;
  --good: #17663f; --bad: #a3261b; --open: #7a5200;
  --text: Charter, "Bitstream Charter", "Iowan Old Style", "Palatino Linotype", Georgia, serif;
  --plain: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  --code: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #17181b; --ink: #e3e2de; --soft: #a3a4a9; --line: #36373c; --fill: #202125; --link: #8ab8e6;
    --good: #7fcfa2; --bad: #f2988c; --open: #e3b967;
  }
  figure img { padding: 0.6rem; }
}
*, *::before { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; scroll-behavior: smooth; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 1.0625rem/1.55 var(--text); }
main { max-width: 46rem; margin: 0 auto; padding: 3.5rem 1.25rem 5rem; overflow-wrap: break-word; }
h1, h2, h3 { line-height: 1.25; text-wrap: pretty; font-weight: 600; }
sup { line-height: 0; font-size: 0.72em; }
h1 { margin: 0 0 1rem; font-size: 2rem; letter-spacing: -0.01em; }
h2 { margin: 4rem 0 1.5rem; padding-bottom: 0.4rem; border-bottom: 1px solid var(--line); font-size: 1.4rem; }
h3 { margin: 0.5rem 0 0.9rem; font-size: 1.2rem; }
p { margin: 0.8rem 0; text-wrap: pretty; }
a { color: var(--link); text-underline-offset: 0.15em; text-decoration-thickness: 1px; }
code { font: 0.82em var(--code); overflow-wrap: anywhere; }
.lead { font-size: 1.12rem; }
.label, figcaption, .note, small { font-family: var(--plain); }
.label { margin-right: 0.35em; color: var(--soft); font-size: 0.72rem; font-weight: 600; letter-spacing: 0.05em;
  text-transform: uppercase; }

.badge { display: inline-block; padding: 0.12em 0.55em; border: 1px solid currentColor; border-radius: 0.3em;
  font: 600 0.64rem/1.5 var(--plain); letter-spacing: 0.04em; white-space: nowrap; vertical-align: 0.1em; }
.consistent { color: var(--good); }
.refuted { color: var(--paper); background: var(--bad); border-color: var(--bad); }
.inconclusive { color: var(--open); border-style: dashed; }

nav { margin-top: 2.5rem; padding: 0.4rem 1.4rem 1.2rem; border-radius: 0.5rem; background: var(--fill); }
nav h2 { margin: 1.1rem 0 0.35rem; padding: 0; border: 0; font: 600 0.86rem var(--plain); color: var(--soft); }
nav ol { margin: 0; padding: 0; list-style: none; }
nav li { display: flex; align-items: baseline; gap: 0.5rem; padding: 0.1rem 0; }
nav a { min-width: 0; color: inherit; text-decoration: none; font-size: 1rem; }
nav a:hover { text-decoration: underline; }
nav i { flex: 1; min-width: 1rem; border-bottom: 1px dotted var(--soft); opacity: 0.6; }

article { margin: 3.2rem 0; scroll-margin-top: 1rem; }
header { display: flex; flex-wrap: wrap; align-items: center; justify-content: space-between; gap: 0.4rem 1rem;
  color: var(--soft); }
.math { white-space: nowrap; }
.math code { white-space: normal; }
.display { display: block; margin: 0.9rem 0; overflow-x: auto; overflow-y: hidden; padding: 0.2rem 0; }
math { font-family: "STIX Two Math", "Cambria Math", "Latin Modern Math", "Noto Sans Math", math; }
aside { margin: 1.2rem 0; padding: 0.1rem 1.1rem; border-left: 3px solid var(--line); background: var(--fill);
  border-radius: 0 0.4rem 0.4rem 0; font-size: 0.98rem; }
details { margin: 1.1rem 0; }
summary { cursor: pointer; font: 600 0.86rem var(--plain); }
figure { margin: 1.6rem 0; }
img { display: block; max-width: 100%; height: auto; margin: 0 auto; background: #fff; border-radius: 0.5rem; }
figcaption { margin-top: 0.5rem; color: var(--soft); font-size: 0.8rem; text-align: center; text-wrap: balance; }
.note { margin: 0.45rem 0; color: var(--soft); font-size: 0.82rem; }
dt { margin-top: 0.9rem; font-weight: 600; }
dt code { font-weight: 400; }
dd { margin: 0.1rem 0 0 1.2rem; }
ul { padding-left: 1.2rem; }

.scroll { overflow-x: auto; margin: 1.3rem 0; }
table { width: 100%; border-collapse: collapse; font: 0.78rem/1.45 var(--plain);
  font-variant-numeric: tabular-nums lining-nums; }
thead th { padding: 0 0 0.35rem 0.45rem; border-bottom: 1px solid var(--soft); color: var(--soft); font-size: 0.7rem;
  font-weight: 600; text-align: right; vertical-align: bottom; }
thead th:first-child, td:first-child { padding-left: 0; }
tbody { border-bottom: 1px solid var(--line); break-inside: avoid; }
tbody th { padding: 0.5rem 0 0; font: 400 0.95rem/1.4 var(--text); text-align: left; }
tbody th code { display: inline-block; color: var(--soft); font-size: 0.75rem; }
small { color: var(--soft); font-size: 0.76rem; }
td { padding: 0.15rem 0 0.5rem 0.45rem; text-align: right; white-space: nowrap; vertical-align: baseline; }
@media (min-width: 44rem) {
  .claims thead th:nth-child(1) { width: 26%; }
  .claims thead th:nth-child(2) { width: 15%; }
  .claims thead th:nth-child(3) { width: 11%; }
  .claims thead th:nth-child(4) { width: 18%; }
  .claims thead th:nth-child(5) { width: 12%; }
  .claims thead th:nth-child(6) { width: 18%; }
}
@media (max-width: 43.99rem) {
  main { padding: 2rem 1.1rem 3rem; }
  h1 { font-size: 1.6rem; }
  nav { padding: 0.2rem 1rem 1rem; }
  p { overflow-x: auto; overflow-y: hidden; }
  .claims, .claims tbody, .claims th { display: block; }
  .claims thead { display: none; }
  .claims tbody { padding: 0.3rem 0 0.6rem; }
  .claims tbody:first-of-type, .claims thead + tbody { border-top: 1px solid var(--line); }
  .claims tr + tr { display: grid; grid-template-columns: 1fr 1fr; gap: 0.45rem 1rem; margin-top: 0.5rem; }
  .claims tr:first-child { display: block; }
  td { padding: 0; text-align: left; white-space: normal; }
  td::before { content: attr(data-label); display: block; color: var(--soft); font-size: 0.68rem; }
}
@media print {
  :root { --paper: #fff; --ink: #000; --soft: #444; --line: #bbb; --fill: #fff; --link: #000;
    --good: #000; --bad: #000; --open: #000; }
  html { font-size: 9.5pt; }
  .badge { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  img { max-height: 8cm; }
  main { max-width: none; padding: 0; }
  nav, aside { border: 1px solid var(--line); }
  h2, h3, header { break-after: avoid; }
  figure, aside { break-inside: avoid; }
  .scroll, .display { overflow: visible; }
  details::details-content { content-visibility: visible; height: auto; }
}
"""
