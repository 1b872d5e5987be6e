# Prints, for every DICOM file below a folder, one line {"path": ..., "json": DICOM JSON Model by
# pydicom}. Pixel data and what follows it are left out; binary values longer than 768 bytes
# become the BulkDataURI "bulk". Floats that JSON does not have become strings.
import json, math, os, sys, warnings

import pydicom
from pydicom import config

warnings.simplefilter("ignore")
config.settings.reading_validation_mode = config.IGNORE


def plain(v):
    if isinstance(v, float) and not math.isfinite(v):
        return "NaN" if math.isnan(v) else "Infinity" if v > 0 else "-Infinity"
    if isinstance(v, dict):
        return {k: plain(x) for k, x in v.items()}
    if isinstance(v, (list, tuple, pydicom.multival.MultiValue)):
        return [plain(x) for x in v]
    if isinstance(v, (int, float, str)) or v is None:
        return v
    return str(v)


root = sys.argv[1]
for folder, _, names in sorted(os.walk(root)):
    for name in sorted(names):
        path = os.path.join(folder, name)
        try:
            ds = pydicom.dcmread(path, stop_before_pixels=True)
            js = plain(ds.to_json_dict(1024, lambda e: "bulk"))
        except Exception:  # no DICOM, or too broken for pydicom
            continue
        print(json.dumps({"path": os.path.relpath(path, root), "json": js}, allow_nan=False))
