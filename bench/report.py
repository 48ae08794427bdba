"""The report of a run: Markdown tables, for the terminal and for docs/performance.md alike.

The page keeps its own words; what lies between its two marks is replaced by the tables of the last kept run.
"""

import blocked
import cost
import expiry
import idle
import large
import memory
import persist
import replication
import scaling
import small
import stall
import targets

BEGIN = "<!-- tables of bench/results/latest.json, written by bench/run.py --keep: begin -->"
END = "<!-- end -->"
MODULES = {"cost": cost, "memory": memory, "small": small, "expiry": expiry, "idle": idle, "blocked": blocked,
           "stall": stall, "large": large, "persist": persist, "replication": replication, "scaling": scaling}


def markdown(rows):
    """A table whose columns are padded, so that it can be read as it is."""
    widths = [max(len(str(row[column])) for row in rows) for column in range(len(rows[0]))]
    lines = ["| " + " | ".join(str(cell).ljust(width) for cell, width in zip(row, widths)) + " |"
             for row in rows]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def machine_line(machine):
    priority = ", with priority over its other work" if machine["priority"] else ""
    return (f"{machine['date']}, {machine['cores']} cores of {machine['processor']} "
            f"({machine['architecture']}), {machine['memory_gb']} GB, Linux {machine['kernel']}, "
            f"load average {machine['load_average_at_start']} at the start{priority}.")


def tables_of(results):
    found = [table for name, module in MODULES.items() if results.get(name)
             for table in module.tables(results[name])]
    if results.get("ordinal"):
        found.append(targets.table(results, results["ordinal"]))
    if results["failed"]:
        found.append(("Failed", [["what", "why"], *results["failed"]]))
    return found


def text(results):
    parts = [machine_line(results["machine"])]
    for title, rows in tables_of(results):
        parts.append(f"### {title}\n\n{markdown(rows)}")
    return "\n\n".join(parts) + "\n"


def put_into_page(path, results):
    """Replaces what lies between the marks; a page without them is left alone. Returns whether it was
    changed."""
    if not path.exists():
        return False
    page = path.read_text()
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        return False
    path.write_text(f"{before}{BEGIN}\n\n{text(results)}\n{END}{after}")
    return True
