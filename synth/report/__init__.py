"""A run as one page of HTML that needs nothing else: no network, no script."""

from __future__ import annotations

from synth.report.page import REPORT, render_report, write_report

__all__ = ["REPORT", "render_report", "write_report"]
