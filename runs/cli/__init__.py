"""The ``drmguard`` command: parses and calls, decides nothing.

Exit codes: 0 fine, 1 a scan found a backdoor, 2 an error; nothing is written then.
"""

from __future__ import annotations

import click

from runs.cli import bench, data, erase, guard, reproduce, triggers


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="drmguard-tf")
def main() -> None:
    """Find and remove backdoors in regression models that look at faces.

    \b
    Start here:   drmguard demo --out demo
    Your model:   drmguard scan --model model.h5 --benign faces/
    """


for command in (
    guard.demo,
    guard.train,
    guard.evaluate,
    guard.scan,
    guard.mitigate,
    guard.export,
    erase.erase,
    triggers.find_triggers,
    guard.export_triggered,
):
    main.add_command(command)
for group in (data.prepare, data.data, bench.bench, reproduce.reproduce):
    main.add_command(group)
