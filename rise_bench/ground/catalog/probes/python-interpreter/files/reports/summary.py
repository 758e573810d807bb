"""Sum of a column of a CSV file: summary.py FILE COLUMN."""

import csv
import sys


def main() -> None:
    path, column = sys.argv[1:]
    with open(path, encoding="utf-8") as file:
        total = sum(float(row[column]) for row in csv.DictReader(file))
    print(f"{column}: {total:.2f}")


main()
