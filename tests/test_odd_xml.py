"""What libvirt makes of an odd document is what we read in it, or we refuse it; the documents are those of odd.py."""

import collections
import ctypes
import difflib
import itertools
import os
import re
import subprocess

import libvirt
import pytest

import odd
from test_transport import Transport

pytestmark = pytest.mark.slow("two libvirts read hundreds of documents")

LIBVIRT = ctypes.CDLL("libvirt.so.0")
LIBVIRT.virConnectOpen.restype = ctypes.c_void_p
LIBVIRT.virConnectClose.argtypes = [ctypes.c_void_p]
LIBVIRT.virDomainDefineXML.restype = ctypes.c_void_p
LIBVIRT.virDomainDefineXML.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
LIBVIRT.virDomainGetXMLDesc.restype = ctypes.c_void_p
LIBVIRT.virDomainGetXMLDesc.argtypes = [ctypes.c_void_p, ctypes.c_uint]
LIBVIRT.virDomainUndefineFlags.argtypes = [ctypes.c_void_p, ctypes.c_uint]
LIBVIRT.virDomainFree.argtypes = [ctypes.c_void_p]
LIBVIRT.virGetLastErrorMessage.restype = ctypes.c_char_p
# That of the bindings wants text, too.
KEEP_QUIET = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(lambda data, error: None)
LIBC = ctypes.CDLL(None)
LIBC.free.argtypes = [ctypes.c_void_p]


class Daemon:
    """A connection that takes bytes: the documents are not all in UTF-8, and the bindings of Python only take text."""

    def __init__(self, uri):
        LIBVIRT.virSetErrorFunc(None, KEEP_QUIET)
        self.connection = LIBVIRT.virConnectOpen(uri.encode("ascii"))
        assert self.connection, LIBVIRT.virGetLastErrorMessage()

    def define(self, document):
        """(what the daemon has of the domain, which is not kept, and None) or (None, why it was refused)."""
        domain = LIBVIRT.virDomainDefineXML(self.connection, document)
        if not domain:
            return None, LIBVIRT.virGetLastErrorMessage().decode("utf-8", "replace")
        text = LIBVIRT.virDomainGetXMLDesc(domain, libvirt.VIR_DOMAIN_XML_INACTIVE)
        dumped = ctypes.string_at(text)
        LIBC.free(text)
        assert LIBVIRT.virDomainUndefineFlags(domain, libvirt.VIR_DOMAIN_UNDEFINE_NVRAM) == 0
        LIBVIRT.virDomainFree(domain)
        return dumped, None

    def close(self):
        LIBVIRT.virConnectClose(self.connection)


@pytest.fixture(scope="module", params=["new", "old"])
def bed(request):
    """The daemon of a bed, and whether it is the one that does not know accelerated vSMMUs."""
    return request.getfixturevalue("libvirt_daemon" if request.param == "new" else "older_libvirt_daemon"), request.param == "old"


@pytest.fixture(scope="module")
def read(build_dir, tmp_path_factory):
    """What we read in documents: lines, or why we refuse to."""
    def read(documents):
        directory = tmp_path_factory.mktemp("odd")
        files = [directory / f"{number}.xml" for number in range(len(documents))]
        for file, document in zip(files, documents):
            file.write_bytes(document)
        run = subprocess.run([build_dir / "tests" / "print-model", *files], capture_output=True, check=True)
        return [part.splitlines()[1:] for part in run.stdout.decode("utf-8").split("FILE ")[1:]]

    return read


def is_refused(model):
    return any(line.startswith(("REFUSED", "MALFORMED")) for line in model)


def is_accelerated(model):
    return "accelerated 1" in model


# Not all edits of one element or attribute are tried in all ways: with a step of 1 they are, which takes two minutes.
STEP = int(os.environ.get("VSMMU_ODD_STEP", "4"))

# What is not given is the choice of libvirt, or follows from something else.
CHOSEN = [(r"gic \d", "gic 0"), (r"^memory \d+ ", "memory 0 "), (r"running \d", "running 1")]
# What an older libvirt does not know, and leaves out.
UNKNOWN = [(r"^(iommu|accelerated) .*", ""), (r"iommufd \d", "")]


def comparable(given, dumped, is_old):
    """Both models, without what need not be the same."""
    edits = [edit for edit in CHOSEN if any(re.search(edit[1], line) for line in given)] + (UNKNOWN if is_old else [])
    for pattern, replacement in edits:
        given, dumped = ([re.sub(pattern, replacement, line) for line in model] for model in (given, dumped))
    return given, dumped


def compare(read, is_old, results):
    """What came of each document, and the differences; `results` has (what was given, what was dumped or None)."""
    given = read([variant.document for variant, _ in results])
    dumped = iter(read([dump for _, dump in results if dump is not None]))
    outcomes, differences = collections.Counter(), []
    for (variant, dump), ours in zip(results, given):
        theirs = next(dumped) if dump is not None else None
        if theirs is None:
            outcomes["libvirt refuses it" + (", and so do we" if is_refused(ours) else "")] += 1
        elif is_refused(ours):
            outcomes["we refuse it"] += 1
        else:
            ours, theirs = comparable(ours, theirs, is_old)
            outcomes["the same"] += ours == theirs
            if ours != theirs:
                differences.append("\n".join([variant.name, *difflib.unified_diff(theirs, ours, "libvirt", "ours", lineterm="", n=0)]))
    print(*(f"{count:5} {outcome}" for outcome, count in outcomes.items()), sep="\n")
    return outcomes, differences


def for_libvirt(text, is_old):
    """The older libvirt and its QEMU have no 64-bit hole on this machine."""
    return re.sub(r"\s*<pcihole64.*</pcihole64>", "", text) if is_old else text


def every(step, variants):
    return itertools.islice(variants, 0, None, step)


def corpus(is_old, step):
    yield from every(step, odd.variants(for_libvirt(odd.BASE, is_old)))
    # The older libvirt has places of its own for devices without one.
    if not is_old:
        yield from every(min(STEP, 3 * step), odd.variants(odd.EXTRA))
    for variant in odd.whole_documents():
        yield odd.Odd(variant.name, re.sub(rb"\s*<pcihole64.*</pcihole64>", b"", variant.document) if is_old else variant.document)


def test_what_we_read_is_what_libvirt_reads(bed, read):
    daemon, is_old = bed
    connection = Daemon(daemon.uri)
    results = [(variant, connection.define(variant.document)[0]) for variant in corpus(is_old, 1 if not is_old else min(STEP, 2))]
    connection.close()
    outcomes, differences = compare(read, is_old, results)
    assert not differences, f"{len(differences)} differ:\n" + "\n".join(differences[:20])
    assert outcomes.total() > 1200 and outcomes["the same"] > 400 and outcomes["we refuse it"] > 400


@pytest.fixture(scope="module")
def way(bed, build_dir, tmp_path_factory):
    """Through virt-vsmmu-connect to the daemon of `bed`, and whether that is the older one."""
    daemon, is_old = bed
    transport = Transport(tmp_path_factory.mktemp("way"), build_dir / "tools" / "virt-vsmmu-connect", daemon)
    yield transport, is_old
    transport.connection.close()


def test_nothing_is_defined_that_was_not_judged(way, read):
    transport, is_old = way
    connection = Daemon(transport.uri)
    results = [(variant, *connection.define(variant.document)) for variant in corpus(is_old, STEP)]
    connection.close()
    models = read([variant.document for variant, _, _ in results])
    passed = [variant.name for (variant, dumped, _), model in zip(results, models)
              if dumped is not None and is_refused(model) and (is_accelerated(model) or len(model) == 1)]
    assert not passed, passed
    # The dumps come back through us: what an older libvirt cannot say is in them as well.
    outcomes, differences = compare(read, False, [
        (variant, dumped) for (variant, dumped, _), model in zip(results, models) if is_accelerated(model) or not is_old])
    assert not differences, f"{len(differences)} differ:\n" + "\n".join(differences[:20])
    said = collections.Counter("by us" if refusal.startswith("unsupported configuration: domain:") else "by libvirt"
                               for _, dumped, refusal in results if dumped is None)
    print(said)
    assert outcomes["the same"] > 700 / STEP and said["by us"] > 500 / STEP and said["by libvirt"] > 100 / STEP


def attach(connection, guest, device):
    """What the daemon has of the guest with the device, or None."""
    domain = connection.defineXML(guest)
    try:
        domain.attachDeviceFlags(device, libvirt.VIR_DOMAIN_AFFECT_CONFIG)
        return domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
    except libvirt.libvirtError:
        return None
    finally:
        domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_NVRAM)


def test_what_we_read_of_a_device_is_what_libvirt_attaches(bed, read):
    daemon, is_old = bed
    base = for_libvirt(odd.BASE, is_old)
    without_vsmmu = re.sub(r"<iommu.*?</iommu>", "", base, flags=re.DOTALL)
    results = []
    for variant in odd.devices():
        device = variant.document.decode("ascii")
        guest = without_vsmmu if variant.name.startswith("vsmmu") else base
        # Where it would be in the definition.
        merged = odd.Odd(variant.name, guest.replace("  </devices>", device + "  </devices>").encode("ascii"))
        dumped = attach(daemon.connection, guest, device)
        results.append((merged, dumped.encode("utf-8") if dumped is not None else None))
    outcomes, differences = compare(read, is_old, results)
    assert not differences, f"{len(differences)} differ:\n" + "\n".join(differences[:20])
    assert outcomes.total() > 700 and outcomes["the same"] > 150


def test_odd_spellings_of_a_guest_without_acceleration_are_not_our_business(read):
    plain = odd.BASE.replace(" accel='on' ats='on' ril='off' ssidsize='8' oas='48'", "")
    documents = [*every(min(STEP, 3), odd.variants(plain)), *(odd.Odd(name, text.replace(odd.BASE, plain).encode("utf-8"))
                                         for name, text in odd.METADATA.items() if odd.VSMMU not in text)]
    refused = [variant.name for variant, model in zip(documents, read([variant.document for variant in documents]))
               if is_refused(model) and is_accelerated(model) or model[0].startswith("MALFORMED")]
    print(f"{len(documents)} documents")
    assert not refused, refused
