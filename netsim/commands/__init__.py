"""One module a command; the only place that prints, besides reports."""
