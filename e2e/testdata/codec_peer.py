"""Decodes every <name>.dcm of a folder with the decoders of pydicom that read its transfer syntax and
compares with <name>.raw, the samples it was encoded from. Arguments: the folder, then the plugins
that have to be there ("pylibjpeg", "pyjpegls", "pydicom"); gdcm joins where it is installed."""
import pathlib
import sys

import numpy
import pydicom
from pydicom.pixels import get_decoder

folder, wanted = pathlib.Path(sys.argv[1]), sys.argv[2:]
decoded, failed = {}, False
for path in sorted(folder.glob("*.dcm")):
    ds = pydicom.dcmread(path)
    decoder = get_decoder(ds.file_meta.TransferSyntaxUID)
    # GDCM aborts at fewer than 8 of 8 bits, whoever encoded them.
    gdcm = ds.BitsAllocated > 8 or ds.BitsStored == 8
    plugins = [p for p in decoder.available_plugins if p in wanted or p == "gdcm" and gdcm]
    want = path.with_suffix(".raw").read_bytes()
    for plugin in plugins:
        try:
            got, meta = decoder.as_buffer(ds, index=0, raw=True, decoding_plugin=plugin)
        except Exception as e:
            print(f"{path.name}: {plugin}: {e}")
            failed = True
            continue
        if ds.SamplesPerPixel > 1 and meta["planar_configuration"] == 1:  # RLE, by plane as it is
            width = ds.BitsAllocated // 8
            got = numpy.frombuffer(got, f"V{width}").reshape(ds.SamplesPerPixel, -1).T.tobytes()
        if bytes(got)[: len(want)] != want:
            print(f"{path.name}: {plugin} has other samples")
            failed = True
        decoded[plugin] = decoded.get(plugin, 0) + 1
print(decoded)
if missing := [p for p in wanted if not decoded.get(p)]:
    print("nothing decoded by", missing)
    failed = True
sys.exit(failed)
