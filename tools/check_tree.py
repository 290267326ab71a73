#!/usr/bin/env python3
"""Checks the tree against its own rules: floors.txt, sizes, banned calls, pages that must exist.

Prints one line a finding and exits 1 if there is any. It reads text only, so what it cannot see (a
generated include, say) it does not judge.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SRC = ROOT / "src"
FILE_LINES_MAX = 800
FUNCTION_LINES_MAX = 70
# Time, chance and the machine come through rt alone (DESIGN: the world is injected).
BANNED = re.compile(
    r"\b(system_clock|steady_clock|high_resolution_clock|sleep_for|usleep|nanosleep|gettimeofday|"
    r"clock_gettime|localtime|localtime_r|mktime|strftime|tzset|std::thread|std::jthread|getenv|srand|random_device)\b")
BANNED_EXEMPT = {"rt_real", "app", "kv_rocks", "kv_conformance"}
THIRD_PARTY = re.compile(
    r'^(openssl/|boost/|rocksdb/|fmt/|nlohmann/|toml\+\+/|CLI/|unbound\.h|gtest/|gmock/|benchmark/|iconv\.h|zstd\.h|jemalloc/)')
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]')


def read_floors():
    rooms = {}
    for line in (ROOT / "floors.txt").read_text().splitlines():
        line = line.split("#")[0].strip()
        if not line:
            continue
        room, rest = line.split(":", 1)
        parts = [p.split() for p in rest.split("|")]
        allowed = parts[0]
        third = parts[1] if len(parts) > 1 else []
        test = [p.removeprefix("test:") for p in (parts[2] if len(parts) > 2 else [])]
        rooms[room.strip()] = (set(allowed), third, set(t for t in test if t))
    return rooms


def room_of(path, rooms):
    if path.startswith("sim/"):
        return "sim"
    parts = pathlib.PurePosixPath(path).parts
    for n in (2, 1):
        name = "/".join(parts[:n])
        if name in rooms:
            return name
    return None


def check_includes(path, text, room, rooms, findings):
    rel = path.relative_to(ROOT)
    is_test = path.name.endswith(("_test.cc", "_fuzz.cc", "_bench.cc")) or "test_" in path.name
    allowed, third, test_rooms = rooms[room]
    for number, line in enumerate(text.splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        kind, name = match.groups()
        if kind == '"':
            target = room_of(name, rooms)
            if target is None:
                findings.append(f"{rel}:{number}: {name} belongs to no room of floors.txt")
            elif target != room and target not in allowed and not (is_test and target in test_rooms):
                findings.append(f"{rel}:{number}: {room} may not include {target}")
        elif THIRD_PARTY.match(name):
            if is_test and name.startswith(("gtest/", "gmock/", "benchmark/")):
                continue
            in_header = path.suffix == ".h" and "detail" not in path.parts
            fits = [t for t in third if name.startswith(t.removeprefix("h:"))]
            if not fits or (in_header and not any(t.startswith("h:") for t in fits)):
                findings.append(f"{rel}:{number}: {room} may not include <{name}> here")


def check_text(path, text, room, findings):
    rel = path.relative_to(ROOT)
    lines = text.splitlines()
    if len(lines) > FILE_LINES_MAX:
        findings.append(f"{rel}: {len(lines)} lines, at most {FILE_LINES_MAX}")
    start = None
    for number, line in enumerate(lines, 1):
        code = line.split("//")[0]
        if room not in BANNED_EXEMPT and BANNED.search(code):
            findings.append(f"{rel}:{number}: the machine's time, threads and chance come through rt")
        if re.search(r"\b(TODO|FIXME|XXX)\b", line):
            findings.append(f"{rel}:{number}: do it, or write docs/todo/<slug>.md")
        if re.match(r"[A-Za-z_~].*\{\s*$", line) and not re.match(
                r"(namespace|class|struct|enum|union|extern|template|constexpr|inline constexpr|const)\b", line):
            start = number
        elif re.match(r"[A-Za-z_~]", line) and not line.rstrip().endswith((";", "}")) and start is None:
            start = number if "(" in line else None
        if line.startswith("}"):
            if start is not None and number - start + 1 > FUNCTION_LINES_MAX:
                findings.append(f"{rel}:{start}: a function of {number - start + 1} lines, at most {FUNCTION_LINES_MAX}")
            start = None
        if line.rstrip().endswith(";") and not line.startswith((" ", "}")):
            start = None


CASES = 65
CASE_TEST = re.compile(r"`(src/[\w/]+\.cc): (\w+)\.(\w+)`")


def check_cases(findings):
    """Each published case of mail that got stuck stands in the page, with tests that exist."""
    page = ROOT / "docs" / "features" / "stuck-cases.md"
    numbers = []
    for line in page.read_text().splitlines():
        match = re.match(r"\| (\d+) \|.*\|([^|]+)\|$", line)
        if not match:
            continue
        number, shown = int(match.group(1)), match.group(2)
        numbers.append(number)
        scenarios = re.findall(r"`(scenarios/[^`]+)`", shown)
        tests = CASE_TEST.findall(shown)
        if not scenarios and not tests and not shown.strip().startswith("—"):
            findings.append(f"{page.name}: case {number} names no test")
        for scenario in scenarios:
            if not (ROOT / scenario).exists():
                findings.append(f"{page.name}: case {number}: there is no {scenario}")
        for file, suite, name in tests:
            source = ROOT / file
            pattern = rf"TEST(?:_F|_P)?\(\s*{suite},\s*{name}\s*\)"
            if not source.exists() or not re.search(pattern, source.read_text()):
                findings.append(f"{page.name}: case {number}: there is no {suite}.{name} in {file}")
    if numbers != list(range(1, CASES + 1)):
        findings.append(f"{page.name}: not the cases 1 to {CASES} in their order")


def main():
    rooms = read_floors()
    findings = []
    seen = set()
    for path in sorted(SRC.rglob("*")):
        if path.suffix not in (".h", ".cc"):
            continue
        room = room_of(path.relative_to(SRC).as_posix(), rooms)
        if room is None:
            findings.append(f"{path.relative_to(ROOT)}: its room is not in floors.txt")
            continue
        seen.add(room)
        text = path.read_text()
        check_includes(path, text, room, rooms, findings)
        check_text(path, text, room, findings)
        if path.suffix == ".h" and "#pragma once" not in text:
            findings.append(f"{path.relative_to(ROOT)}: no #pragma once")
    for room in sorted(rooms):
        if room == "sim":
            continue  # the simulated world, outside src/
        if room not in seen:
            findings.append(f"floors.txt: {room} has no code")
        elif not (SRC / room / "README.md").exists():
            findings.append(f"src/{room}: no README.md")
    check_cases(findings)
    for finding in findings:
        print(finding)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
