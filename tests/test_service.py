"""virt-vsmmud on the bus of a session: what it answers, what it refuses, what it costs."""

import json
import os
import pathlib
import re
import subprocess
import threading

import dbus
import pytest
from dbus.lowlevel import MESSAGE_TYPE_ERROR, MethodCallMessage

import guests
import hosts
import machines
from program import DATA
from service import MIB, URI, Client, Limits, Service, Signals, error_of, memory_file, refusal_of, try_connect
from waiting import PATIENCE, await_idle, await_true, measure

EXAMPLES = DATA.parent.parent / "examples"
GRACE = (DATA / "grace.xml").read_text(encoding="utf-8")
BROKEN = (DATA / "rules" / "pci-bus-not-root" / "fires-port.xml").read_text(encoding="utf-8")
FINDING = ("rule", "severity", "file", "line", "element", "message", "hint")
DBUS_ERROR = "org.freedesktop.DBus.Error."
OUR_ERROR = "org.vsmmu1.Error."
# Seconds without any work, after which threads have ended and memory has gone back.
SETTLED = 2
# Sanitizers take memory without end, and threads of their own.
SANITIZED = "VSMMU_SANITIZED" in os.environ
unsanitized = pytest.mark.unsanitized("measures memory or wake-ups, which are the sanitizer's here")


@pytest.fixture(scope="module")
def policy(tmp_path_factory):
    path = tmp_path_factory.mktemp("policy") / "virt-vsmmu.conf"
    path.write_text("[policy]\nmode=warn\n[rules]\npci-bus-not-root=note\n", encoding="utf-8")
    return path


@pytest.fixture
def serve(build_dir, tmp_path):
    """Starts a virt-vsmmud with these options; at the end, it must go in peace."""
    services = []

    def start(*options, **more):
        services.append(Service(build_dir / "tools" / "virt-vsmmud", tmp_path, *options, **more))
        return services[-1]

    yield start
    for service in services:
        assert service.stop() == 0


@pytest.fixture(scope="module")
def service(build_dir, tmp_path_factory, policy):
    """One for all tests that only ask, on the machine “grace”."""
    host = hosts.write(machines.grace().entries(), tmp_path_factory.mktemp("host") / "grace")
    service = Service(build_dir / "tools" / "virt-vsmmud", tmp_path_factory.mktemp("service"), "--host", host,
                      environment={"VIRT_VSMMU_CONF": str(policy)})
    service.host = host
    yield service
    assert service.stop() == 0


@pytest.fixture
def client(service):
    client = Client(service.address)
    yield client
    client.close()


def findings_of(reply):
    return [dict(zip(FINDING, finding)) for finding in reply]


# What it answers

@pytest.mark.parametrize("document", [GRACE, BROKEN, "<domain", "", "<network/>"])
def test_check_says_what_the_program_says(document, client, program):
    expected = program.check("-", input=document.encode()).findings
    assert findings_of(client.Check(document, {"name": "<stdin>"})) == expected


def test_check_takes_a_large_document_by_descriptor(client):
    document = BROKEN.replace("</domain>", f"<!-- {'x' * 2 * MIB} --></domain>")
    assert findings_of(client.Check(memory_file(document), {})) == findings_of(client.Check(BROKEN, {}))


def test_check_options_are_those_of_the_program(client, service, program):
    device = (EXAMPLES / "devices" / "broken-gpu.xml").read_text(encoding="utf-8")
    path = EXAMPLES / "hotplug-ready.xml"
    reply = client.Check(path.read_text(encoding="utf-8"), {
        "name": str(path), "target": "libvirt=11.3,qemu=11.1", "this-host": True, "attach": device,
        "ignore": dbus.Array(["not-migratable"], signature="s")})
    outcome = program.check("--target", "libvirt=11.3,qemu=11.1", "--host", service.host, "--attach", "-", "--ignore",
                            "not-migratable", path, input=device.encode())
    assert len(reply) > 3
    assert findings_of(reply) == [finding | {"file": finding["file"].replace("<stdin>", "<attach>")}
                                  for finding in outcome.findings]


def test_a_policy_changes_severities_when_it_is_asked_for(client):
    def severities(options):
        return {finding["severity"] for finding in findings_of(client.Check(BROKEN, options)) if finding["rule"] == "pci-bus-not-root"}

    assert severities({}) == {"error"}
    assert severities({"policy": True}) == {"note"}


@pytest.mark.parametrize("syntax", ["json", "legacy"])
def test_args_are_those_of_the_program(syntax, client, program):
    expected = json.loads(program.run("args", "--format", "json", "--syntax", syntax, DATA / "grace.xml").out)
    assert list(client.Args(GRACE, {"syntax": syntax})) == expected
    assert list(client.Args(memory_file(GRACE), {"syntax": syntax})) == expected


def test_args_of_a_domain_with_errors_have_to_be_forced(client, program):
    path = DATA / "rules" / "needs-kvm" / "fires.xml"
    document = path.read_text(encoding="utf-8")
    assert error_of(client.Args, document, {}) == OUR_ERROR + "Unsupported"
    assert list(client.Args(document, {"force": True})) == json.loads(
        program.run("args", "--force", "--format", "json", path).out)


def test_adapt_is_that_of_the_program_and_can_be_undone(client, program):
    target = "libvirt=11.3,qemu=11.1"
    xml, notes = client.Adapt(GRACE, {"target": target})
    outcome = program.run("adapt", "--target", target, DATA / "grace.xml")
    assert xml == outcome.out and len(notes) == outcome.err.count("\n")
    assert client.Adapt(xml, {"lift": True})[0] == GRACE


def test_plan_is_that_of_the_program(client, service, program):
    devices = ["0009:01:00.0", "0019:01:00.0"]
    outcome = program.run("plan", "--host", service.host, "-s", "2", "-n", "planned", *(f"--device={device}" for device in devices))
    assert outcome.status == 0
    xml, notes, findings = client.Plan({"devices": dbus.Array(devices, signature="s"), "spare-ports": dbus.UInt32(2),
                                        "name": "planned"})
    assert xml == outcome.out
    assert not any(finding["severity"] == "error" for finding in findings_of(findings))
    again, notes, findings = client.Plan({"devices": dbus.Array(devices, signature="s"), "spare-ports": dbus.UInt32(2),
                                          "guest": memory_file(xml)})
    assert again == xml


def test_host_facts_are_those_of_the_program(client, service, program):
    assert client.HostFacts() == program.run("host", "--host", service.host, "--json").out


def test_properties_can_be_read(client, program):
    assert client.get("Version") == program.run("--version").out.split()[1]
    assert client.get("Policy") == "warn"
    everything = client.call("GetAll", "org.vsmmu1", interface="org.freedesktop.DBus.Properties", signature="s")
    assert set(everything) == {"Version", "Policy", "Connections"}


def test_the_interface_is_the_one_that_is_documented(client):
    described = client.call("Introspect", interface="org.freedesktop.DBus.Introspectable", signature="")
    names = documented_names()
    assert len(names) > 10 and [name for name in names if f'name="{name}"' not in described] == []


def test_the_manual_names_all_of_the_interface():
    manual = (DATA.parent.parent / "docs" / "virt-vsmmud.rst").read_text(encoding="utf-8")
    assert [name for name in documented_names() if not re.search(rf"\b{name}\b", manual)] == []


def documented_names():
    documented = (DATA.parent.parent / "data" / "org.vsmmu1.xml").read_text(encoding="utf-8")
    return re.findall(r'^    <(?:method|signal|property) name="(\w+)"', documented, re.MULTILINE)


def test_busctl_and_gdbus_can_ask(service):
    environment = {**os.environ, "DBUS_SESSION_BUS_ADDRESS": service.address}
    for command in (["busctl", "--user", "call", "org.vsmmu1", "/org/vsmmu1", "org.vsmmu1", "Check", "va{sv}", "s", BROKEN, "0"],
                    ["gdbus", "call", "--session", "-d", "org.vsmmu1", "-o", "/org/vsmmu1", "-m", "org.vsmmu1.Check",
                     json.dumps(BROKEN).join("<>"), "{}"]):
        answer = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        assert answer.returncode == 0 and "pci-bus-not-root" in answer.stdout, answer.stderr


# Host facts

def test_new_facts_are_told_and_used(serve, program, tmp_path):
    saved = tmp_path / "saved.json"
    service = serve("--saved-facts", saved)
    client = Client(service.address)
    facts = json.loads(client.HostFacts())
    options = facts["kernel"]["options"]
    unknown = [name for name in options if options[name] is None]
    for name in unknown:
        options[name] = {"value": "m", "source": "given"}
    signals = Signals(service.address)
    try:
        new = tmp_path / "saved.json.new"
        new.write_text(json.dumps(facts), encoding="utf-8")
        new.rename(saved)
        signals.wait_for("org.vsmmu1.HostFactsChanged")
        assert json.loads(client.HostFacts())["kernel"]["options"] == options
        saved.write_text("{", encoding="utf-8")
        await_true(lambda: not isinstance(try_facts(client), str))
    finally:
        signals.stop()
    client.close()


def try_facts(client):
    try:
        return str(client.HostFacts())
    except dbus.DBusException as error:
        return error


# What it refuses

INVALID = DBUS_ERROR + "InvalidArgs"
NO_OPTION = "unknown option '{}'; virt-vsmmud(8) lists the options of the method"
OTHER_TYPE = "option '{}' has the wrong type; see virt-vsmmud(8)"
NO_DOCUMENT = "a document must be a string or a file descriptor"
# What is wrong with XML is in libxml2's words.
NOT_XML = "<dbus>:1: not well-formed XML: "
NETWORK = "<dbus>:1: the root element is <network>, not <domain>"
NO_TARGET = "invalid target 'qemu'; write it as in libvirt=12.8,qemu=11.1, or use 'this'"
NO_DIRECTION = "specify a 'target' to adapt the domain for, or 'lift' to reverse an adaptation"
NO_DEVICE = "specify at least one device of this host in 'devices'"
NOT_ABLE = "<dbus>: SMMUv3 is supported only by the arm64 machine 'virt', but the guest has a different machine"
NEEDS_KVM = "an accelerated SMMUv3 requires KVM, but the domain type is 'qemu' [needs-kvm]\n    hint: set type='kvm' on <domain>"
NOT_WATCHED = "'qemu:///other' is not monitored; the property Connections lists those that are"
QEMU_DOMAIN = (DATA / "rules" / "needs-kvm" / "fires.xml").read_text(encoding="utf-8")
X86_DOMAIN = "<domain type='kvm'><os><type arch='x86_64'>hvm</type></os></domain>"
TARGET = {"target": "libvirt=11.3,qemu=11.1"}


def strings(*values):
    return dbus.Array(values, signature="s")


def plan_of(*devices, **options):
    return {"devices": strings(*devices), **options},


@pytest.mark.parametrize("method, arguments, error, text", [
    ("Check", (GRACE, {"frobnicate": True}), INVALID, NO_OPTION.format("frobnicate")),
    ("Check", (GRACE, {"this-host": "yes"}), INVALID, OTHER_TYPE.format("this-host")),
    ("Check", (GRACE, {"name": "x" * 4096}), INVALID, "a name can have at most 4095 bytes"),
    ("Check", (GRACE, {"target": "qemu"}), OUR_ERROR + "Value", NO_TARGET),
    ("Check", (GRACE, {"attach": "<domain/>"}), OUR_ERROR + "NotDevice",
     "<attach>:1: the root element is <domain>, not a device such as <hostdev>"),
    ("Check", (GRACE, {"attach": "<hostdev"}), OUR_ERROR + "Xml", "<attach>:1: not well-formed XML: "),
    ("Check", (GRACE, {"detach": "<hostdev"}), OUR_ERROR + "Xml", "<detach>:1: not well-formed XML: "),
    ("Check", (GRACE, {"attach": "<hostdev/>", "detach": "<hostdev/>"}), INVALID,
     "specify either 'attach' or 'detach'; only one device can be checked at a time"),
    ("Check", (GRACE, {"ignore": strings("no-such-rule")}), INVALID,
     "unknown rule 'no-such-rule'; 'virt-vsmmu explain' lists all rules"),
    ("Check", (dbus.UInt32(7), {}), INVALID, NO_DOCUMENT),
    ("Args", ("<network/>", {}), OUR_ERROR + "NotDomain", NETWORK),
    ("Args", ("<domain", {}), OUR_ERROR + "Xml", NOT_XML),
    ("Args", ("", {}), OUR_ERROR + "Xml", NOT_XML),
    ("Args", ("<domain", {"name": "guest.xml"}), OUR_ERROR + "Xml", "guest.xml:1: not well-formed XML: "),
    ("Args", (GRACE, {"syntax": "xml"}), INVALID, "invalid value 'xml' for 'syntax'; use 'json' or 'legacy'"),
    ("Args", (GRACE, TARGET), INVALID, NO_OPTION.format("target")),
    ("Args", (GRACE, {"force": "yes"}), INVALID, OTHER_TYPE.format("force")),
    ("Args", (dbus.UInt32(7), {}), INVALID, NO_DOCUMENT),
    ("Args", (QEMU_DOMAIN, {}), OUR_ERROR + "Unsupported", NEEDS_KVM),
    ("Args", (QEMU_DOMAIN, {"force": False}), OUR_ERROR + "Unsupported", NEEDS_KVM),
    ("Adapt", (GRACE, {}), INVALID, NO_DIRECTION),
    ("Adapt", (GRACE, {"lift": False}), INVALID, NO_DIRECTION),
    ("Adapt", (GRACE, {"lift": True, **TARGET}), INVALID, NO_DIRECTION),
    ("Adapt", (GRACE, {"force": True}), INVALID, NO_OPTION.format("force")),
    ("Adapt", (GRACE, {"target": True}), INVALID, OTHER_TYPE.format("target")),
    ("Adapt", (GRACE, {"target": "qemu"}), OUR_ERROR + "Value", NO_TARGET),
    ("Adapt", (GRACE, {"target": "libvirt=7.0"}), OUR_ERROR + "Unsupported",
     "libvirt 7.0.0 does not support <qemu:override>, which is required for an SMMUv3; use libvirt 8.2 or newer"),
    ("Adapt", (GRACE, {"target": "libvirt=11.3,qemu=10.0"}), OUR_ERROR + "Unsupported",
     "QEMU 10.0.0 does not support an accelerated SMMUv3; use QEMU 11.0 or newer"),
    ("Adapt", ("<domain", TARGET), OUR_ERROR + "Xml", NOT_XML),
    ("Adapt", ("<network/>", TARGET), OUR_ERROR + "NotDomain", NETWORK),
    ("Adapt", (dbus.UInt32(7), {"lift": True}), INVALID, NO_DOCUMENT),
    ("Plan", ({},), INVALID, NO_DEVICE),
    ("Plan", plan_of(), INVALID, NO_DEVICE),
    ("Plan", ({"devices": "0009:01:00.0"},), INVALID, OTHER_TYPE.format("devices")),
    ("Plan", plan_of("nonsense"), OUR_ERROR + "Value", "invalid PCI address 'nonsense'; write it as in 0009:01:00.0"),
    ("Plan", plan_of("0009:01:00.0", "0009:09:00.0"), OUR_ERROR + "Unsupported",
     "the host has no PCI function 0009:09:00.0; 'virt-vsmmu host --devices' lists the devices"),
    ("Plan", plan_of("0009:01:00.0", guest="<domain"), OUR_ERROR + "Xml", NOT_XML),
    ("Plan", plan_of("0009:01:00.0", guest="<network/>"), OUR_ERROR + "NotDomain", NETWORK),
    ("Plan", plan_of("0009:01:00.0", guest=X86_DOMAIN), OUR_ERROR + "Unsupported", NOT_ABLE),
    ("Plan", plan_of("0009:01:00.0", guest=dbus.UInt32(7)), INVALID, NO_DOCUMENT),
    ("Plan", plan_of("0009:01:00.0", target="this"), INVALID, NO_OPTION.format("target")),
    ("Plan", plan_of("0009:01:00.0", **{"spare-ports": 7}), INVALID, OTHER_TYPE.format("spare-ports")),
    ("Plan", plan_of("0009:01:00.0", **{"spare-ports": dbus.UInt32(129)}), OUR_ERROR + "Value",
     "a plan requires at least one device, and at most 128 spare ports"),
    ("Resolve", ("test", {"uri": "test:///default"}), INVALID, NO_OPTION.format("uri")),
    ("Resolve", ("test", {"connection": "qemu:///other"}), INVALID, NOT_WATCHED),
    ("Verify", ("test", "", {"connection": True}), INVALID, OTHER_TYPE.format("connection")),
    ("Verify", ("test", "", {"connection": "qemu:///other"}), INVALID, NOT_WATCHED),
])
def test_wrong_arguments_are_errors_with_a_name_and_a_text(method, arguments, error, text, client):
    name, told = refusal_of(client.call, method, *arguments)
    assert name == error
    assert told.startswith(text) if text.endswith(": ") else told == text


@pytest.mark.unsanitized("libvirt's test driver forgets what it was given")
def test_a_guest_is_looked_for_where_libvirt_is_watched(client):
    await_true(lambda: client.get("Connections") == [(URI, "connected")])
    missing = OUR_ERROR + "NoDomain", f"libvirt at '{URI}' cannot find the domain 'nobody': Domain not found"
    other = OUR_ERROR + "Unsupported", "test: MSIs can be resolved only for the arm64 machine 'virt'"
    for options in ({}, {"connection": URI}):
        assert refusal_of(client.Resolve, "nobody", options) == missing
        assert refusal_of(client.Verify, "nobody", "", options) == missing
        assert refusal_of(client.Resolve, "test", options) == other
        assert refusal_of(client.Verify, "test", "hostdev0", options) == other


def test_a_libvirt_that_does_not_answer_is_named(serve):
    uri = "qemu:///session?socket=/nowhere"
    service = serve(uri=uri)
    client = Client(service.address)
    await_true(lambda: f"cannot connect to libvirt at '{uri}': " in service.said)
    assert client.get("Connections") == [(uri, "disconnected")]
    name, text = refusal_of(client.Resolve, "guest", {"connection": uri})
    assert name == OUR_ERROR + "Probe" and text.startswith(f"cannot connect to libvirt at '{uri}': ")
    client.close()


def test_a_host_that_is_not_there_is_an_error_of_what_needs_one(serve):
    client = Client(serve("--host", "/nowhere").address)
    expected = OUR_ERROR + "Read", "cannot open '/nowhere': No such file or directory"
    assert refusal_of(client.HostFacts) == expected
    assert refusal_of(client.Check, GRACE, {"this-host": True}) == expected
    assert refusal_of(client.Plan, *plan_of("0009:01:00.0")) == expected
    assert findings_of(client.Check(GRACE, {"this-host": False})) == findings_of(client.Check(GRACE, {}))
    client.close()


def test_a_policy_that_cannot_be_read_is_an_error_of_what_asks_for_it(serve, tmp_path):
    policy = tmp_path / "virt-vsmmu.conf"
    policy.write_text("[policy]\nmode=perhaps\n", encoding="utf-8")
    client = Client(serve(environment={"VIRT_VSMMU_CONF": str(policy)}).address)
    name, text = refusal_of(client.Check, GRACE, {"policy": True})
    assert name == OUR_ERROR + "Policy" and str(policy) in text and "perhaps" in text
    assert findings_of(client.Check(GRACE, {"policy": False})) == findings_of(client.Check(GRACE, {}))
    client.close()


def test_without_libvirt_all_but_guests_is_served(serve, tmp_path):
    """Of its client library there is only a file that is no library."""
    (tmp_path / "libvirt.so.0").touch()
    service = serve(environment={"LD_LIBRARY_PATH": str(tmp_path)})
    client = Client(service.address)
    assert "no guests are monitored: cannot load the libvirt client library" in service.said
    expected = DBUS_ERROR + "NotSupported", "this virt-vsmmud does not monitor guests"
    assert refusal_of(client.Resolve, "guest", {}) == expected
    assert refusal_of(client.Verify, "guest", "", {"connection": "qemu:///session"}) == expected
    assert client.get("Connections") == [] and client.ListVerdicts() == []
    assert "pci-bus-not-root" in {finding["rule"] for finding in findings_of(client.Check(BROKEN, {}))}
    client.close()


@pytest.mark.parametrize("interface, method, signature, arguments, error", [
    ("org.vsmmu1", "Frobnicate", "", (), "UnknownMethod"),
    ("org.vsmmu1", "Check", "s", ("<domain/>",), "InvalidArgs"),
    ("org.vsmmu1.Other", "Check", "va{sv}", ("<domain/>", {}), "UnknownMethod"),
    ("org.freedesktop.DBus.Properties", "Get", "ss", ("org.vsmmu1", "Frobnicate"), "InvalidArgs"),
    ("org.freedesktop.DBus.Properties", "Get", "ss", ("org.frobnicate", "Version"), "InvalidArgs"),
    ("org.freedesktop.DBus.Properties", "Set", "ssv", ("org.vsmmu1", "Version", "7"), "InvalidArgs"),
])
def test_what_the_interface_does_not_have_is_refused(interface, method, signature, arguments, error, client):
    assert error_of(client.call, method, *arguments, interface=interface, signature=signature) == DBUS_ERROR + error


@pytest.mark.parametrize("open_descriptor", [
    lambda: os.pipe()[0], lambda: os.open("/dev/zero", os.O_RDONLY), lambda: os.open("/proc/self/mem", os.O_RDONLY),
    lambda: os.open("/", os.O_RDONLY), lambda: os.open(__file__, os.O_RDONLY)])
def test_a_descriptor_that_might_make_the_reader_wait_is_refused(open_descriptor, client):
    descriptor = dbus.types.UnixFd(open_descriptor())
    assert error_of(client.Check, descriptor, {}) == DBUS_ERROR + "InvalidArgs"


@pytest.mark.parametrize("call", [
    lambda client: client.Check("x" * (1 * MIB), {}),
    lambda client: client.Check(memory_file("x" * (4 * MIB + 1)), {}),
    lambda client: client.Check(GRACE, {"attach": "x" * (1 * MIB)}),
])
def test_what_is_too_large_is_refused(call, client):
    assert error_of(call, client) == DBUS_ERROR + "LimitsExceeded"


@pytest.mark.slow("facts of 16,000 devices")
def test_an_answer_that_is_too_large_is_refused(serve, facts, tmp_path):
    host = facts.of("grace")
    device = host["devices"][-1]
    host["devices"] += [device | {"address": f"{domain:04x}:{bus:02x}:00.0"} for domain in range(0x100, 0x140) for bus in range(256)]
    path = tmp_path / "host.json"
    path.write_text(json.dumps(host), encoding="utf-8")
    client = Client(serve("--host", path).address)
    assert error_of(client.HostFacts) == DBUS_ERROR + "LimitsExceeded"
    assert len(client.Check(GRACE, {"this-host": True})) > 0
    client.close()


def test_more_descriptors_than_one_are_refused(client):
    message = MethodCallMessage("org.vsmmu1", "/org/vsmmu1", "org.vsmmu1", "Check")
    descriptors = [memory_file(GRACE), memory_file(GRACE)]
    message.append(descriptors[0], dbus.Dictionary({"name": descriptors[1]}, signature="sv"), signature="va{sv}")
    with pytest.raises(dbus.DBusException) as refused:
        client.bus.send_message_with_reply_and_block(message, 20)
    assert refused.value.get_dbus_name() == DBUS_ERROR + "LimitsExceeded"


# Hostile callers

def send(client, count, method, *arguments):
    for _ in range(count):
        message = MethodCallMessage("org.vsmmu1", "/org/vsmmu1", "org.vsmmu1", method)
        message.append(*arguments, signature="va{sv}")
        client.bus.send_message(message)
    client.bus.flush()


def test_who_calls_too_often_gets_an_error_and_may_call_again_later(serve):
    service = serve()
    client = Client(service.address)
    errors = set()
    for _ in range(400):
        try:
            client.ListVerdicts()
        except dbus.DBusException as error:
            errors.add(error.get_dbus_name())
    assert errors == {DBUS_ERROR + "LimitsExceeded"}
    await_true(lambda: error_free(client))
    client.close()


@pytest.mark.slow("thousands of calls, and waits until memory has gone back")
@unsanitized
def test_thousands_of_hostile_calls_leave_nothing_behind(serve):
    service = serve()
    documents = (domain_with(2000), "<domain>" + "<a>" * 100000, "\x01" * 10000, "x" * (MIB - 1000), "&a;" * 10000)

    def call(rounds):
        for document in documents * rounds:
            send_and_wait(service, 250, document)
        await_idle(service.daemon.pid, SETTLED)
        return service.status("VmRSS")

    # What is allocated once, by whatever is called for the first time, and where the heap has holes then, is no leak.
    before, descriptors = call(1), service.descriptors
    after = call(4)
    print(f"5000 hostile calls: {before} KiB before, {after} KiB after, at most {service.status('VmHWM')} KiB")
    assert service.descriptors == descriptors
    assert after < before + 4 * 1024 and service.status("VmHWM") < 256 * 1024
    assert [line for line in service.said.splitlines() if "connected to libvirt" not in line] == []


def domain_with(count):
    return ("<domain type='kvm'><os><type arch='aarch64' machine='virt'>hvm</type></os><devices>" +
            "<iommu model='smmuv3'><driver pciBus='0' accel='on'/></iommu>" * count + "</devices></domain>")


def send_and_wait(service, count, document):
    """Sends calls, goes away, and waits until somebody else is answered again."""
    client = Client(service.address)
    send(client, count, "Check", document, dbus.Dictionary(signature="sv"))
    client.close()
    other = Client(service.address)
    await_true(lambda: error_free(other))
    other.close()


def error_free(client):
    try:
        client.ListVerdicts()
        return True
    except dbus.DBusException:
        return False


def test_a_slow_call_holds_up_nobody(serve):
    service = serve()
    slow, quick = Client(service.address), Client(service.address)
    found = []
    worker = threading.Thread(target=lambda: found.append(findings_of(slow.Check(memory_file(domain_with(30000)), {}))))
    worker.start()
    n_answered = 0
    while worker.is_alive():
        assert quick.ListVerdicts() == []
        n_answered += worker.is_alive()
        worker.join(0.05)
    print(f"{n_answered} quick calls were answered during a slow one")
    assert n_answered >= 2
    assert "pci-bus-shared" in {finding["rule"] for finding in found[0]}
    slow.close()
    quick.close()


# What it costs

@pytest.mark.slow("measures for five seconds")
@unsanitized
def test_idle_it_neither_wakes_up_nor_takes_much_memory(serve, tmp_path):
    saved = tmp_path / "saved.json"
    saved.write_text("{}", encoding="utf-8")
    service = serve("--saved-facts", saved, "--metrics", tmp_path / "metrics.prom")
    await_idle(service.daemon.pid, SETTLED)
    before = service.switches
    measure(5)
    print(f"idle: {service.switches - before} wake-ups in 5 s, {service.status('VmRSS')} KiB")
    assert service.switches == before
    assert service.status("VmRSS") < 12 * 1024


@pytest.mark.slow("measures for four seconds")
@unsanitized
def test_after_work_it_does_not_wake_up_either(serve):
    service = serve()
    client = Client(service.address)
    for _ in range(20):
        client.Check(GRACE, {"this-host": True})
    client.close()
    await_idle(service.daemon.pid, SETTLED)
    before = service.switches
    measure(4)
    print(f"after work: {service.switches - before} wake-ups in 4 s, {service.status('VmRSS')} KiB")
    assert service.switches == before
    assert service.status("VmRSS") < 12 * 1024


@pytest.mark.slow("measures for six seconds")
@unsanitized
def test_200_defined_domains_cost_no_more(libvirt_daemon, serve):
    """libvirtd itself asks every client each five seconds whether it is there: keepalive_interval of libvirtd.conf."""
    domains = [libvirt_daemon.connection.defineXML(
        f"<domain type='qemu'><name>idle-{os.getpid()}-{number}</name><memory>65536</memory><os><type arch='aarch64' machine='virt'>"
        "hvm</type></os><devices><iommu model='smmuv3'/></devices></domain>") for number in range(200)]
    try:
        service = serve(uri=libvirt_daemon.uri)
        client = Client(service.address)
        await_true(lambda: client.get("Connections")[0][1] == "connected")
        client.close()
        await_idle(service.daemon.pid, SETTLED)
        before = service.switches
        measure(6)
        print(f"200 domains: {service.switches - before} wake-ups in 6 s, {service.status('VmRSS')} KiB")
        assert service.switches - before <= 2
        assert service.status("VmRSS") < 14 * 1024
    finally:
        for domain in domains:
            domain.undefine()


# Within the limits of its unit

# libvirt takes strings of up to 4 MiB. Of all that may stand in a document, attributes take the most memory.
HEAVY = "<e " + " ".join(f"{first}{second}=''" for first in "abcdefghijklmnopqrstuvwxyz" for second in "abcdefghij")[:250 * 6 - 1] + "/>"
# As many guests of each kind; the longer variant is for measuring.
HEAVY_GUESTS = int(os.environ.get("VSMMU_HEAVY_GUESTS", 1))


def heavy(word, size=4 * MIB - 128 * 1024):
    """Metadata that makes a domain about as large as libvirt lets it be, which writes it with indentation."""
    return f"<m><word>{word}</word>" + HEAVY * ((size - 200) // len(HEAVY)) + "</m>"


def heavy_domain(number, word):
    return (f"<domain type='qemu'><name>heavy-{number}-{os.getpid()}</name><memory unit='MiB'>32</memory><vcpu>1</vcpu>"
            f"<metadata><x:x xmlns:x='urn:x'>{heavy(word)}</x:x></metadata><os><type arch='aarch64' machine='virt'>hvm</type></os><cpu mode='custom'>"
            "<model>cortex-a57</model></cpu><devices><controller type='usb' model='none'/><memballoon model='none'/></devices></domain>")


@pytest.fixture
def heavy_guests(guest_daemon):
    """Guests that run with 4 MiB of metadata each: such as can have no vSMMU, such as might by their words, and one that has."""
    domains, vsmmu = [], None
    try:
        for number, word in enumerate(["", "&#10;", "arm-smmuv3"] * HEAVY_GUESTS):
            domains.append(guest_daemon.connection.createXML(heavy_domain(number, word), guest_daemon.libvirt.VIR_DOMAIN_START_PAUSED))
        vsmmu = guests.Guest(guest_daemon, "heavy", guests.PER_BUS, paused=True)
        vsmmu.domain.setMetadata(guest_daemon.libvirt.VIR_DOMAIN_METADATA_ELEMENT, heavy(""), "m", "urn:m",
                                 guest_daemon.libvirt.VIR_DOMAIN_AFFECT_LIVE)
        yield [*domains, vsmmu.domain]
    finally:
        for domain in domains:
            domain.destroy()
        if vsmmu is not None:
            vsmmu.stop()


@pytest.fixture
def limits():
    limits = Limits(DATA.parent.parent / "data" / "virt-vsmmud.service.in", f"vsmmu-{os.getpid()}")
    yield limits
    limits.remove()


@pytest.mark.slow("4 MiB of XML, and memory goes back late")
@unsanitized
@pytest.mark.parametrize("word, least, most", [("", 12, 64), ("arm-smmuv3", 12, 128)], ids=["cannot concern", "may concern"])
def test_a_guest_takes_memory_only_while_it_must(word, least, most, guest_daemon, serve):
    """Nobody is told anything of it."""
    service = serve(uri=guest_daemon.uri)
    await_idle(service.daemon.pid, SETTLED)
    # From here on VmHWM is of what comes.
    pathlib.Path(f"/proc/{service.daemon.pid}/clear_refs").write_text("5", encoding="ascii")
    domain = guest_daemon.connection.createXML(heavy_domain(0, word), guest_daemon.libvirt.VIR_DOMAIN_START_PAUSED)
    try:
        await_true(lambda: service.status("VmHWM") > least * 1024)
        await_true(lambda: service.status("VmRSS") < 14 * 1024)
        print(f"a guest with 4 MiB: at most {service.status('VmHWM')} KiB, then {service.status('VmRSS')} KiB")
        assert service.status("VmHWM") < most * 1024
    finally:
        domain.destroy()


@pytest.mark.slow("4 MiB of XML for each of several guests")
@unsanitized
def test_with_megabytes_of_everything_it_stays_within_its_limits(heavy_guests, guest_daemon, limits, serve):
    service = serve(uri=guest_daemon.uri, limits=limits)
    client = Client(service.address)
    names = [domain.name() for domain in heavy_guests]
    calls = [("Check", (memory_file(heavy_domain(0, "smmuv3")), {})), ("Resolve", (names[0], {}))]
    errors, n_threads = [], 0

    def call():
        caller = Client(service.address)
        for method, arguments in calls:
            try:
                caller.call(method, *arguments)
            except dbus.DBusException as error:
                errors.append(error.get_dbus_name())
        caller.close()

    callers = [threading.Thread(target=call) for _ in range(2)]
    for caller in callers:
        caller.start()

    def is_done():
        nonlocal n_threads
        n_threads = max(n_threads, service.status("Threads"))
        return {str(verdict["domain"]) for verdict in client.ListVerdicts()} == {names[-1]} and not any(
            caller.is_alive() for caller in callers)

    # Less often than a caller may ask.
    await_true(is_done, 120, pause=0.05)
    heavy_guests[-1].destroy()
    await_true(lambda: service.status("VmRSS") < 14 * 1024)
    print(f"{len(names)} guests and {len(callers) * len(calls)} calls with 4 MiB each: at most {service.status('VmHWM')} KiB and {n_threads} "
          f"threads, then {service.status('VmRSS')} KiB; {'cgroup' if limits.places else 'address space'} of {limits.memory // 1024} KiB")
    client.close()
    # Guests that have not begun have no tables yet.
    assert set(errors) <= {OUR_ERROR + "Msi"}
    assert service.status("VmHWM") * 1024 < limits.memory // 2 and n_threads < limits.tasks // 2
    assert "cannot be verified" not in service.said and "has not responded" not in service.said


# Start and end

def test_the_first_call_on_a_bus_of_a_session_starts_it(build_dir, tmp_path):
    """By the file that is installed."""
    services = tmp_path / "services"
    services.mkdir()
    text = (build_dir / "data" / "org.vsmmu1.session.service").read_text(encoding="utf-8")
    path = re.search("Exec=(.*)/virt-vsmmud", text)[1]
    (services / "org.vsmmu1.service").write_text(text.replace(path, str(build_dir / "tools")), encoding="utf-8")
    config = tmp_path / "session.conf"
    config.write_text(f"""<busconfig><type>session</type><listen>unix:path={tmp_path}/bus</listen><servicedir>{services}</servicedir>
        <policy context="default"><allow send_destination="*"/><allow receive_type="*"/><allow own="*"/></policy></busconfig>""", encoding="utf-8")
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "DBUS_SESSION_BUS_ADDRESS": f"unix:path={tmp_path}/bus"}
    bus = subprocess.Popen(["dbus-daemon", f"--config-file={config}", "--nofork"], env=environment, stderr=subprocess.DEVNULL)
    client = await_true(lambda: try_connect(f"unix:path={tmp_path}/bus"))
    assert not client.bus.name_has_owner("org.vsmmu1")
    assert client.ListVerdicts() == []
    assert [uri for uri, _ in client.get("Connections")] == ["qemu:///session"]
    client.close()
    bus.terminate()
    bus.wait(PATIENCE)


def test_help_and_version(build_dir):
    program = build_dir / "tools" / "virt-vsmmud"
    answer = subprocess.run([program, "--help"], capture_output=True, text=True)
    assert answer.returncode == 0 and "--session" in answer.stdout and max(map(len, answer.stdout.splitlines())) <= 120
    answer = subprocess.run([program, "--version"], capture_output=True, text=True)
    assert answer.stdout.startswith("virt-vsmmud ") and answer.stdout.count("\n") == 1


@pytest.mark.parametrize("arguments", [["--frobnicate"], ["argument"], ["--host"]])
def test_wrong_usage_is_refused(arguments, build_dir):
    answer = subprocess.run([build_dir / "tools" / "virt-vsmmud", *arguments], capture_output=True, text=True)
    assert answer.returncode == 2 and answer.stdout == ""
    assert answer.stderr.startswith("virt-vsmmud: ") and answer.stderr.count("\n") == 1 and "--help" in answer.stderr


def test_without_a_bus_it_says_so(build_dir):
    answer = subprocess.run([build_dir / "tools" / "virt-vsmmud", "--session"], capture_output=True, text=True, timeout=PATIENCE,
                            env={"DBUS_SESSION_BUS_ADDRESS": "unix:path=/nowhere", "LC_ALL": "C.UTF-8"})
    assert answer.returncode == 2 and "cannot connect to the bus" in answer.stderr


def test_there_is_one_on_a_bus(service, build_dir):
    answer = subprocess.run([build_dir / "tools" / "virt-vsmmud", "--session"], capture_output=True, text=True, timeout=PATIENCE,
                            env={"DBUS_SESSION_BUS_ADDRESS": service.address, "LC_ALL": "C.UTF-8"})
    assert answer.returncode == 2 and "org.vsmmu1" in answer.stderr


def test_it_ends_with_its_bus(build_dir, tmp_path):
    service = Service(build_dir / "tools" / "virt-vsmmud", tmp_path)
    service.bus.terminate()
    assert service.daemon.wait(PATIENCE) == 2 and "the connection to the bus was closed" in service.said
    service.stop()


def test_calls_in_flight_at_the_end_are_answered(build_dir, tmp_path):
    service = Service(build_dir / "tools" / "virt-vsmmud", tmp_path)
    client = Client(service.address)
    message = MethodCallMessage("org.vsmmu1", "/org/vsmmu1", "org.vsmmu1", "Check")
    message.append(domain_with(3000), dbus.Dictionary(signature="sv"), signature="va{sv}")
    replies = []
    pending = [client.bus.send_message_with_reply(message.copy(), replies.append, PATIENCE, require_main_loop=False) for _ in range(8)]
    # This comes after them on the same connection, so that they have come when it is answered.
    client.ListVerdicts()
    service.daemon.terminate()
    assert service.daemon.wait(PATIENCE) == 0
    for call in pending:
        call.block()
    assert [reply.get_error_name() if reply.get_type() == MESSAGE_TYPE_ERROR else None for reply in replies] == [None] * len(pending)
    assert all("pci-bus-shared" in {finding["rule"] for finding in findings_of(reply.get_args_list()[0])} for reply in replies)
    client.close()
    service.stop()


def test_metrics_are_there_while_it_runs(build_dir, tmp_path):
    path = tmp_path / "metrics.prom"
    service = Service(build_dir / "tools" / "virt-vsmmud", tmp_path, "--metrics", path)
    await_true(path.exists)
    lines = path.read_text(encoding="ascii").splitlines()
    assert 'vsmmu_verdicts{verdict="mismatch"} 0' in lines and "vsmmu_check_errors_total 0" in lines
    assert path.stat().st_mode & 0o777 == 0o644
    assert service.stop() == 0
    assert not path.exists()
