"""The report as files: a page of HTML without a script, figures, and `verdicts.json`."""
