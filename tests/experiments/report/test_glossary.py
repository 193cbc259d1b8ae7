"""The glossary in the documentation is the one that the code makes."""

from pathlib import Path

from experiments.report.glossary import glossary

ROOT = Path(__file__).parents[3]
REMAKE = "python -m experiments.report.glossary > docs/metrics.md"


def test_glossary_page_is_made_of_what_is_declared() -> None:
    assert (ROOT / "docs" / "metrics.md").read_text() == glossary(), f"make it anew: {REMAKE}"
