"""Audio and text: spoken prompts of Asterisk with their transcripts. CC-BY-SA-3.0, Allison Smith."""

import gzip
import shutil
import wave
from pathlib import Path

from sources.fetch import debian
from sources.layout import draw, key, write_lines


def write(work: Path, folder: Path) -> dict[str, object]:
    """Writes ``wav/`` and ``pairs.jsonl``: audio, text, is_tone, seconds, split; returns what ``info.json`` says.

    Prompts with the same transcript fall on one side.
    """
    (folder / "wav").mkdir(parents=True, exist_ok=True)
    sounds = debian(work, "asterisk-core-sounds-en-wav") / "usr/share/asterisk/sounds/en_US_f_Allison"
    listed = debian(work, "asterisk-core-sounds-en") / "usr/share/doc/asterisk-core-sounds-en/core-sounds-en.txt.gz"
    lines = gzip.decompress(listed.read_bytes()).decode().splitlines()
    rows: list[dict[str, object]] = []
    for name, text in (line.split(": ", 1) for line in lines if ": " in line and not line.startswith(";")):
        source = sounds / f"{name}.wav"
        if not source.exists():
            continue
        audio = f"wav/{name.replace('/', '_')}.wav"
        shutil.copyfile(source, folder / audio)
        with wave.open(str(source)) as file:
            seconds = round(file.getnframes() / file.getframerate(), 2)
        place = draw("asterisk", key(text))
        split = "test" if place < 0.1 else "dev" if place < 0.2 else "train"
        is_tone = text.strip().startswith("[")
        rows.append({"audio": audio, "text": text.strip(), "is_tone": is_tone, "seconds": seconds, "split": split})
    write_lines(folder / "pairs.jsonl", rows)
    sides = [str(row["split"]) for row in rows]
    return {"name": "asterisk", "pairs": len(rows), **{side: sides.count(side) for side in ("train", "dev", "test")}}
