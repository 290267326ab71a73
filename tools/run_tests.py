#!/usr/bin/env python3
"""Builds and runs Posthorn's tests; the last line is "N passed, N failed" (", N skipped").

Called by ./test, which installs the packages first. Stages:
  quick   tree check, unit and simulation tests in the debug build
  (none)  tree check; release build: unit tests, simulation, scenarios, interop
  full    the same, then unit tests and simulation under address+undefined and thread sanitizers,
          and every fuzzer for a short time
A unit test is one GoogleTest case, an interop test one line "ok NAME" of an interop script (skipped: "skip
NAME", else "not ok NAME"), a scenario one file, a fuzzer one run without a finding.
"""
import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
SIM_SEEDS = 4000
SIM_SEEDS_SANITIZED = 150
FUZZ_SECONDS = 30
WORKERS = max(2, os.cpu_count() or 2)


class Tally:
    def __init__(self):
        self.passed = 0
        self.failed = []
        self.skipped = []

    def ok(self, count=1):
        self.passed += count

    def fail(self, name, detail=""):
        self.failed.append(name)
        print(f"FAILED {name}", flush=True)
        if detail:
            print("    " + "\n    ".join(detail.strip().splitlines()[-60:]), flush=True)

    def skip(self, name, why):
        self.skipped.append(name)
        print(f"skipped {name}: {why}", flush=True)


def run(command, timeout, env=None):
    """Exit code (None: timed out) and output."""
    try:
        done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=timeout, env=env)
        return done.returncode, done.stdout.decode(errors="replace")
    except subprocess.TimeoutExpired as expired:
        return None, (expired.stdout or b"").decode(errors="replace") + f"\n(no end after {timeout} s)"


def stage(name):
    print(f"== {name} ({time.strftime('%H:%M:%S')})", flush=True)


def build(tally, preset, *targets):
    stage(f"build {preset}")
    began = time.time()
    code, output = run(["tools/build", preset, *targets], 3000)
    if code != 0:
        tally.fail(f"build {preset}", output)
        return False
    print(f"built {preset} in {time.time() - began:.0f} s", flush=True)
    tally.ok()
    return True


def unit_program(path, env):
    """One test program's results: (cases passed, [(case, output)], [(case, why skipped)])."""
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        code, output = run([str(path), f"--gtest_output=json:{report.name}"], 900, env)
        try:
            suites = json.loads(pathlib.Path(report.name).read_text())["testsuites"]
        except (ValueError, KeyError):
            return 0, [(path.name, output)], []
    passed, failed, skipped = 0, [], []
    for suite in suites:
        for case in suite["testsuite"]:
            name = f"{path.name}:{suite['name']}.{case['name']}"
            if case.get("failures"):
                failed.append((name, "\n".join(f["failure"] for f in case["failures"])))
            elif case.get("result") == "SKIPPED":
                skipped.append((name, "see its message"))
            else:
                passed += 1
    if code != 0 and not failed:
        failed.append((path.name, output))
    return passed, failed, skipped


def unit_tests(tally, preset, env=None):
    stage(f"unit tests ({preset})")
    programs = sorted((ROOT / "build" / preset / "bin").glob("*_test"))
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        for passed, failed, skipped in pool.map(lambda p: unit_program(p, env), programs):
            tally.ok(passed)
            for name, detail in failed:
                tally.fail(name, detail)
            for name, why in skipped:
                tally.skip(name, why)


def made_pages(tally, preset):
    stage("pages made from the program's tables")
    code, output = run([str(ROOT / "build" / preset / "bin" / "posthorn-docs"), "check", "docs"], 60)
    if code == 0:
        tally.ok()
    else:
        tally.fail("pages made from the program's tables", output)


def simulation(tally, preset, seeds, env=None):
    program = ROOT / "build" / preset / "bin" / "posthorn-sim"
    if not program.exists():
        return
    stage(f"simulation, {seeds} seeds ({preset})")
    # Two halves side by side: a run uses one core.
    halves = [(1, seeds // 2), (seeds // 2 + 1, seeds)]
    with concurrent.futures.ThreadPoolExecutor(len(halves)) as pool:
        jobs = [pool.submit(run, [str(program), "--seeds", f"{a}-{b}"], 2400, env) for a, b in halves]
        for (first, last), job in zip(halves, jobs):
            code, output = job.result()
            if code == 0:
                tally.ok(last - first + 1)
                print(output.strip().splitlines()[-1] if output.strip() else "", flush=True)
            else:
                tally.fail(f"simulation seeds {first}-{last} ({preset})", output)


def scenarios(tally, preset):
    stage("scenarios")
    program = ROOT / "build" / preset / "posthorn"
    for path in sorted((ROOT / "scenarios").rglob("*.scn")):
        code, output = run([str(program), "scenario", str(path)], 300)
        if code == 0:
            tally.ok()
        else:
            tally.fail(f"scenario {path.stem}", output)


def interop(tally, preset):
    stage("interop")
    for path in sorted((ROOT / "interop").glob("*_test.py")):
        env = dict(os.environ, POSTHORN=str(ROOT / "build" / preset / "posthorn"))
        code, output = run([sys.executable, str(path)], 900, env)
        lines = output.splitlines()
        oks = [line for line in lines if line.startswith("ok ")]
        bad = [line for line in lines if line.startswith("not ok ")]
        for line in lines:
            if line.startswith("skip "):
                name, _, why = line[5:].partition(": ")
                tally.skip(f"{path.stem}: {name}", why)
        tally.ok(len(oks))
        for line in bad:
            tally.fail(f"{path.stem}: {line[7:]}", output)
        if not bad and (code != 0 or not (oks or "skip " in output)):
            tally.fail(path.stem, output)


def fuzzers(tally):
    stage(f"fuzzers, {FUZZ_SECONDS} s each")
    programs = sorted((ROOT / "build" / "fuzz" / "bin").glob("*_fuzz"))

    def one(path):
        corpus = ROOT / "build" / "fuzz" / "corpus" / path.name
        corpus.mkdir(parents=True, exist_ok=True)
        seeds = ROOT / "fuzz" / path.name
        command = [str(path), str(corpus)] + ([str(seeds)] if seeds.is_dir() else [])
        command += [f"-max_total_time={FUZZ_SECONDS}", "-rss_limit_mb=2048", "-timeout=10", "-max_len=65536",
                    f"-artifact_prefix={corpus.parent}/{path.name}-"]
        return path.name, run(command, FUZZ_SECONDS + 120)

    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        for name, (code, output) in pool.map(one, programs):
            if code == 0:
                tally.ok()
            else:
                tally.fail(f"fuzzer {name}", output)


def tree_check(tally):
    stage("tree check")
    code, output = run([sys.executable, "tools/check_tree.py"], 60)
    if code == 0:
        tally.ok()
    else:
        tally.fail("tree check", output)


def sanitizers(tally):
    environment = dict(os.environ, ASAN_OPTIONS="detect_leaks=1:detect_stack_use_after_return=0",
                       UBSAN_OPTIONS="print_stacktrace=1", TSAN_OPTIONS="halt_on_error=1:second_deadlock_stack=1")
    for preset in ("asan", "tsan"):
        if build(tally, preset):
            unit_tests(tally, preset, environment)
            simulation(tally, preset, SIM_SEEDS_SANITIZED, environment)


def main():
    tally = Tally()
    mode = sys.argv[1] if len(sys.argv) > 1 else ""
    began = time.time()
    if mode == "--soak":
        if build(tally, "release"):
            command = ["build/release/bin/posthorn-sim", "--minutes", sys.argv[2] if len(sys.argv) > 2 else "10"]
            code = subprocess.run(command, cwd=ROOT).returncode
            tally.ok() if code == 0 else tally.fail("soak")
    else:
        tree_check(tally)
        preset = "debug" if mode == "--quick" else "release"
        if build(tally, preset):
            made_pages(tally, preset)
            unit_tests(tally, preset)
            simulation(tally, preset, SIM_SEEDS if mode != "--quick" else 100)
            if mode != "--quick":
                scenarios(tally, preset)
                interop(tally, preset)
        if mode == "--full":
            sanitizers(tally)
            if build(tally, "fuzz", "fuzzers"):
                fuzzers(tally)
    print(f"took {time.time() - began:.0f} s", flush=True)
    for name in tally.failed:
        print(f"failed: {name}")
    skipped = f", {len(tally.skipped)} skipped" if tally.skipped else ""
    print(f"{tally.passed} passed, {len(tally.failed)} failed{skipped}", flush=True)
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
