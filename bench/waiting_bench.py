"""Very many messages that wait for a dead next hop: Posthorn beside Debian's Postfix, one after the other.

  python3 bench/waiting_bench.py [--messages N] [--only posthorn|postfix] [--age S]

smtp-source sends; nothing listens at the next hop's port. Then: memory of all processes, the disk that the
queue takes, the list of all messages. Then the server is killed, every message becomes overdue (--age; by
default a little more than the first retry step of each), an smtp-sink listens, and the server starts.
"""
import argparse
import pathlib
import subprocess
import sys
import time

from servers import Postfix, Posthorn, free_port
from smtp_bench import Sink, send

ROOT = pathlib.Path(__file__).resolve().parent.parent
OCTETS = 1024
ACCEPT_AT_ONCE = 10_000
DRAIN_MAX_S = 900
AGE_S = {"posthorn": 70, "postfix": 320}  # minimal_backoff_time is 300 s


def memory_bytes(pids):
    """Memory that is theirs, shared pages divided by their users."""
    total = 0
    for pid in pids:
        try:
            text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        total += sum(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:"))
    return total


def disk_bytes(folders):
    total = 0
    for folder in folders:
        for path in pathlib.Path(folder).rglob("*"):
            try:
                total += path.lstat().st_blocks * 512
            except OSError:
                continue
    return total


def list_seconds(command):
    """Until the first line, until the last, and how many lines."""
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    first, lines = None, 0
    for _ in process.stdout:
        first = first or time.monotonic() - began
        lines += 1
    process.wait()
    return first or 0, time.monotonic() - began, lines


def measure(server, count, age):
    figures = {}
    port = free_port()
    server.start(port)
    sink = None
    try:
        time.sleep(1)
        before = disk_bytes(server.queue_folders()), memory_bytes(server.pids())
        began = time.monotonic()
        for at in range(0, count, ACCEPT_AT_ONCE):
            send(server.port, 20, min(ACCEPT_AT_ONCE, count - at), OCTETS, True)
        figures["accepted a second"] = count / (time.monotonic() - began)
        time.sleep(5)
        figures["memory of all processes, MiB"] = memory_bytes(server.pids()) / 2**20
        figures["memory a message, octets"] = (memory_bytes(server.pids()) - before[1]) / count
        figures["disk a message beyond its octets"] = (disk_bytes(server.queue_folders()) - before[0]) / count - OCTETS
        first, whole, lines = list_seconds(server.list_command())
        figures["list: first line, s"], figures["list: whole, s"], figures["list: lines"] = first, whole, lines
        server.kill()
        time.sleep(age)
        sink = Sink(port)
        began = time.monotonic()
        server.again()
        figures["start: until it answers, s"] = time.monotonic() - began
        while sink.messages == 0 and time.monotonic() - began < DRAIN_MAX_S:
            time.sleep(0.005)
        figures["start: until the first delivery, s"] = time.monotonic() - began
        first_at = time.monotonic()
        while sink.messages < count and time.monotonic() - first_at < DRAIN_MAX_S:
            time.sleep(0.02)
        figures["drain: messages"] = sink.messages
        figures["drain: s"] = time.monotonic() - first_at
        figures["drain: messages a second"] = sink.messages / (time.monotonic() - first_at)
    finally:
        server.stop()
        if sink is not None:
            sink.stop()
    return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--only", choices=["posthorn", "postfix"])
    parser.add_argument("--age", type=int)
    arguments = parser.parse_args()
    servers = [s for s in (Posthorn(ROOT / "build/release/posthorn"), Postfix()) if arguments.only in (None, s.name)]
    columns = {}
    for server in servers:
        age = AGE_S[server.name] if arguments.age is None else arguments.age
        columns[server.name] = measure(server, arguments.messages, age)
        print(server.name, columns[server.name], flush=True)
    print(f"{arguments.messages} messages of {OCTETS} octets\n{'':40}" + "".join(f"{name:>12}" for name in columns))
    for what in next(iter(columns.values())):
        print(f"{what:40}" + "".join(f"{figures[what]:>12.2f}" for figures in columns.values()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
