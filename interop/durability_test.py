#!/usr/bin/env python3
"""No 250 to a message is written to a socket before the sync of the commit that holds it returned.

strace shows it: for each "250 ... Message accepted" the log file of the store was written with the
message's marker (its Message-ID is in the commit, larger content in a segment file), and then synced, and
the sync returned 0, all before the server began to write the 250. The checker is then given traces that
were tampered with, to show that it would have seen a violation.
"""
import re
import signal
import subprocess
import sys

import harness
import wire
from harness import DOMAIN, Server, Skip, expect, marker, need, until

BOB = f"bob@{DOMAIN}"
CALLS = ["read", "readv", "recvfrom", "recvmsg", "write", "writev", "pwrite64", "pwritev", "pwritev2", "sendto",
         "sendmsg", "fsync", "fdatasync", "sync_file_range", "msync"]
SMALL, LARGE = 60, 12
server = None
trace = None


class Call:
    """One system call: the positions in the trace at which it began and returned."""

    def __init__(self, name, rest, began):
        self.name = name
        self.text = rest
        self.began = began
        self.ended = None

    @property
    def result(self):
        found = re.search(r"\)\s+= (-?\d+)", self.text[-200:])
        return int(found.group(1)) if found else None

    @property
    def target(self):
        """What strace -yy says of the descriptor: a path, or TCP:[here->there]."""
        found = re.match(r"\d+<(.*?)>[,)\s]", self.text)
        return found.group(1) if found else ""


def parse(lines):
    calls, running = [], {}
    for position, line in enumerate(lines):
        found = re.match(r"(\d+)\s+(?:\+\+\+|---|(\w+)\((.*)|<\.\.\. (\w+) resumed>(.*))", line)
        if not found:
            continue
        pid, name, rest, resumed, more = found.groups()
        if name:
            call = Call(name, rest, position)
            if rest.endswith("<unfinished ...>"):
                call.text = rest[:-len("<unfinished ...>")].rstrip() + " "
                running[pid] = call
            else:
                call.ended = position
            calls.append(call)
        elif resumed and pid in running:
            call = running.pop(pid)
            call.text += more
            call.ended = position
    return [call for call in calls if call.ended is not None]


def violations(lines, markers):
    """(acknowledged markers, sentences about each 250 that came too early)"""
    calls = parse(lines)
    found, acknowledged, last_marker = [], [], {}
    writes = [c for c in calls if c.name.startswith(("write", "pwrite")) and c.target.startswith("/")]
    syncs = [c for c in calls if c.name in ("fsync", "fdatasync") and c.result == 0]
    pattern = re.compile("|".join(map(re.escape, markers)))
    holding = {}
    for call in writes:
        for mark in set(pattern.findall(call.text)):
            holding.setdefault(mark, []).append(call)
    for call in calls:
        peer = call.target
        if not peer.startswith("TCP"):
            continue
        if call.name.startswith(("recv", "read")):
            seen = pattern.findall(call.text)
            if seen:
                last_marker[peer] = seen[-1]
            continue
        if "Message accepted" not in call.text or "250 " not in call.text:
            continue
        mark = last_marker.get(peer)
        acknowledged.append(mark)
        files = {}
        for write in holding.get(mark, []):
            files.setdefault(write.target, write)  # the first one that holds it
        synced = {path for path, write in files.items()
                  if any(s.target == path and s.began > write.ended and s.ended < call.began for s in syncs)}
        if not any(path.endswith(".log") for path in synced):
            found.append(f"250 for {mark} at line {call.began}: its commit was not synced before; files "
                         f"{sorted(files)}, synced {sorted(synced)}")
        early = {path for path, write in files.items() if write.ended < call.began} - synced
        if early:
            found.append(f"250 for {mark} at line {call.began}: written but not synced: {sorted(early)}")
    return acknowledged, found


def record():
    """The trace of a small load: (lines, markers)."""
    global trace
    if trace is not None:
        return trace
    need("strace")
    path = server.base / "trace"
    words = server.base / "strace-words"
    with open(words, "w") as says:
        tracer = subprocess.Popen(["strace", "-f", "-yy", "-s", "2000000", "-e", "trace=" + ",".join(CALLS),
                                   "-o", str(path), "-p", str(server.process.pid)],
                                  stdin=subprocess.DEVNULL, stdout=says, stderr=says)
    try:
        def attached():
            if tracer.poll() is not None:
                raise Skip("strace cannot attach here: " + words.read_text().strip().splitlines()[-1])
            return "attached" in words.read_text()
        until(attached, "strace is attached")
        markers = load()
    finally:
        if tracer.poll() is None:
            tracer.send_signal(signal.SIGINT)
            tracer.wait(60)
    trace = (path.read_text(errors="replace").splitlines(), markers)
    return trace


def load():
    """Several sessions at once, DATA and BDAT, small and large; one message after the other in each."""
    sessions = [wire.Wire(server.port["smtp"]) for _ in range(4)]
    markers = []
    for number in range((SMALL + LARGE) // len(sessions)):
        batch = []
        for session in sessions:
            mark = marker("traced")
            size = 70_000 if number % 6 == 5 else 1500
            octets = (f"Subject: {mark}\r\nMessage-ID: <{mark}@client>\r\n\r\n".encode() +
                      f"{mark} body\r\n".encode() * (size // 40))
            session.begin([BOB])
            batch.append((session, mark, octets))
        # All of them at once, so that they share commits as they do under load.
        for index, (session, mark, octets) in enumerate(batch):
            markers.append(mark)
            if (number + index) % 3 == 0:
                session.send(b"BDAT %d LAST\r\n%b" % (len(octets), octets))
            else:
                expect(session.say("DATA").code == 354, "DATA")
                session.send(octets + b".\r\n")
        for session, mark, _ in batch:
            answer = session.reply()
            expect(answer.code == 250, f"{mark}: {answer}")
    # The last 250 has come, but strace may not have written its line yet; the thread that sent it goes
    # on to answer this only when it has.
    for session in sessions:
        session.say("NOOP")
        session.close()
    return markers


def no_250_before_its_sync_returned():
    lines, markers = record()
    acknowledged, found = violations(lines, markers)
    print(f"  {len(acknowledged)} acknowledgements in {len(lines)} lines of trace", flush=True)
    expect(sorted(acknowledged) == sorted(markers),
           f"{len(acknowledged)} acknowledgements in the trace for {len(markers)} messages")
    expect(not found, f"{len(found)} violations, e.g. {found[:2]}")


def is_sync(line):
    return re.search(r"\b(fsync|fdatasync)\b", line) is not None


def a_trace_without_syncs_is_found_out():
    lines, markers = record()
    _, found = violations([line for line in lines if not is_sync(line)], markers)
    expect(len(found) >= len(markers), f"only {len(found)} of {len(markers)} seen")


def a_trace_with_failing_syncs_is_found_out():
    lines, markers = record()
    doctored = [re.sub(r"\)\s+= 0$", ") = -1 EIO (Input/output error)", line) if is_sync(line) else line
                for line in lines]
    _, found = violations(doctored, markers)
    expect(len(found) >= len(markers), f"only {len(found)} of {len(markers)} seen")


def one_250_before_its_sync_is_found_out():
    """A single acknowledgement moved to where its content had been received, for each of them."""
    lines, markers = record()
    for mark in (markers[0], markers[len(markers) // 2], markers[-1]):
        calls = parse(lines)
        last = {}
        for call in calls:
            if mark in call.text and call.target.startswith("TCP") and call.name.startswith(("recv", "read")):
                last["received"] = call
            elif "received" in last and call.target == last["received"].target and \
                    "Message accepted" in call.text:
                last["answered"] = call
                break
        answer = last["answered"]
        doctored = list(lines)
        moved = lines[answer.began].split("<unfinished")[0]
        if "<unfinished" in lines[answer.began]:
            moved += ") = 1"
        doctored[answer.began] = ""
        doctored.insert(last["received"].ended + 1, moved)
        _, found = violations(doctored, markers)
        expect(any(mark in sentence for sentence in found), f"not seen: {moved[:200]}")


if __name__ == "__main__":
    with Server() as server:
        sys.exit(harness.main([no_250_before_its_sync_returned, a_trace_without_syncs_is_found_out,
                               a_trace_with_failing_syncs_is_found_out, one_250_before_its_sync_is_found_out],
                              lambda: server))
