"""The benchmark named: smtp (beside Postfix), kv (the storage engine), queue (the queue by itself)."""
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
BUILD = HERE.parent / "build" / "release" / "bin"


def main():
    which = sys.argv[1] if len(sys.argv) > 1 else "smtp"
    rest = sys.argv[2:]
    programs = {
        "smtp": [sys.executable, str(HERE / "smtp_bench.py")],
        "kv": [str(BUILD / "kv_bench")],
        "queue": [str(BUILD / "queue_bench")],
    }
    if which not in programs:
        print(__doc__)
        return 2
    return subprocess.run([*programs[which], *rest]).returncode


if __name__ == "__main__":
    sys.exit(main())
