"""What was copied into the tree is what NOTICE says it is."""

import hashlib
from pathlib import Path

ROOT = Path(__file__).parent.parent
NOTICE = (ROOT / "NOTICE").read_text(encoding="utf-8")


def test_every_vendored_script_is_listed_with_its_sha256():
    scripts = sorted((ROOT / "nvr_box/web/static/vendor").rglob("*.js"))
    assert scripts
    for path in scripts:
        assert str(path.relative_to(ROOT)) in NOTICE, path.name
        assert hashlib.sha256(path.read_bytes()).hexdigest() in NOTICE, path.name


def test_every_package_that_the_product_asks_for_is_listed():
    for line in (ROOT / "requirements.in").read_text().splitlines():
        name = line.split("#")[0].split(">")[0].split("=")[0].strip()
        assert not name or name in NOTICE, name
