"""A queue with a million rows that wait for dead next hops: what they cost, and how it answers.

  python3 bench/scale_bench.py [--rows N] [--lanes N] [--bytes N] [--folder F] [--check]

Runs the phases of scale_bench (see there), each in a process of its own, kills the second one with -9,
and prints each figure beside its goal. Without --rows it is the small run of a few seconds. --check: the
exit status is 1 when a goal is missed that does not depend on the size (memory and disk a row, the times
of answers) or when the auditor found a defect.
"""
import argparse
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BIN = ROOT / "build" / "release" / "bin"
BIG = 200_000


def disk_bytes(folder):
    """What the files occupy (blocks), their lengths, and RocksDB's log files among the former."""
    blocks = lengths = logs = 0
    for path in pathlib.Path(folder).rglob("*"):
        try:
            facts = path.stat()
        except OSError:
            continue  # RocksDB has removed it meanwhile
        if path.is_file():
            blocks += facts.st_blocks * 512
            lengths += facts.st_size
            logs += facts.st_blocks * 512 if path.suffix == ".log" else 0
    return blocks, lengths, logs


class Phase:
    """One process of scale_bench, its figures, and when its marks came."""

    def __init__(self, name, folder, options, figures):
        self.figures = figures
        self.began = time.monotonic()
        self.process = subprocess.Popen([str(BIN / "scale_bench"), name, str(folder)] + options,
                                        stdout=subprocess.PIPE, text=True)

    def until(self, line_wanted=None):
        for line in self.process.stdout:
            line = line.strip()
            figure = re.fullmatch(r"figure (\S+) (\S+)", line)
            if figure:
                self.figures[figure.group(1)] = float(figure.group(2))
            print(f"  {time.monotonic() - self.began:7.1f} s  {line}", flush=True)
            if line == line_wanted:
                return time.monotonic() - self.began
        if self.process.wait() != 0 or line_wanted is not None:
            raise RuntimeError(f"scale_bench ended with {self.process.returncode}")
        return None

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def relay_rate(folder, options):
    """The queue by itself, one lane that lives: messages relayed a second."""
    done = subprocess.run([str(BIN / "queue_bench"), str(folder), options["bytes"], "100", "5", "alive"],
                          stdout=subprocess.PIPE, text=True, check=True)
    return float(re.search(r"(\d+) relayed/s", done.stdout).group(1))


def run_all(arguments, base):
    big = arguments.rows >= BIG
    options = {"rows": str(arguments.rows), "lanes": str(arguments.lanes), "bytes": str(arguments.bytes)}
    if big:
        # The first retry comes late enough that filling and retrying do not overlap.
        options |= {"idle": "60", "drain_max": "1500", "young": "5 min, 60 min"}
    else:  # in seconds what is minutes else
        options |= {"idle": "2", "drain_max": "30", "young": "3 s", "probe": "1 s"}
    given = [f"{name}={value}" for name, value in options.items()]
    figures = {}
    # Its memory grows until the caches are full, not with the messages that have gone.
    print(f"base: {min(arguments.rows, BIG)} such messages, all relayed at once", flush=True)
    Phase("base", base / "base", given + [f"rows={min(arguments.rows, BIG)}"], figures).until()
    shutil.rmtree(base / "base")
    rates = [relay_rate(base / "relay", options)]
    print("fill: every lane is dead", flush=True)
    phase = Phase("fill", base / "queue", given, figures)
    phase.until("ready")
    figures["young.disk"], figures["young.disk_lengths"], figures["young.disk_logs"] = disk_bytes(base / "queue")
    phase.kill()
    time.sleep(330 if big else 4)  # so that every row is overdue: the worst that a start can find
    print("restart: one lane lives, every row is overdue", flush=True)
    phase = Phase("restart", base / "queue", given, figures)
    figures["restart.first_s"] = phase.until("mark first")
    phase.until("mark calm")
    figures["calm.disk"], figures["calm.disk_lengths"], figures["calm.disk_logs"] = disk_bytes(base / "queue")
    phase.until()
    rates.append(relay_rate(base / "relay", options))
    figures["relay.per_s"] = statistics.mean(rates)
    return figures


def table(figures, arguments):
    """(what, goal, measured, whether it holds, whether --check counts it)"""
    rows = arguments.rows
    base = figures["base.resident_bytes"]
    memory = {when: (figures[f"{when}.resident_bytes"] - base) / rows for when in ("young", "calm")}
    disk = {when: figures[f"{when}.disk"] / rows - arguments.bytes for when in ("young", "calm")}
    share = figures["drain.middle_per_s"] / figures["relay.per_s"]
    lines = [
        ("memory a row beyond the base, octets", "<= 500", max(memory.values()), max(memory.values()) <= 500, False),
        ("disk a row beyond its octets, at once", "<= 1024", disk["young"], disk["young"] <= 1024, False),
        ("disk a row beyond its octets, settled", "<= 1024", disk["calm"], disk["calm"] <= 1024, False),
        ("start after kill -9 to the first delivery, s", "< 5", figures["restart.first_s"],
         figures["restart.first_s"] < 5, True),
        ("  processor time of that, s", "", figures["restart.first_cpu_s"], True, False),
    ]
    for when in ("young", "calm"):
        lines += [
            (f"first page of a list, ms ({when})", "< 100", figures[f"{when}.first_page_ms"],
             figures[f"{when}.first_page_ms"] < 100, True),
            (f"filter over all rows, s ({when})", "< 5", figures[f"{when}.filter_ms"] / 1e3,
             figures[f"{when}.filter_ms"] < 5000, True),
            (f"  processor time of that, s ({when})", "", figures[f"{when}.filter_cpu_ms"] / 1e3, True, False),
            (f"why, ms: median ({when})", "< 10", figures[f"{when}.why_ms"], figures[f"{when}.why_ms"] < 10, True),
            (f"why, ms: 99 of 100 ({when})", "< 10", figures[f"{when}.why_p99_ms"],
             figures[f"{when}.why_p99_ms"] < 10, when == "calm"),
            (f"counts of all states, s ({when})", "", figures[f"{when}.counts_ms"] / 1e3, True, False),
            (f"the auditor's sweep, s ({when})", "", figures[f"{when}.sweep_ms"] / 1e3, True, False),
            (f"  processor time of that, s ({when})", "", figures[f"{when}.sweep_cpu_ms"] / 1e3, True, False),
            (f"longest hold-up of a loop by the sweep, ms ({when})", "", figures[f"{when}.sweep_stall_ms"], True, False),
            (f"longest hold-up by the other questions, ms ({when})", "", figures[f"{when}.questions_stall_ms"], True,
             False),
            (f"longest hold-up without questions, ms ({when})", "", figures[f"{when}.stall_ms"], True, False),
            (f"defects that it found ({when})", "0", figures[f"{when}.sweep_defects"],
             figures[f"{when}.sweep_defects"] == 0, True),
            (f"processor while all wait, % of a core ({when})", "", figures[f"{when}.cpu_percent"], True, False),
            (f"rows tried again a second meanwhile ({when})", "", figures[f"{when}.rows_retried_per_s"], True, False),
        ]
    lines += [
        ("drain: rows left at the end", "0", figures["drain.left"], figures["drain.left"] == 0, True),
        ("drain: until the first row leaves, s", "", figures.get("drain.first_ms", 0) / 1e3, True, False),
        ("drain: rows a second, the middle 80 %", f">= {figures['relay.per_s']:.0f}", figures["drain.middle_per_s"],
         share >= 1, False),
        ("drain: processor time a row, us", "", figures["drain.cpu_us"], True, False),
        ("accepted a second while the lanes are dead", "", figures["fill.accept_per_s"], True, False),
        ("  processor time of that, us each", "", figures["fill.accept_cpu_us"], True, False),
    ]
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--lanes", type=int)
    parser.add_argument("--bytes", type=int, default=1024)
    parser.add_argument("--folder", help="on the disk to be measured (default: the system's)")
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    arguments.lanes = arguments.lanes or max(arguments.rows // 100, 1)
    base = pathlib.Path(tempfile.mkdtemp(prefix="posthorn-scale-", dir=arguments.folder))
    try:
        figures = run_all(arguments, base)
    finally:
        shutil.rmtree(base, ignore_errors=True)
    print(f"\n{arguments.rows} rows of {arguments.bytes} octets for {arguments.lanes} lanes, "
          f"{os.cpu_count()} processors")
    missed = False
    for what, goal, measured, holds, counts in table(figures, arguments):
        verdict = "" if not goal else "holds" if holds else "MISSED"
        missed = missed or (counts and not holds)
        print(f"{what:56} {goal:>9} {measured:>12.2f}  {verdict}")
    return 1 if arguments.check and missed else 0


if __name__ == "__main__":
    sys.exit(main())
