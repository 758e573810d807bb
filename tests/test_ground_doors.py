"""Whoever evaluates a suite is told what its own recipes get of the machine."""

from __future__ import annotations

from pathlib import Path

from ground_kit import odd_ground, odd_recipe

from rise_bench.ground.doors import live


def test_a_recipe_of_the_suite_is_told_of_in_one_line_and_one_of_the_catalogue_is_not(tmp_path: Path) -> None:
    recipe, lines = odd_recipe(), list[str]()
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "odd.yaml").write_text(recipe.model_dump_json(), encoding="utf-8")
    ground = odd_ground(recipe)
    live(ground, tmp_path, recipes=tmp_path / "recipes", notice=lines.append).close()
    folders = ", ".join(recipe.mounts)
    assert lines == [f"warning: odd is of this suite, not of the catalogue, and gets to read {folders}"]
    live(ground, tmp_path, recipes=tmp_path / "recipes", notice=lines.append, varied=True).close()
    live(ground, tmp_path, recipes=tmp_path / "none", notice=lines.append).close()
    assert len(lines) == 1
