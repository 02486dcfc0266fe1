"""Makes the telemetry of a press, row by row, from a seed: `python3 make_telemetry.py --seed 7`.

Writes CSV with a header to standard output. Equal arguments give equal bytes.
"""

import argparse
import csv
import random
import sys

MACHINES = ("M-016", "M-017")


def rows(seed, count):
    """`count` rows of a press that warms up, drifts, and now and then reports a fault."""
    dice = random.Random(seed)
    strokes = dict.fromkeys(MACHINES, 0)
    for index in range(count):
        machine = MACHINES[dice.random() < 0.4]
        fault = dice.random() < 0.02
        strokes[machine] += 0 if fault else 1
        warmth = 40 * (1 - 2.718 ** (-index / 300))
        yield {
            "machine": machine,
            "temperature_c": round(22 + warmth + dice.gauss(0, 1.5), 2),
            "pressure_bar": round((0 if fault else 180) + dice.gauss(0, 4), 1),
            "strokes": strokes[machine],
            "state": "fault" if fault else "run",
        }


def main():
    """Reads the arguments and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--rows", type=int, default=2000)
    arguments = parser.parse_args()
    table = list(rows(arguments.seed, arguments.rows))
    writer = csv.DictWriter(sys.stdout, fieldnames=list(table[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)


if __name__ == "__main__":
    main()
