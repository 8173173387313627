"""The GPU report: its command, sections, watched processes and document."""
