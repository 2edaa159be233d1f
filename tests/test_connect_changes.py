"""Two clients at once cannot put devices of two SMMUs behind one vSMMU; the test is the libvirt that both talk to."""

import itertools
import re
import struct
import threading

import pytest

import hosts
import wire
from hook import Hook, guest, hostdev

pytestmark = pytest.mark.slow("libvirt is asked for many changes")

GET_VERSION, GET_XML, GET_LIB_VERSION, ATTACH, DETACH = 4, 14, 157, 160, 161
ERROR = 1
UUID = bytes(range(16))
FIRST, SAME, OTHER = "0000:21:00.0", "0000:22:00.0", "0000:61:00.0"  # the first two are behind one SMMU


def pack(text):
    data = text.encode()
    return struct.pack(">I", len(data)) + data + bytes(-len(data) % 4)


def unpack(data):
    size, = struct.unpack_from(">I", data)
    return data[4:4 + size].decode(), data[4 + size + -size % 4:]


def source_of(device):
    return re.search(r"<source>.*?</source>", device)[0].replace('"', "'")


class Libvirtd:
    """One guest, for any number of connections; devices come to it in the order in which they are to, at the same time."""

    def __init__(self, path, order, n_together):
        self.listener = wire.Listener(path)
        self.order = order
        self.n_together = n_together
        self.devices = []
        self.attached = []
        self.changed = threading.Condition()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        try:
            while True:
                threading.Thread(target=self.serve, args=[self.listener.accept()], daemon=True).start()
        except OSError:
            pass

    def serve(self, peer):
        peer.settimeout(None)
        lock = threading.Lock()
        try:
            while True:
                header, payload = wire.read_frame(peer)
                # As libvirt has a thread for each call.
                threading.Thread(target=self.answer, args=[peer, lock, header, payload], daemon=True).start()
        except (EOFError, OSError):
            peer.close()

    def answer(self, peer, lock, header, payload):
        procedure, serial = header[3], header[5]
        reply = getattr(self, {GET_XML: "get_xml", ATTACH: "attach", DETACH: "detach"}.get(procedure, "version"))(procedure, payload)
        with lock:
            peer.sendall(wire.frame(procedure, reply, type=wire.REPLY, serial=serial))

    def version(self, procedure, _):
        return struct.pack(">Q", 11001003 if procedure == GET_VERSION else 12008000)

    def get_xml(self, *_):
        with self.changed:
            return pack(guest().replace("<domain ", "<domain id='1' ").replace("<memballoon", "".join(self.devices) + "<memballoon"))

    @staticmethod
    def device_of(payload):
        _, rest = unpack(payload)
        return unpack(rest[len(UUID) + 4:])[0]

    def attach(self, _, payload):
        device = self.device_of(payload)
        address = next(address for address in self.order if f"bus='0x{address[5:7]}'" in source_of(device))
        with self.changed:
            self.attached.append(address)
            self.changed.notify_all()
            self.changed.wait_for(lambda: len(self.attached) >= self.n_together, wire.PATIENCE)
            self.changed.wait_for(lambda: len(self.devices) >= self.order.index(address) or self.n_together == 1, wire.PATIENCE)
            self.devices.append(device)
            self.changed.notify_all()
            # Both are there before either client knows that its own is.
            self.changed.wait_for(lambda: len(self.devices) >= self.n_together, wire.PATIENCE)
        return b""

    def detach(self, _, payload):
        source = source_of(self.device_of(payload))
        with self.changed:
            self.devices = [device for device in self.devices if source_of(device) != source]
        return b""


@pytest.fixture(scope="module")
def host(connect):
    """virt-vsmmu-connect on a host with several SMMUs."""
    hook = Hook(connect, hosts.entries_of((hosts.LISTINGS / "emulated.sysfs").read_text(encoding="utf-8")))
    yield hook
    hook.remove()


def call(peer, serial, address, bus):
    device = " ".join(hostdev(address, bus).split()).replace("> <", "><")
    peer.sendall(wire.frame(ATTACH, pack("guest") + UUID + struct.pack(">i", -1) + pack(device) + struct.pack(">I", 1), serial=serial))


def read_reply(peer):
    """The serial, and what went wrong if anything did."""
    header, payload = wire.read_frame(peer)
    return header[5], unpack(payload[12:])[0] if header[6] == ERROR else None


POLICIES = {"enforce": "", "warn": "[policy]\nmode=warn\n", "warn and detach": "[policy]\nmode=warn\n[hotplug]\non-mismatch=detach\n",
            "off": "[policy]\nmode=off\n", "report": "[hotplug]\non-mismatch=report\n", "ignore": "[hotplug]\non-mismatch=ignore\n"}


def attach_two(host, directory, addresses, is_one_connection, first):
    """What becomes of two calls at once: their errors, in the order of the addresses, and what libvirt has then."""
    order = addresses if first == 0 else addresses[::-1]
    # On one connection the second call comes to libvirt after the first, if at all.
    daemon = Libvirtd(directory / "socket", order, 1 if is_one_connection else 2)
    try:
        with wire.Transport(host.script, "-U", daemon.listener.path) as one, wire.Transport(host.script, "-U", daemon.listener.path) as two:
            peers = [one.client, one.client if is_one_connection else two.client]
            for index, (peer, address) in enumerate(zip(peers, addresses)):
                call(peer, index + 1, address, 2 + index)
            replies = dict(read_reply(peer) for peer in peers)
            return [replies[1], replies[2]], [address for address in addresses if any(
                f"bus='0x{address[5:7]}'" in source_of(device) for device in daemon.devices)]
    finally:
        daemon.listener.close()


def test_devices_of_two_smmus_do_not_come_behind_one_vsmmu(host, directory, capsys):
    n_cases = 0
    for policy, is_one, first, other in itertools.product(POLICIES, (True, False), (0, 1), (SAME, OTHER)):
        name = f"{policy}, {'one connection' if is_one else 'two'}, {first}, {other}"
        n_cases += 1
        host.configure(POLICIES[policy])
        addresses = [FIRST, other]
        errors, there = attach_two(host, directory, addresses, is_one, first)
        if other == SAME or policy in ("warn", "off"):
            assert errors == [None, None] and there == addresses, name
            continue
        assert errors.count(None) == 1 and len(there) == 1, f"{name}: {errors}, {there}"
        assert there[0] == addresses[errors.index(None)], name
        error = next(filter(None, errors))
        if is_one and policy != "warn and detach":
            assert "hotplug-smmu-mismatch" in error, f"{name}: {error}"
        else:
            assert "is being detached again" in error and "host-smmu-mismatch" in error, f"{name}: {error}"
            assert is_one or there == [addresses[first]], name
    with capsys.disabled():
        print(f"\n{n_cases} pairs of calls at once")
