"""The benchmark named: smtp (beside Postfix), kv (the storage engine), queue (the queue by itself), scale (a queue
with very many rows that wait), waiting (the same beside Postfix)."""
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
        "scale": [sys.executable, str(HERE / "scale_bench.py")],
        "waiting": [sys.executable, str(HERE / "waiting_bench.py")],
    }
    if which not in programs:
        print(__doc__)
        return 2
    return subprocess.run([*programs[which], *rest]).returncode


if __name__ == "__main__":
    sys.exit(main())
