#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""check.py DOMAIN.xml [HOST.json]: print what is wrong with a domain, on a host; exit with 1 when there is an error.

Needs python3-gi and Vsmmu-0.1.typelib, which libvsmmu installs when it is built with introspection.
"""

import sys

import gi

gi.require_version("Vsmmu", "0.1")
from gi.repository import GLib, Vsmmu  # noqa: E402


def main(path, facts=None):
    options = Vsmmu.CheckOptions.new()
    if facts is not None:
        options.set_host(Vsmmu.Host.new_from_file(facts))
    findings = Vsmmu.check_domain(Vsmmu.Domain.new_from_file(path), options)
    for finding in findings:
        severity = Vsmmu.severity_to_string(finding.get_severity())
        print(f"{finding.get_file()}:{finding.get_line()}: {severity}: {finding.get_message()} [{finding.get_rule().get_id()}]")
        print(f"    hint: {finding.get_hint()}")
    return int(any(finding.get_severity() == Vsmmu.Severity.ERROR for finding in findings))


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except GLib.Error as error:
        sys.exit(error.message)
