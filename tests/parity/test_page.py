"""docs/parity.md says what the tests of this run compared. Named so that it runs after test_charsets and test_matrix."""
import catalog
import pytest
import report


@pytest.mark.parametrize("kind", catalog.EVERYWHERE)
def test_page_is_up_to_date(kind, request):
    if kind not in report.compared or (kind in catalog.LOGGED and kind not in report.characters):
        pytest.skip(f"{kind} was not compared in this run")
    if request.config.getoption("--write-page"):
        report.write(kind)
    assert report.stored(kind) == report.section(kind), "docs/parity.md differs: pytest tests/parity --write-page"
