"""What was copied into the tree is what NOTICE says it is."""

import hashlib
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
NOTICE = (ROOT / "NOTICE").read_text(encoding="utf-8")


def test_every_vendored_script_is_listed_with_its_sha256():
    vendor = ROOT / "nvr_box/web/static/vendor"
    listed = re.findall(
        r"^\| `(\S+\.js)` \| .* \| `([0-9a-f]{64})` \|$", (vendor / "README.md").read_text(), re.MULTILINE
    )
    there = {
        str(path.relative_to(vendor)): hashlib.sha256(path.read_bytes()).hexdigest() for path in vendor.rglob("*.js")
    }
    assert dict(listed) == there
    assert len(there) >= 10


def test_every_vendored_library_is_in_the_notice_with_its_version():
    rows = re.findall(
        r"^\| `\S+\.js` \| (\S+ [\d.]+) \|", (ROOT / "nvr_box/web/static/vendor/README.md").read_text(), re.MULTILINE
    )
    assert len(set(rows)) == 3
    for library in rows:
        assert library in NOTICE


def test_every_package_that_the_product_asks_for_is_listed():
    for line in (ROOT / "requirements.in").read_text().splitlines():
        name = line.split("#")[0].split(">")[0].split("=")[0].strip()
        assert not name or name in NOTICE, name
