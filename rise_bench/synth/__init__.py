"""From verified calls on real servers to tasks, trajectories and pairs (DESIGN 5): the modules here carry a recipe out."""
