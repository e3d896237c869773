"""Which official test cases our tests go through: a pytest plugin that writes the outcome of every marked case.

`pytest -p tests.conformance.cases --case-report FILE`. A case counts as passed when every test that carries its id
passed; the ids and titles are those of ONVIF's device test specifications 22.06, of which only the *core* ones are
listed (no condition beyond what the profile makes mandatory).
"""

import json
from pathlib import Path

import pytest

CORE = json.loads((Path(__file__).parent / "cases.json").read_text())
"""`id` → [`STM` or `G`, title]."""

NOT_RUN = {
    "IPCONFIG-": "needs a DHCP server beside the device",
    "IMAGING-2-1-": "the focus is fixed: GetMoveOptions offers no move",
    "MEDIA2-3-2-": "no audio",
    "MEDIA2-6-1-2": "images are not drawn: GetOSDOptions offers text only",
    "MEDIA2-6-1-3": "images are not drawn: GetOSDOptions offers text only",
    "DEVICE-8-": "no auxiliary command is offered",
    "DEVICE-9-": "there is no fan, power supply, storage or temperature sensor to fail",
    "REPLAY-3-2-": "no audio is recorded",
}
"""Why core cases have no test, by the longest fitting beginning of their ids."""


def reason(case):
    fitting = [start for start in NOT_RUN if case.startswith(start)]
    return NOT_RUN[max(fitting, key=len)] if fitting else "not transcribed yet"


def pytest_addoption(parser):
    parser.addoption("--case-report", default="", help="write the outcome of every marked case to this JSON file")


class _Collector:
    def __init__(self, path):
        self._path = path
        self._outcomes = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item):
        report = yield
        ids = [case for mark in item.iter_markers("case") for case in mark.args]
        if ids and (report.when == "call" or report.failed):
            for case in ids:
                self._outcomes[case] = self._outcomes.get(case, True) and report.passed
        return report

    def pytest_sessionfinish(self):
        Path(self._path).write_text(json.dumps(self._outcomes, indent=1, sort_keys=True))


def pytest_configure(config):
    if config.getoption("--case-report"):
        config.pluginmanager.register(_Collector(config.getoption("--case-report")))
