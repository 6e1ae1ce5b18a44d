"""Statistics of a list of numbers, a table of records or CSV text."""

import csv
import io
import json
import math
import os
import statistics
import sys
from collections import Counter
from pathlib import Path

MISSING = (None, "")


class InputError(Exception):
    """The input has another form than SKILL.md asks for."""


def main():
    data = json.loads(Path(os.environ["SANDBOX_INPUT_FILE"]).read_text(encoding="utf-8"))
    try:
        result = analyse(data)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    output = json.dumps(result, ensure_ascii=False)
    Path(os.environ["SANDBOX_OUTPUT"]).write_text(output, encoding="utf-8", errors="replace")
    report = Path(os.environ["SANDBOX_FILES_DIR"], "report.md")
    report.write_text(markdown(result), encoding="utf-8", errors="replace")
    print(f"Wrote {report.name}")
    return 0


def analyse(document):
    """Returns the statistics of the input."""
    if not isinstance(document, dict) or "data" not in document:
        raise InputError('expected an object with "data"')
    data = document["data"]
    if isinstance(data, str):
        return analyse_table(read_csv(data))
    if not isinstance(data, list) or not data:
        raise InputError("data must be a list that is not empty, or CSV text")
    if any(isinstance(item, dict) for item in data):
        return analyse_table(check_records(data))
    progress(f"Analysing {len(data)} numbers")
    return {"row_count": len(data), **number_statistics(data, "data")}


def check_records(data):
    for index, record in enumerate(data):
        if not isinstance(record, dict):
            raise InputError(f"data[{index}] is {show(record)}, expected a record like the others")
    return data


def read_csv(text):
    """Returns the records of CSV text; columns that hold only numbers become numbers."""
    try:
        rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        raise InputError(f"data is not CSV: {error}") from None
    if not rows:
        raise InputError("data has no line below the header")
    for line, row in enumerate(rows, start=2):
        if None in row:
            raise InputError(f"data, row {line}: more cells than the header has columns")
    for column in rows[0]:
        numbers = [to_number(row[column]) for row in rows]
        if all(
            n is not None or row[column] in MISSING for n, row in zip(numbers, rows, strict=True)
        ):
            for number, row in zip(numbers, rows, strict=True):
                row[column] = number
    return rows


def to_number(text):
    try:
        number = float(text)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def analyse_table(records):
    columns = list(dict.fromkeys(name for record in records for name in record))
    progress(f"Analysing {len(records)} rows with {len(columns)} columns")
    result = {"row_count": len(records), "columns": {}}
    for name in columns:
        result["columns"][name] = analyse_column(name, [record.get(name) for record in records])
        progress(f"Column {name}: done")
    return result


def analyse_column(name, values):
    present = [value for value in values if value not in MISSING]
    if present and all(is_number(value) for value in present):
        return {"type": "number", **number_statistics(values, f"column {name}")}
    texts = [value if isinstance(value, str) else json.dumps(value) for value in present]
    column = {"type": "text", "missing": len(values) - len(texts), "unique": len(set(texts))}
    if texts:
        column["top"], column["top_count"] = Counter(texts).most_common(1)[0]
    return column


def number_statistics(values, where):
    numbers = []
    for index, value in enumerate(values):
        if value is None:
            continue
        if not is_number(value):
            raise InputError(f"{where}[{index}] is {show(value)}, expected a number")
        numbers.append(value)
    if not numbers:
        raise InputError(f"{where} has no number")
    try:
        numbers = [float(number) for number in numbers]
        result = {
            "missing": len(values) - len(numbers),
            "sum": math.fsum(numbers),
            "mean": statistics.fmean(numbers),
            "median": statistics.median(numbers),
            "min": min(numbers),
            "max": max(numbers),
            "stdev": statistics.stdev(numbers) if len(numbers) > 1 else 0.0,
        }
    except OverflowError:
        raise InputError(f"{where} has numbers that are too large to compute with") from None
    if not all(map(math.isfinite, result.values())):
        raise InputError(f"{where} has numbers that are too large to compute with")
    return result


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def markdown(result):
    """Returns the report."""
    columns = result.get("columns")
    if columns is None:
        columns = {"data": {name: v for name, v in result.items() if name != "row_count"}}
    lines = ["# Report", "", f"{result['row_count']} rows", ""]
    for name, figures in columns.items():
        lines += [f"## {' '.join(name.split())}", "", "| Figure | Value |", "|---|---|"]
        lines += [f"| {figure} | {cell(value)} |" for figure, value in figures.items()]
        lines.append("")
    return "\n".join(lines)


def cell(value):
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return " ".join(text.split()).replace("|", "\\|")


def show(value):
    text = json.dumps(value)
    return text if len(text) <= 40 else text[:37] + "..."


def progress(text):
    # Flushed, so that a watcher sees it now and not at the end.
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
