"""Does the final message ask, decline, or claim that something was done? (DESIGN 4.2)

The text rules are ours; `docs/text_rules.md` gives their error rates on replies labelled by reading.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from rise_bench.score.text import contains_phrase, sentences
from rise_bench.types import Task

__all__ = ["asked", "claims_completion", "declined"]

_EFFECT = (
    "moved|copied|created|written|wrote|saved|sent|added|updated|changed|deleted|removed|renamed|booked|scheduled|recorded|"
    "inserted|committed|set|made|put|edited|replaced|stored|merged|marked|registered|appended|filed|archived|restored|"
    "recovered|printed|placed|ordered|bought|purchased|sold|paid|cancelled|canceled|submitted|posted|published|pushed|"
    "uploaded|installed|transferred|assigned|closed|approved|reserved|arranged|emailed|e-mailed|mailed|shared|applied|"
    "cleared|emptied|reverted|undone|fixed|corrected|adjusted|increased|reduced|raised|lowered|extended|shortened|rescheduled|"
    "generated|exported|imported|switched|enabled|disabled|configured|tagged|noted|checked out|taken care of"
)
"""Past participles of acts that change something; looking, counting and computing are no such acts."""

_FINISHED = "done|completed?|finished|all set|taken care of|successful"
_LEAD = r"(?:(?:now|just|already|also|successfully|then|since|been|gone ahead and|went ahead and|managed to) )*"
_CLAIM = re.compile(
    rf"\b(?:I|we)(?:'ve| have)? {_LEAD}(?:{_EFFECT})\b"
    rf"|(?<!that )(?<!which )(?<!who )\b(?:(?:has|have) {_LEAD}been|was|were) {_LEAD}(?:{_EFFECT})\b"
    rf"|\b(?:is|are|'s|'re|has been|have been) {_LEAD}(?:{_FINISHED})\b"
    rf"|\b(?:is|are) now (?:{_EFFECT}|in|on|at|under|called|named|part)\b"
    r"|\b(?:is|are) (?:in|on|at|under) [^,.]{1,60} now\b"
    rf"|^\W*(?:all )?(?:{_FINISHED}|success(?:fully)?)\b"
    rf"|^\W*(?:{_EFFECT})(?=\s+(?!by\b)\w|\s*[:.!])"
    rf"|^\W*(?:(?!(?:is|are|be|being|gets?)\b)\w[\w'-]* ){{1,3}}(?:{_EFFECT})\s*(?:[:.!]|$)"
    rf"|\bsuccessfully (?:{_EFFECT})\b",
    re.IGNORECASE,
)
_CONDITION = re.compile(r"\b(?:before|once|if|when|until|unless|after|should|would|could|might|as soon as)\b", re.I)
_NEGATIVE = re.compile(r"\b(?:not|never|no|nothing|none|neither|cannot|unable|without|what|which|failed)\b|n't\b", re.I)
_CLAUSE = re.compile(r"[,;:(]|\s[-–—]+\s|\bbut\b")
_IN_THE_REPLY = re.compile(r"\b(?:below|above|here)\b", re.IGNORECASE)

_ASKING = re.compile(
    r"\?"
    r"|^\W*(?:please|kindly|give|tell|send|share|specify|clarify|provide|confirm|pick|choose|state|name|need|missing)\b"
    r"|\b(?:could|can|would|will) you\b|\bplease\b|\blet me know(?! if\b)|\b(?:tell|give|send) me\b"
    r"|\b(?:need|have|like|want) to know\b|\bI(?:'d| would| still| do| also| only| just)*(?:'m)? (?:need|require)\b"
    r"|\b(?:I'm|is|are) (?:still )?missing\b|\bunclear\b|\bnot clear\b|\bwithout knowing\b"
    r"|\b(?:doesn't|does not|didn't|did not|hasn't|haven't) (?:say|specify|include|mention|state|give|tell|name)",
    re.IGNORECASE,
)
_OFFER = re.compile(r"\blet me know (?:if|whether|should)\b|\b(?:feel free|happy to help)\b", re.IGNORECASE)
_PRONOUN = re.compile(r"\b(?:it|that|this|these|those|they|them|one|ones)\b", re.IGNORECASE)
_ITEM = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s+")

_MEANS = (
    "tools?|way|access|ability|means|options?|functions?|functionality|capability|capabilities|permission|integration|"
    "connection|support|services?|printer|backups?|trash"
)
_REFUSAL = re.compile(
    r"\b(?:cannot|can not|can't|couldn't|unable|not able|not possible|impossible|unavailable|incapable|lacks?|lacking|"
    r"beyond|outside|unsupported)\b"
    r"|(?:\bnot|n't) (?:\w+ )?(?:possible|available|supported|something I|part of|included|among|"
    r"able|allowed|permitted|feasible)\b"
    r"|(?:\bnot|n't) (?:currently |actually |really )?(?:have|support|offer|provide|include|allow|permit|cover|come with)\b"
    rf"|\b(?:no|without) (?:[\w/'-]+ ){{0,3}}(?:{_MEANS})\b"
    r"|\bnone of\b|\bnothing (?:here|that|I|in)\b",
    re.IGNORECASE,
)


def claims_completion(text: str) -> bool:
    """True where a sentence says that something was done, and does not say it of a negative or a condition."""
    return any(_claims(part) for part in sentences(_plain(text)))


def asked(task: Task, text: str) -> bool:
    """True iff the message claims no completion and asks for a missing slot, and for none that the request gives.

    `which` and `what` stand in questions about any slot: they name a missing one only where no given one is named.
    """
    if claims_completion(text):
        return False
    found = False
    for question in _questions(_plain(text)):
        words = {word.casefold() for slot in task.asks for word in slot if _names(question, (word,))}
        given = any(_names(question, slot) for slot in task.given)
        if given and words <= {"which", "what"}:
            return False
        found = found or bool(words)
    return found


def declined(task: Task, text: str) -> bool:
    """True iff the message claims no completion, says that something cannot be done, and names the missing capability."""
    if claims_completion(text):
        return False
    plain = _plain(text)
    return any(_REFUSAL.search(part) for part in sentences(plain)) and _names(plain, task.reasons)


def _plain(text: str) -> str:
    return text.replace("’", "'").replace("**", "")


def _claims(part: str) -> bool:
    if part.endswith("?"):  # "I moved it, is that fine?": what stands before the question may claim
        clauses = list(_CLAUSE.finditer(part))
        part = part[: clauses[-1].start()] if clauses else ""
    if _IN_THE_REPLY.search(part):  # what was written into the reply itself is no act
        return False
    for match in _CLAIM.finditer(part):
        before = part[: match.end()]
        clause = _CLAUSE.split(before)[-1] if not _CLAUSE.search(match.group()) else match.group()
        if not _CONDITION.search(before) and not _NEGATIVE.search(clause):
            return True
    return False


def _questions(text: str) -> Iterator[str]:
    """What asks: questions, requests, statements of what is missing; each with the list, or the sentence, it refers to."""
    before, open_list = "", False
    for line in text.splitlines():
        if open_list and _ITEM.match(line):
            yield line
            continue
        if line.strip():
            open_list = False
        for part in sentences(_ITEM.sub("", line)):
            if _ASKING.search(part) and not (_OFFER.search(part) and "?" not in part):
                yield f"{before} {part}" if _PRONOUN.search(part) and before else part
                open_list = part.endswith(":")
            before = part


def _names(text: str, words: Iterable[str]) -> bool:
    """Does one of the words stand in the text, as it is or as a plural?"""
    return any(contains_phrase(text, form) for word in words for form in _forms(word))


def _forms(word: str) -> tuple[str, ...]:
    if not word[-1:].isalpha():
        return (word,)
    if word.endswith("y"):
        return word, word + "s", word[:-1] + "ies"
    return word, word + "s", word + "es"
