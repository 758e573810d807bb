"""What follows from the numbers of a contrast, as a verdict and in one plain sentence."""

from __future__ import annotations

from rise_bench.baselines import Score
from rise_bench.compare.records import Contrast, Outlook, Verdict
from rise_bench.stats import Estimate

__all__ = ["NAMES", "p_text", "points", "sentence", "verdict_of"]

NAMES: dict[Score, str] = {"acc_intent": "Acc_intent", "acc_task": "Acc_task"}


def verdict_of(contrast: Contrast, alpha: float, *, ranked: bool) -> Verdict:
    """What follows for the second of the pair: the first rule that holds.

    Args:
        contrast: its numbers; its own verdict and sentence are not read.
        alpha: level of the family.
        ranked: may claims be made about both sides?
    """
    value = contrast.difference.value
    if contrast.p is None or contrast.p_adjusted is None or value is None:
        return "no test"
    if not ranked:
        return "not ranked"
    if contrast.p_adjusted <= alpha:
        if contrast.p_claim_adjusted is None or contrast.p_claim_adjusted > alpha:
            return "unguarded"
        return "better" if value > 0 else "worse"
    if contrast.equivalent.shown:
        return "equivalent"
    if contrast.not_worse.shown:
        return "not worse"
    if contrast.not_better.shown:
        return "not better"
    return "too few clusters" if contrast.outlook.too_few else "no evidence"


def sentence(contrast: Contrast, first: str, second: str, *, delta: float, family: int, not_ranked: str = "") -> str:
    """The verdict of a contrast in words.

    Args:
        contrast: its numbers and its verdict.
        first: name of the first side.
        second: name of the second.
        delta: margin, as a share.
        family: comparisons that were adjusted for.
        not_ranked: why no claim is made, where that is so.
    """
    told = _Told(contrast, first, second, delta, family)
    said = {
        "better": told.difference,
        "worse": told.difference,
        "unguarded": told.unguarded,
        "equivalent": told.equivalent,
        "not worse": told.not_worse,
        "not better": told.not_worse,
        "no evidence": told.no_evidence,
        "too few clusters": told.too_few,
        "no test": told.no_test,
    }
    if contrast.verdict == "not ranked":
        return f"{NAMES[contrast.score]}: no claim, since {not_ranked}; {told.seen()}."
    return f"{NAMES[contrast.score]}: {said[contrast.verdict]()}."


def points(share: float | None, *, signed: bool = False) -> str:
    """A share in percentage points with one decimal; a dash for None."""
    if share is None:
        return "-"
    value = round(100 * share, 1) + 0.0  # no minus before 0
    return f"{value:+.1f}" if signed else f"{value:.1f}"


def p_text(p: float | None) -> str:
    """A p value with what digits it deserves; a dash for None."""
    if p is None:
        return "-"
    if p < 0.0001:
        return "<0.0001"
    return f"{p:.4f}" if p < 0.01 else f"{p:.3f}"


class _Told:
    """The parts of a sentence about one contrast."""

    def __init__(self, contrast: Contrast, first: str, second: str, delta: float, family: int) -> None:
        self.contrast, self.first, self.second, self.delta, self.family = contrast, first, second, delta, family
        ahead = (contrast.difference.value or 0.0) > 0
        self.best, self.other = (second, first) if ahead else (first, second)

    def difference(self) -> str:
        """The one is better."""
        words = f"{self.best} is better than {self.other} by {self._size()} ({self._p(self.contrast.p_claim_adjusted)})"
        if self.contrast.score == "acc_intent":
            words += f", and not worse by {self._delta()} on Acc_task"
        if self.contrast.equivalent.shown:
            words += f"; the difference is within {self._delta()}"
        return words

    def unguarded(self) -> str:
        """A difference without its gate."""
        gate = "Acc_task was not compared"
        if self.contrast.p_claim is not None:
            gate = f"that it is not worse by {self._delta()} on Acc_task is not shown"
            gate += f" ({self._p(self.contrast.p_claim_adjusted)})"
        lead = f"{self.best} is ahead of {self.other} by {self._size()} ({self._p(self.contrast.p_adjusted)})"
        return f"{lead}, but {gate}: no claim"

    def equivalent(self) -> str:
        """The two are the same within delta."""
        p = self._p(self.contrast.equivalent.p_adjusted)
        return f"{self.first} and {self.second} are equivalent within {self._delta()} ({p}); {self.seen()}"

    def not_worse(self) -> str:
        """One side of equivalence only."""
        second_is = self.contrast.verdict == "not worse"
        one, other = (self.second, self.first) if second_is else (self.first, self.second)
        bound = self.contrast.not_worse if second_is else self.contrast.not_better
        lead = f"{one} is not worse than {other} by {self._delta()} or more ({self._p(bound.p_adjusted)})"
        return f"{lead}; that it is better is not shown: {self.seen()}{self._needed(self.contrast.outlook)}"

    def no_evidence(self) -> str:
        """Nothing is shown, and what would."""
        return f"no evidence of a difference at this n ({self._units()}): {self.seen()}{self._needed(self.contrast.outlook)}"

    def too_few(self) -> str:
        """Nothing could have been shown."""
        return (
            f"a difference cannot be shown with {self._units()} "
            f"({self.contrast.outlook.reason}, needed is {self.contrast.outlook.alpha:.2g}): {self.seen()}"
        )

    def no_test(self) -> str:
        """There is no p."""
        return f"no test: {self.contrast.difference.reason or 'there is nothing to compare'}"

    def seen(self) -> str:
        """What was seen, whatever it shows."""
        value = points(self.contrast.difference.value, signed=True)
        where = f"{self.second} minus {self.first} is {value} points{self._interval(1)}"
        return f"{where}, {self._p(self.contrast.p_adjusted)}"

    def _size(self) -> str:
        sign = 1 if (self.contrast.difference.value or 0.0) > 0 else -1
        return f"{points(abs(self.contrast.difference.value or 0.0))} points{self._interval(sign)}"

    def _interval(self, sign: int) -> str:
        found: Estimate = self.contrast.difference
        if found.low is None or found.high is None:
            return ""
        low, high = sorted((sign * found.low, sign * found.high))
        return f" [{points(low)}, {points(high)}]"

    def _delta(self) -> str:
        value = f"{round(100 * self.delta, 2):g}"
        return f"{value} point{'' if value == '1' else 's'}"

    def _p(self, p: float | None) -> str:
        text = p_text(p)
        equals = text if text.startswith("<") else f"= {text}"
        holm = f" after Holm over {self.family} pairs" if self.family > 1 else ""
        return f"p {equals.replace('<', '< ')}{holm}"

    def _units(self) -> str:
        found = self.contrast.difference
        inside = "" if found.clusters == found.n else f" in {_counted(found.clusters, 'cluster')}"
        return f"{_counted(found.n, 'task')}{inside}"

    def _needed(self, outlook: Outlook) -> str:
        if outlook.detectable is None:
            return f"; {outlook.reason}"
        shows = f"; {points(outlook.detectable)} points would be shown with power {100 * outlook.power:.0f} %"
        found = self.contrast.difference
        if not found.value:
            return shows
        takes = "and a difference as large as the one seen takes"
        if outlook.tasks is None or outlook.clusters is None:
            return f"{shows}, {takes} more than a million tasks"
        if outlook.tasks <= found.n:  # by the closed form it is there already; the test did not find it
            return shows
        inside = "" if found.clusters == found.n else f" in {_rounded(outlook.clusters):,} clusters"
        return f"{shows}, {takes} about {_rounded(outlook.tasks):,} tasks{inside}"


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _rounded(count: int) -> int:
    """Two digits of a rough figure."""
    scale: int = 10 ** max(len(str(count)) - 2, 0)
    return -(-count // scale) * scale
