#!/usr/bin/env python3
"""The metrics page of the real program: read with curl, its text format read strictly."""
import re
import socket
import sys

import harness
from harness import DOMAIN, Server, expect, free_port, marker, message, need, run, until
from wire import Wire

BOB = f"bob@{DOMAIN}"
HELP = re.compile(r"# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) (?:[^\\]|\\[\\n])+")
TYPE = re.compile(r"# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge|histogram)")
SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.+)\})? (-?\d+(?:\.\d+)?)")
LABELS = re.compile(r'[a-zA-Z_]\w*="(?:[^"\\]|\\["\\n])*"(?:,[a-zA-Z_]\w*="(?:[^"\\]|\\["\\n])*")*')

server = None
port = None


def curl(*arguments, check=True):
    need("curl")
    return run(["curl", "-sS", "--max-time", "20", *arguments], check=check).stdout


def page():
    return f"http://127.0.0.1:{port}/metrics"


def read(text):
    """Series to value; AssertionError where the text is not what the format 0.0.4 says."""
    expect(text.endswith("\n"), "the last line has no end")
    types, values, helped, family = {}, {}, set(), None
    for line in text[:-1].split("\n"):
        if match := HELP.fullmatch(line):
            expect(match[1] not in helped and match[1] not in types, f"help again or too late: {line}")
            helped.add(match[1])
        elif match := TYPE.fullmatch(line):
            family, kind = match.groups()
            expect(family not in types, f"a family in two places: {line}")
            types[family] = kind
        else:
            match = SAMPLE.fullmatch(line)
            expect(match, f"not a line of the format: {line}")
            name, labels, value = match.groups()
            expect(labels is None or LABELS.fullmatch(labels), f"not labels: {line}")
            endings = ("_bucket", "_sum", "_count") if types.get(family) == "histogram" else ("",)
            expect(name in [family + ending for ending in endings], f"not of {family}: {line}")
            series = line.rpartition(" ")[0]
            expect(series not in values, f"a series twice: {line}")
            values[series] = float(value)
    histograms = [name for name, kind in types.items() if kind == "histogram"]
    for name in histograms:
        check_histogram(name, values)
    return values, types, helped


def check_histogram(name, values):
    ladders = {}
    for series, value in values.items():
        if match := re.fullmatch(re.escape(name) + r'_bucket\{(?:(.*),)?le="([^"]+)"\}', series):
            ladders.setdefault(match[1], []).append((float(match[2].replace("+Inf", "inf")), value))
    expect(ladders, f"{name} has no buckets")
    for labels, steps in ladders.items():
        around = f"{{{labels}}}" if labels else ""
        expect(steps == sorted(steps), f"{name}: bounds out of order")
        expect([n for _, n in steps] == sorted(n for _, n in steps), f"{name}: buckets fall")
        expect(steps[-1][0] == float("inf"), f"{name}: no +Inf")
        expect(values[f"{name}_count{around}"] == steps[-1][1], f"{name}: count and +Inf differ")
        expect(f"{name}_sum{around}" in values, f"{name}: no sum")


def the_page_is_in_the_text_format():
    values, types, helped = read(curl(page()))
    for name in ("posthorn_queue_accepted_total", "posthorn_pressure_level", "posthorn_kv_commit_seconds",
                 "posthorn_smtp_connections", "posthorn_disk_free_bytes", "posthorn_queue_attempt_seconds"):
        expect(name in types and name in helped, f"{name} is missing, or has no help")
    expect(values["posthorn_kv_commits"] > 0, "no commit was counted")
    expect(values["posthorn_kv_commit_seconds_count"] > 0, "no commit was timed")


def a_delivery_shows():
    before = read(curl(page()))[0]
    text = marker("metrics")
    with Wire(server.port["smtp"]) as w:
        w.begin([BOB])
        answer = w.data(message(text).encode())
        expect(answer.code == 250, answer)
    server.arrived(text)
    taken = 'posthorn_queue_attempt_seconds_count{hop="mailbox"}'
    until(lambda: read(curl(page()))[0][taken] > before[taken], "the attempt was timed")
    after = read(curl(page()))[0]
    for name in ("posthorn_queue_accepted_total", "posthorn_kv_commit_seconds_count",
                 "posthorn_metrics_requests_total"):
        expect(after[name] > before[name], f"{name} did not rise: {after[name]}")


def every_resource_has_a_level():
    values = read(curl(page()))[0]
    levels = {name: value for name, value in values.items() if name.startswith("posthorn_pressure_level{")}
    expect(len(levels) == 4, levels)
    expect(all(value == 0 for value in levels.values()), levels)
    expect(0 < values["posthorn_memory_resident_bytes"] < values["posthorn_memory_limit_bytes"], values)
    expect(0 < values["posthorn_disk_free_bytes"] <= values["posthorn_disk_size_bytes"], values)


def what_else_HTTP_can_ask():
    head = curl("--head", page())
    expect(head.startswith("HTTP/1.1 200 OK"), head)
    expect("Content-Type: text/plain; version=0.0.4; charset=utf-8" in head, head)

    def status(*arguments):
        return curl("-o", "/dev/null", "-w", "%{http_code}", *arguments)
    root = page().removesuffix("/metrics")
    expect(status(root + "/") == "404", "no 404")
    expect(status("-X", "DELETE", page()) == "405", "no 405")
    expect(status("-d", "x" * 100_000, page()) == "405", "no 405 to a body")
    expect(status("-H", "A: " + "a" * 20_000, page()) == "431", "no 431")
    expect(status("-H", "Host: a", "-H", "Transfer-Encoding: x", page()) == "501", "no 501")
    expect(status("--http1.0", page()) == "200", "not in HTTP/1.0")
    # Two requests on one connection.
    both = run(["curl", "-sS", "-v", "--max-time", "20", page(), page()])
    expect("Re-using existing connection" in both.stderr, both.stderr)
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(b"GET /metrics HTTP/1.1\nHost: a\n\n")
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
        expect(answer.startswith(b"HTTP/1.1 400 "), answer)


def only_loopback_is_taken():
    done = server.cli("set", "listen.metrics", "0.0.0.0:9925", check=False)
    expect(done.returncode != 0 and "not on loopback" in done.stdout + done.stderr, done)
    server.cli("set", "listen.metrics", f"127.0.0.1:{port}, [::1]:{port}")


def a_taken_port_keeps_no_server_from_starting():
    with socket.create_server(("127.0.0.1", free_port())) as other:
        taken = other.getsockname()[1]
        with Server(settings={"listen.metrics": f"127.0.0.1:{taken}"}) as second:
            until(lambda: "metrics.not_listening" in second.log_path.read_text(), "the log says so")
            second.cli("account", "list")


def pressure_refuses_strangers_and_spares_users():
    """By a threshold that this process is always above."""
    server.cli("set", "pressure.memory_limit", "1 GiB")
    server.cli("set", "pressure.memory_medium_enter", "1")
    level = 'posthorn_pressure_level{resource="memory"}'
    until(lambda: read(curl(page()))[0][level] == 1, "the level of memory is medium")
    with Wire(server.port["smtp"]) as w:
        answer = w.say("MAIL FROM:<someone@example.net>")
        expect(answer.startswith("452 4.3.1 Memory is nearly used up ("), answer)
    found = server.cli("doctor").stdout
    expect("memory is medium since" in found and "strangers' mail is refused" in found, found)
    text = marker("user")
    with server.submission() as client:
        client.sendmail(f"alice@{DOMAIN}", [BOB], message(text))
    server.arrived(text)
    values = read(curl(page()))[0]
    expect(values['posthorn_pressure_refused_total{sender="stranger"}'] > 0, "no refusal was counted")
    expect(values['posthorn_pressure_changes_total{resource="memory"}'] == 1, "more than one change")
    for name in ("pressure.memory_limit", "pressure.memory_medium_enter"):
        server.cli("reset", name)
    until(lambda: read(curl(page()))[0][level] == 0, "the level of memory falls again", 40)
    log = [line for line in server.log_path.read_text().splitlines() if "pressure.level" in line]
    expect(len(log) == 2, log)


TESTS = [the_page_is_in_the_text_format, a_delivery_shows, every_resource_has_a_level, what_else_HTTP_can_ask,
         only_loopback_is_taken, a_taken_port_keeps_no_server_from_starting,
         pressure_refuses_strangers_and_spares_users]

if __name__ == "__main__":
    with Server() as server:
        port = server.port["metrics"]
        sys.exit(harness.main(TESTS, lambda: server))
