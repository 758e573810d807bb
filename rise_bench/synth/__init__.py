"""From verified calls on real servers to tasks, trajectories and pairs (DESIGN 5): one module a stage, records in and out."""
