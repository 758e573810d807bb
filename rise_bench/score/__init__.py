"""The two scorers, Acc_task and Acc_intent: pure functions of task, trajectory and frozen ground."""

from rise_bench.score.scorers import VERSION, evidence_of, score

__all__ = ["VERSION", "evidence_of", "score"]
