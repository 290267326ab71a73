"""The servers that are measured, each on loopback ports of its own and a fresh folder per run.

A server has: name, start(next_hop_port), port, stop(). Both are durable: an answered message is on disk.
The next hop is a port: something listens there (relaying) or nothing does (the next hop is down).
"""
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for_port(port, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with socket.socket() as s:
            s.settimeout(1)
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise RuntimeError(f"nothing listens at port {port} after {seconds} s")


class Posthorn:
    name = "posthorn"

    def __init__(self, binary):
        self.binary = str(binary)

    def start(self, next_hop_port):
        self.folder = tempfile.mkdtemp(prefix="posthorn-bench-")
        self.port = free_port()
        data = f"{self.folder}/data"
        password = pathlib.Path(self.folder) / "password"
        password.write_text("bench-password\n")
        settings = {
            "listen.smtp": f"127.0.0.1:{self.port}", "listen.submission": "", "listen.submissions": "",
            "listen.imap": "", "listen.imaps": "", "smtp.relay_networks": "127.0.0.0/8",
            "route.smart_host": f"127.0.0.1:{next_hop_port}",
        }
        command = [self.binary, "--data", data, "init", "--domain", "example.org", "--password-file", str(password)]
        for name, value in settings.items():
            command += ["--set", f"{name}={value}"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        self.log = open(f"{self.folder}/log", "w")
        self.again()

    def again(self):
        self.process = subprocess.Popen([self.binary, "--data", f"{self.folder}/data", "serve"], stdout=self.log,
                                        stderr=self.log)
        wait_for_port(self.port)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        self.kill()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def pids(self):
        return [self.process.pid]

    def list_command(self):
        return [self.binary, "--data", f"{self.folder}/data", "queue", "list", "--limit", "1000000"]

    def queue_folders(self):
        return [f"{self.folder}/data"]


class Postfix:
    """Debian's Postfix as it comes, but for its ports, its folder and the relay host."""
    name = "postfix"

    def start(self, next_hop_port):
        self.folder = tempfile.mkdtemp(prefix="postfix-bench-")
        os.chmod(self.folder, 0o755)
        self.port = free_port()
        config = pathlib.Path(self.folder) / "etc"
        config.mkdir()
        for name in ("spool", "lib"):
            (pathlib.Path(self.folder) / name).mkdir()
        shutil.chown(f"{self.folder}/lib", "postfix", "postfix")
        (config / "main.cf").write_text(f"""
compatibility_level = 3.6
queue_directory = {self.folder}/spool
data_directory = {self.folder}/lib
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = bench.example.org
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
relayhost = [127.0.0.1]:{next_hop_port}
maillog_file = {self.folder}/lib/log
maillog_file_prefixes = {self.folder}
smtpd_peername_lookup = no
disable_dns_lookups = yes
smtpd_client_connection_count_limit = 0
default_process_limit = 100
in_flow_delay = 0
""")
        master = pathlib.Path("/etc/postfix/master.cf").read_text()
        lines = []
        for line in master.splitlines():
            fields = line.split()
            if len(fields) >= 8 and fields[0] == "smtp" and fields[1] == "inet":
                line = f"127.0.0.1:{self.port} inet n - n - - smtpd"
            elif len(fields) >= 8 and not line.startswith(("#", " ")) and fields[4] in ("y", "-"):
                fields[4] = "n"  # no chroot: the folder holds no copies of system files
                line = " ".join(fields)
            lines.append(line)
        (config / "master.cf").write_text("\n".join(lines) + "\npostlog unix-dgram n - n - 1 postlogd\n"
                                          if "postlog " not in master else "\n".join(lines) + "\n")
        self.config = str(config)
        self.again()

    def again(self):
        subprocess.run(["postfix", "-c", self.config, "start"], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        wait_for_port(self.port)

    def kill(self):
        subprocess.run(["postfix", "-c", self.config, "abort"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.2)

    def stop(self):
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def pids(self):
        """The master, and what it has started."""
        master = int((pathlib.Path(self.folder) / "spool/pid/master.pid").read_text())
        children = pathlib.Path(f"/proc/{master}/task/{master}/children").read_text().split()
        return [master] + [int(pid) for pid in children]

    def list_command(self):
        return ["postqueue", "-c", self.config, "-p"]

    def queue_folders(self):
        return [f"{self.folder}/spool"]
