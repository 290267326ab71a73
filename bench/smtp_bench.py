"""Accepting and relaying mail: Posthorn beside Debian's Postfix, the same load, in turn.

  python3 bench/smtp_bench.py [--runs N] [--quick] [--only accept|relay]

smtp-source sends; the next hop is down (accept) or an smtp-sink (relay, measured until the sink has all).
Runs are interleaved; the table shows medians and the median of the pairwise ratios. Processor time is the
machine's own count less that of the load programs, so nothing else should run meanwhile.
"""
import argparse
import os
import pathlib
import re
import resource
import statistics
import subprocess
import sys
import threading
import time

from servers import Postfix, Posthorn, free_port, wait_for_port

ROOT = pathlib.Path(__file__).resolve().parent.parent
TICKS = 100.0


def machine_cpu():
    fields = [int(x) for x in pathlib.Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
    return (fields[0] + fields[1] + fields[2] + fields[5] + fields[6]) / TICKS


def send(port, sessions, count, size, reuse):
    command = ["smtp-source", "-s", str(sessions), "-m", str(count), "-l", str(size), "-f", "a@example.net",
               "-t", "b@example.com"] + (["-d"] if reuse else []) + [f"127.0.0.1:{port}"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=600)
    wall = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.decode(errors="replace")[-300:])
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, cpu


class Sink:
    """smtp-sink with its running counter read back."""

    def __init__(self, port=None):
        self.port = port or free_port()
        as_user = ["-u", "postfix"] if os.getuid() == 0 else []
        self.process = subprocess.Popen(["smtp-sink", *as_user, "-c", f"127.0.0.1:{self.port}", "1000"],
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.messages = 0
        threading.Thread(target=self.read, daemon=True).start()
        wait_for_port(self.port)

    def read(self):
        text = b""
        while chunk := self.process.stdout.read1(65536):
            text = (text + chunk)[-4096:]
            found = re.findall(rb"mesg=(\d+)", text)
            if found:
                self.messages = int(found[-1])

    def cpu(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def stop(self):
        self.process.kill()
        self.process.wait()


def run_accept(server, sessions, count, size, reuse):
    server.start(free_port())
    try:
        time.sleep(0.3)
        before = machine_cpu()
        wall, load_cpu = send(server.port, sessions, count, size, reuse)
        cpu = machine_cpu() - before - load_cpu
    finally:
        server.stop()
    return count / wall, cpu / count * 1000


def run_relay(server, sessions, count, size, reuse):
    sink = Sink()
    server.start(sink.port)
    try:
        time.sleep(0.3)
        before = machine_cpu()
        began = time.monotonic()
        _, load_cpu = send(server.port, sessions, count, size, reuse)
        while sink.messages < count and time.monotonic() - began < 300:
            time.sleep(0.01)
        wall = time.monotonic() - began
        cpu = machine_cpu() - before - load_cpu - sink.cpu()
        if sink.messages < count:
            raise RuntimeError(f"{server.name}: the sink has {sink.messages} of {count} messages")
    finally:
        server.stop()
        sink.stop()
    return count / wall, cpu / count * 1000


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="fewer messages and one run")
    parser.add_argument("--only", choices=["accept", "relay"])
    parser.add_argument("--self", action="store_true", help="Posthorn alone")
    arguments = parser.parse_args()
    runs = 1 if arguments.quick else arguments.runs
    servers = [Posthorn(ROOT / "build/release/posthorn")] + ([] if arguments.self else [Postfix()])
    print(f"{'what':8} {'size':>6} {'sessions':>8} {'each':>5} | {'posthorn/s':>10} {'postfix/s':>10} {'ratio':>6} |"
          f" {'cpu ms':>7} {'cpu ms':>7} {'ratio':>6}   (medians of {runs})", flush=True)
    for what, run in (("accept", run_accept), ("relay", run_relay)):
        if arguments.only and what != arguments.only:
            continue
        for size in (4096, 51200):
            for sessions in (1, 20, 100):
                for reuse in (False, True):
                    results = {s.name: [] for s in servers}
                    for _ in range(runs):
                        for server in servers:
                            count = {"posthorn": 8000, "postfix": 1200}[server.name]
                            if sessions == 1:
                                count = {"posthorn": 2000, "postfix": 400}[server.name]
                            if arguments.quick:
                                count //= 2
                            results[server.name].append(run(server, sessions, count, size, reuse))
                    speed = {n: statistics.median(r[0] for r in rs) for n, rs in results.items()}
                    cpu = {n: statistics.median(r[1] for r in rs) for n, rs in results.items()}
                    if len(servers) == 1:
                        ratios = cpu_ratios = [0]
                        speed["postfix"] = cpu["postfix"] = 0
                    else:
                        pairs = list(zip(results["posthorn"], results["postfix"]))
                        ratios = [a[0] / b[0] for a, b in pairs]
                        cpu_ratios = [b[1] / a[1] for a, b in pairs if a[1] > 0]
                    print(f"{what:8} {size // 1024:>4} K {sessions:>8} {'many' if reuse else 'one':>5} |"
                          f" {speed['posthorn']:>10.0f} {speed['postfix']:>10.0f} {statistics.median(ratios):>6.1f} |"
                          f" {cpu['posthorn']:>7.2f} {cpu['postfix']:>7.2f} {statistics.median(cpu_ratios):>6.1f}",
                          flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
