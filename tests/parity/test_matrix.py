"""Every type with its edge values has one form from every side."""
import catalog
import matrix
import pytest


@pytest.mark.parametrize("kind", catalog.EVERYWHERE)
def test_one_value_one_form(server, tmp_path, kind):
    database = server(kind)
    grid = matrix.Matrix(database, tmp_path)
    grid.create()
    grid.write()
    ways = [side for side, way in matrix.WAYS.items() if kind in catalog.LOGGED or way[0] == ["snapshot"]]
    outcome = grid.compare(ways)
    assert not outcome.problems, f"{len(outcome.problems)} differences\n" + "\n".join(outcome.problems[:60])
    assert set(outcome.compared) == {(kind.family, side) for kind in catalog.types_of(database.kind) for side in ways}
