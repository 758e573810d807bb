"""Facts in results that are text: what stands behind a label, in a row of a table, and how many lines of a kind there are."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator

from rise_bench.refs import ROOT
from rise_bench.synth.facts.about import about, noun_of, of_many, phrase, words_of
from rise_bench.synth.facts.derivations import ISO_DATE, ISO_MOMENT, NUMBER, cell, labelled, listed
from rise_bench.synth.facts.structured import Seen, typed, weight_of
from rise_bench.types import Derivation, Fact, Tool

__all__ = ["of_text"]

_LABELLED = re.compile(
    r"^[\s>#*|+-]*(?P<label>[A-Za-z][\w ()/.-]{1,38}?[\w)])[\"']?(?P<sign>[ \t]*[:=][ \t]*|[ \t]{2,})(?P<rest>\S.*)$"
)
_TAG = re.compile(r"^\[([A-Z]{2,10})\] \S")
_MOST_LINES = 400
_SEPARATORS = (",", "|", "\t", ";")
_WORD = r"[^\n\"'\\|,;=]{2,40}?(?=[ \t.]*(?:\Z|[\n\"'\\|,;]))"


def of_text(text: str, tool: Tool) -> list[Seen]:
    """Facts of a text that are found by a rule in it alone."""
    lines = text.splitlines()[:_MOST_LINES]
    if len(lines) == 1 and len(text) <= 200:
        return [*_only_line(text, tool)]
    return [*_tagged(lines), *_behind_labels(lines), *_repeated(lines), *_in_rows(lines)]


def _only_line(text: str, tool: Tool) -> Iterator[Seen]:
    """The one number or moment of a text of one line, by the words before it."""
    if text.lstrip().startswith("#"):
        return  # a heading
    shapes = ((ISO_MOMENT, "datetime"), (ISO_DATE, "date"), (NUMBER, "number"))
    for shape, kind in shapes:
        found = list(re.finditer(rf"(?<![\w.:/-]){shape}(?![\w:/-])", text))
        if not found:
            continue
        match = found[-1]
        kind_value = typed(match.group())
        before = re.search(r"([A-Za-z][\w ()/-]*?)([^\w\n]*)$", text[: match.start()])
        if kind_value is None or kind_value[0] != kind:
            return
        noun = " ".join(words_of(before[1])[-2:] if before else ()) or noun_of(tool.id) or "result"
        if before is not None and ROOT not in before.group():
            last = " ".join(before[1].split()[-4:])
            rule = labelled(last, shape, re.escape(before[2]))
        elif not text[: match.start()].strip():
            rule = Derivation(op="find", pattern=rf"\A\s*({shape})")
        else:
            return
        fact = Fact(value=kind_value[1], type=kind_value[0], about=about(noun, names=(tool.name,)), derive=rule)
        yield Seen(fact, weight_of(*kind_value))
        return


def _behind_labels(lines: list[str]) -> Iterator[Seen]:
    """`Hourly rate: 92.50 EUR`, `port = 8080`, `Total (EUR)   1840.00`, where the label stands once."""
    behind: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for line in lines:
        match = _LABELLED.match(line)
        if match and ROOT not in line:
            behind[match["label"].strip()].append((match["sign"], match["rest"].strip()))
    for label, places in behind.items():
        if len(places) > 1 or not words_of(label):
            continue
        sign, rest = places[0]
        between = r"[\"']?[ \t]*[:=][ \t]*[\"']?" if sign.strip() else r"[ \t]{2,}"
        yield from _value_behind(label, rest, between)


def _value_behind(label: str, rest: str, between: str) -> Iterator[Seen]:
    for shape in (ISO_MOMENT, ISO_DATE, NUMBER):
        match = re.match(rf"({shape})(?![\w:/-]|\.\d|,\d)", rest)
        if match and (kind_value := typed(match.group())) is not None:
            fact = Fact(
                value=kind_value[1],
                type=kind_value[0],
                about=about(phrase(label, kind_value[0]), names=(label,)),
                derive=labelled(label, shape, between),
            )
            yield Seen(fact, weight_of(*kind_value) + 0.3)
            return
    word = re.match(_WORD, rest.strip())
    whole = rest.strip().rstrip(".")
    if word and word.group() == whole and whole[:1].isalnum() and len(whole.split()) <= 5:
        fact = Fact(value=whole, about=about(phrase(label), names=(label,)), derive=labelled(label, _WORD, between))
        if typed(whole) == ("text", whole):
            yield Seen(fact, 2.0)


def _tagged(lines: list[str]) -> Iterator[Seen]:
    """`[FILE] a.txt`: how many lines carry each tag."""
    tags = Counter(match[1] for line in lines if (match := _TAG.match(line)))
    for tag, number in tags.items():
        if number > 1:
            noun = of_many({"DIR": "folder"}.get(tag, tag.casefold()))
            rule = listed(rf"^\[{tag}\] (\S.*)$")
            yield Seen(Fact(value=number, type="number", about=about(f"number of {noun}"), derive=rule), 2.5)


def _repeated(lines: list[str]) -> Iterator[Seen]:
    """`Commit: 2f..` several times: how many there are."""
    values: dict[str, list[str]] = defaultdict(list)
    for line in lines:
        match = re.match(r"^([A-Z][a-z]{2,20}): (\S.*)$", line)
        if match:
            values[match[1]].append(match[2])
    for label, found in values.items():
        if len(found) > 1 and len(set(found)) == len(found):
            words = about(f"number of {of_many(label.casefold())}")
            rule = listed(rf"^{label}: (\S.*)$")
            yield Seen(Fact(value=len(found), type="number", about=words, derive=rule), 2.4)
            return


def _in_rows(lines: list[str]) -> Iterator[Seen]:
    """Cells of the rows of a table in the text: comma separated or drawn with bars."""
    for separator in _SEPARATORS:
        rows = [_cells(line, separator) for line in lines]
        widths = Counter(len(row) for row in rows if len(row) > 1)
        if not widths:
            continue
        width, often = widths.most_common(1)[0]
        if often < 3 or (separator == "," and any(re.search(r'"|, |^[-*#>]', line) for line in lines)):
            continue
        table = [row for row in rows if len(row) == width and not re.fullmatch(r"[-: ]*", "".join(row))]
        yield from _cells_of(table, separator)
        return


def _cells(line: str, separator: str) -> list[str]:
    if separator == "|":
        line = line.strip().strip("|")
    return [part.strip() for part in line.split(separator)]


def _cells_of(table: list[list[str]], separator: str) -> Iterator[Seen]:
    """Every cell behind the first of the rows below the heading, by the row's first cell."""
    heading, *rows = table
    first = Counter(row[0] for row in rows)
    for row in rows[:15]:
        if first[row[0]] > 1 or typed(row[0]) is None or len(row[0]) < 3:
            continue
        for column in range(1, len(row)):
            kind_value = typed(row[column])
            name = heading[column]
            if kind_value is None or not words_of(name) or kind_value[0] == "path" or ROOT in row[column]:
                continue
            shape = {"number": NUMBER, "date": ISO_DATE, "datetime": ISO_MOMENT}.get(
                kind_value[0], rf"[^{re.escape(separator)}\n\\]*[^{re.escape(separator)}\s\\]"
            )
            label = _said_label(row, column)
            words = about(phrase(name), label, names=(name,))
            rule = cell(row, column, separator, shape)
            yield Seen(Fact(value=kind_value[1], type=kind_value[0], about=words, derive=rule), weight_of(*kind_value))


def _said_label(row: list[str], column: int) -> str:
    """What a row is called: its first cell, or the name that stands beside a code."""
    if re.fullmatch(r"[A-Z]{1,4}-?\d+", row[0]) and column > 1 and re.search(r"[a-z]{3}", row[1]):
        return row[1]
    return row[0]
