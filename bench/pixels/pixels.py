#!/usr/bin/env python3
"""Frames and pictures beside Orthanc in one run: medians, and how many times faster.

    bench/pixels/pixels.py HARNESS [--studies 100] [--frames 300] [--rounds 3] [--out FILE]

One transcoded frame out of a multi-frame object in RLE and in JPEG Lossless, /rendered of a CT slice,
and the thumbnails of a list of studies. Nothing is asked for twice in a round, so that no cache of
pictures helps; the servers take turns.
"""
import sys
sys.path.insert(0, sys.argv[1])
from dcmharness import bootstrap

bootstrap.ensure()

import argparse
import json
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

from dcmharness import gen, uids
from dcmharness.clients import stow
from dcmharness.rawhttp import HTTPError
from dcmharness.target import Target

NATIVE = f'multipart/related; type="application/octet-stream"; transfer-syntax={uids.EXPLICIT_LE}'


def objects(folder: Path, frames: int) -> dict[str, Path]:
    """One multi-frame CT, written by DCMTK in RLE and in JPEG Lossless; the two differ in their UIDs."""
    body, noise = gen.phantom(np.random.default_rng(4))
    out = {}
    for name, program in (("rle", ["dcmcrle"]), ("jpeg-lossless", ["dcmcjpeg", "+e1"])):
        ds = gen.base_dataset(uids.SC_MF_WORD, uids.uid(name, "sop"), uids.uid(name, "series"), uids.uid(name, "study"),
                              uids.EXPLICIT_LE)
        ds.Modality, ds.ConversionType, ds.InstanceNumber, ds.SeriesNumber = "OT", "WSD", 1, 1
        ds.PatientName, ds.PatientID, ds.StudyID = "Bench^Pixels", f"PX-{name}", "1"
        ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = "0", "1", "US"
        ds.WindowCenter, ds.WindowWidth = "1024", "800"
        gen.add_pixels(ds, 512, 512, 16, 12, frames=frames)
        ds.PixelData = b"".join(gen.ct_slice(body, noise, i).tobytes() for i in range(frames))
        ds["PixelData"].VR = "OW"
        native, out[name] = folder / "native.dcm", folder / f"{name}.dcm"
        gen.save(ds, native)
        subprocess.run([program[0], *program[1:], native, out[name]], check=True)
        native.unlink()
    return out


def orthanc_id(target: Target, sop: str) -> str:
    with target.http() as c:
        response = c.request("POST", "/tools/lookup", {"Content-Type": "text/plain"}, sop.encode(), absolute=True)
    return next(x["ID"] for x in json.loads(response.body) if x["Type"] == "Instance")


crashes: dict[str, int] = {}


def timed(target: Target, paths: list[str], accept: str, magic: bytes = b"") -> list[float]:
    """Milliseconds of each request but the first, over one connection. A server that dies is started again."""
    out = []
    with target.http() as c:
        for path in paths:
            start = time.perf_counter()
            try:
                response = c.get(path, {"Accept": accept}, absolute=path.startswith("/instances/"))
            except (HTTPError, OSError):
                c.close()
                target.process.wait(timeout=10)  # it is gone, or this is an error of its own
                crashes[target.name] = crashes.get(target.name, 0) + 1
                target.restart()
                continue
            out.append((time.perf_counter() - start) * 1e3)
            if response.status != 200 or magic and not response.body.startswith(magic):
                raise SystemExit(f"{target.name}: {path}: HTTP {response.status}: {response.body[:200]!r}")
    return out[1:] if len(out) > 3 else out


def main() -> None:
    p = argparse.ArgumentParser()
    p.add_argument("harness")
    p.add_argument("--studies", type=int, default=100)
    p.add_argument("--frames", type=int, default=300)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--out")
    o = p.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="bench-pixels-"))
    names = ("orthanc-sqlite", "aurelius")
    targets = [Target.load(Path(o.harness) / "targets" / f"{n}.json", folder) for n in names]
    try:
        slices = 5
        rows = gen.make_ct(folder, o.studies + 1, slices)
        multi = objects(folder, o.frames)
        for t in targets:
            t.start()
            stow(t, [folder / r[0] for r in rows] + list(multi.values()), 1)
        results: dict[str, dict[str, list[float]]] = {}

        def note(phase: str, t: Target, samples: list[float]) -> None:
            results.setdefault(phase, {}).setdefault(t.name, []).extend(samples)

        for turn in range(o.rounds):
            for t in targets[turn % 2:] + targets[:turn % 2]:
                ours = t.name == "aurelius"
                for name in multi:
                    base = (f"/studies/{uids.uid(name, 'study')}/series/{uids.uid(name, 'series')}"
                            f"/instances/{uids.uid(name, 'sop')}/frames/")
                    n = min(60 if ours else 3, o.frames // o.rounds)
                    each = o.frames // (n * o.rounds)
                    picks = [1 + (turn * n + i) * each for i in range(n)]
                    note(f"one frame of {o.frames}, {name} to native", t, timed(t, [base + str(i) for i in picks], NATIVE))
                row = rows[turn::slices]
                path = [f"/studies/{r[3]}/series/{r[2]}/instances/{r[1]}/rendered" for r in row]
                note("/rendered of a 512x512 CT, JPEG", t, timed(t, path, "image/jpeg", b"\xff\xd8"))
                studies = rows[2::slices]
                if ours:
                    # Another size each round: none of them is made already.
                    lists = {"thumbnail": [f"/studies/{r[3]}/thumbnail" + ("" if turn == 0 else f"?viewport={256 - turn},256")
                                           for r in studies]}
                else:
                    ids = [orthanc_id(t, r[1]) for r in studies] if turn == 0 else ids
                    lists = {"preview": [f"/instances/{i}/preview" for i in ids],
                             "rendered": [f"/studies/{r[3]}/series/{r[2]}/instances/{r[1]}/rendered?viewport=256,256" for r in studies]}
                for how, paths in lists.items():
                    note(f"thumbnail of a study: {how}", t, timed(t, paths, "image/jpeg" if how != "preview" else "*/*"))
        lines = ["| what | Orthanc, median ms | Aurelius, median ms | times faster |", "| --- | --- | --- | --- |"]
        median = lambda phase, name: statistics.median(results[phase][name])
        for phase in results:
            if len(results[phase]) == 2:
                a, b = median(phase, names[0]), median(phase, names[1])
                lines.append(f"| {phase} | {a:.2f} | {b:.2f} | {a / b:.1f} |")
        b = median("thumbnail of a study: thumbnail", "aurelius")
        for how in ("preview", "rendered"):
            a = median(f"thumbnail of a study: {how}", names[0])
            lines.append(f"| {o.studies} thumbnails of studies (Orthanc: /{how} of an instance known already) | {a:.2f} | {b:.2f} | {a / b:.1f} |")
        lines += ["", *(f"{name} died {n} times while it made frames, and was started again." for name, n in crashes.items())]
        text = "\n".join(lines) + "\n"
        print(text)
        if o.out:
            Path(o.out).write_text(text)
    except Exception:
        for t in targets:
            print(t.name, "said last:", t.log_tail(1500), file=sys.stderr)
        raise
    finally:
        for t in targets:
            t.stop()
        shutil.rmtree(folder, ignore_errors=True)


main()
