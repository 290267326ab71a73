"""All benchmarks, or the one named: smtp (beside Postfix), kv (the storage engine)."""
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
BUILD = HERE.parent / "build" / "release" / "bin"


def main():
    which = sys.argv[1] if len(sys.argv) > 1 else "all"
    rest = sys.argv[2:]
    code = 0
    if which in ("all", "kv"):
        code |= subprocess.run([str(BUILD / "kv_bench"), *rest]).returncode
    if which in ("all", "smtp"):
        code |= subprocess.run([sys.executable, str(HERE / "smtp_bench.py"), *rest]).returncode
    return code


if __name__ == "__main__":
    sys.exit(main())
