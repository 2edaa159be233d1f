"""What is installed, on a system bus of its own that Debian's dbus-daemon serves as it does in a system: with its configuration,
activation by its helper, and its polkitd. All of it is in a mount namespace; nothing of the machine is touched."""

import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

from service import NAME, PATH
from waiting import PATIENCE, await_true

# Users of this bus: id, and whether in the group libvirt.
CALLERS = {"member": (61001, True), "operator": (61002, False), "stranger": (61003, False)}
DBUS = pathlib.Path("/usr/share/dbus-1")
POLKIT = pathlib.Path("/usr/share/polkit-1")
# What an administrator may write.
GRANT = 'polkit.addRule(function(action, subject) { if (action.id == "org.vsmmu1.manage" && subject.user == "operator") return "yes"; });\n'
# As root in a namespace: $1 is the directory with what is to be seen, $2 where the project is installed.
ENTER = """
set -e
cd "$1"
mount --bind "root$2" "$2"
mount --bind run /run
for place in etc/passwd etc/group usr/share/dbus-1/system.d usr/share/dbus-1/system-services \
    $([ ! -e usr/share/polkit-1 ] || echo usr/share/polkit-1); do
  mount --bind "$place" "/$place"
done
ldconfig -C "$1/ld.so.cache"
mount --bind ld.so.cache /etc/ld.so.cache
exec dbus-daemon --system --nofork --nopidfile --nosyslog
"""


class Unavailable(Exception):
    """This machine cannot run it, and why."""


def install(build_dir, directory):
    """Installs the build below a directory, and returns where in it that is."""
    subprocess.run(["meson", "install", "-C", build_dir, "--no-rebuild", "--quiet", "--destdir", directory], check=True,
                   capture_output=True)
    service, = directory.glob("**/sbin/virt-vsmmud")
    if (build_dir / "stand-ins").exists():  # of which meson knows nothing; see test_strength.py
        for installed in [path for path in directory.glob("**/*") if (build_dir / "tools" / path.name).is_file()]:
            shutil.copy(build_dir / "tools" / installed.name, installed)
    return pathlib.Path("/") / service.relative_to(directory).parent.parent


class SystemBus:
    """The bus; virt-vsmmud starts when it is called first. `with_polkit`: also polkitd."""

    def __init__(self, build_dir, with_polkit):
        for program in ("dbus-daemon", "setpriv", "gdbus", "systemd-sysusers", *(["/usr/lib/polkit-1/polkitd"] if with_polkit else [])):
            if shutil.which(program) is None:
                raise Unavailable(f"'{program}' is missing; './run test' installs it")
        if os.geteuid() != 0 or subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode != 0:
            raise Unavailable("only root can make a mount namespace with users of its own")
        # The user of the bus must be able to come in.
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="bus-"))
        self.directory.chmod(0o755)
        self.address = f"unix:path={self.directory}/run/dbus/system_bus_socket"
        self.log = (self.directory / "log").open("w+b")
        self.process = None
        try:
            prefix = install(build_dir, self.directory / "root")
            self._furnish(prefix, with_polkit)
            self.process = subprocess.Popen(["unshare", "--mount", "sh", "-c", ENTER, "-",
                                             self.directory, prefix], stdout=self.log, stderr=self.log)
            await_true((self.directory / "run/dbus/system_bus_socket").exists)
        except BaseException:
            self.stop()
            raise

    def _furnish(self, prefix, with_polkit):
        """Makes what the bus sees in place of what the machine has."""
        installed = self.directory / "root" / prefix.relative_to("/")
        for path in ("run/dbus", "run/virt-vsmmu", "etc", *(f"usr/share/dbus-1/{name}" for name in ("system.d", "system-services"))):
            (self.directory / path).mkdir(parents=True)
        for name in ("passwd", "group"):
            shutil.copy(f"/etc/{name}", self.directory / "etc" / name)
        subprocess.run(["systemd-sysusers", "--root", self.directory, installed / "lib/sysusers.d/vsmmu.conf"], check=True,
                       capture_output=True)
        self._add_callers()
        shutil.copy(installed / "share/dbus-1/system.d/org.vsmmu1.conf", self.directory / "usr/share/dbus-1/system.d")
        if not with_polkit:
            return
        shutil.copy(DBUS / "system.d/org.freedesktop.PolicyKit1.conf", self.directory / "usr/share/dbus-1/system.d")
        shutil.copy(DBUS / "system-services/org.freedesktop.PolicyKit1.service", self.directory / "usr/share/dbus-1/system-services")
        shutil.copytree(installed / "share/polkit-1", self.directory / "usr/share/polkit-1")
        (self.directory / "usr/share/polkit-1/rules.d/10-operator.rules").write_text(GRANT, encoding="utf-8")

    def _add_callers(self):
        etc = self.directory / "etc"
        with (etc / "passwd").open("a", encoding="utf-8") as users:
            users.writelines(f"{name}:x:{uid}:{uid}::/:/bin/false\n" for name, (uid, _) in CALLERS.items())
        lines = [line.split(":") for line in (etc / "group").read_text(encoding="utf-8").splitlines()]
        members = [name for name, (_, is_member) in CALLERS.items() if is_member]
        for line in lines:
            if line[0] == "libvirt":
                line[3] = ",".join(filter(None, [line[3], *members]))
                self.group = int(line[2])
        (etc / "group").write_text("".join(":".join(line) + "\n" for line in lines), encoding="utf-8")

    def as_user(self, name, *command):
        """A command that is run as one of CALLERS, or as root."""
        if name == "root":
            return command
        uid, is_member = CALLERS[name]
        groups = f"--groups={self.group}" if is_member else "--clear-groups"
        return ["setpriv", f"--reuid={uid}", f"--regid={uid}", groups, *command]

    def call(self, caller, method, *arguments, to=(NAME, PATH)):
        """An answer, or an error with its name and its sentence."""
        command = self.as_user(caller, "gdbus", "call", "--address", self.address, "--timeout", "60", "--dest", to[0], "--object-path",
                               to[1], "--method", method if "." in method else f"{NAME}.{method}", *arguments)
        answer = subprocess.run(command, capture_output=True, text=True, cwd="/", env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"})
        return answer.stdout.strip() if answer.returncode == 0 else answer.stderr.strip()

    @property
    def owner(self):
        """The user who has our name."""
        answer = self.call("root", "org.freedesktop.DBus.GetConnectionUnixUser", NAME, to=("org.freedesktop.DBus", "/"))
        uid = int(answer.strip("(,)").split()[1])
        users = (line.split(":") for line in (self.directory / "etc/passwd").read_text(encoding="utf-8").splitlines())
        return next(user[0] for user in users if int(user[2]) == uid)

    def end_service(self):
        """Has virt-vsmmud end; the next call starts it again."""
        answer = self.call("root", "org.freedesktop.DBus.GetConnectionUnixProcessID", NAME, to=("org.freedesktop.DBus", "/"))
        os.kill(int(answer.strip("(,)").split()[1]), signal.SIGTERM)

    def change_facts(self):
        """Replaces what root found out about the host, which is to be told."""
        facts = self.directory / "run/virt-vsmmu/host.json"
        new = facts.with_suffix(".new")
        new.write_text("{}", encoding="ascii")
        new.rename(facts)

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait(PATIENCE)
        self.log.close()
        shutil.rmtree(self.directory, ignore_errors=True)
