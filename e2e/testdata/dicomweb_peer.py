"""Store, search and retrieve with dicomweb-client: dicomweb_peer.py URL FOLDER."""
import collections
import io
import pathlib
import sys

from dicomweb_client.api import DICOMwebClient
from pydicom import dcmread
from pydicom.dataset import Dataset

url, folder = sys.argv[1], pathlib.Path(sys.argv[2])
client = DICOMwebClient(url=url)
files = {str(ds.SOPInstanceUID): ds for ds in map(dcmread, sorted(folder.glob("*.dcm")))}
for ds in files.values():  # pydicom writes no group lengths
    for tag in [t for t in ds.keys() if t.element == 0]:
        del ds[tag]
studies = collections.defaultdict(list)
for ds in files.values():
    studies[str(ds.StudyInstanceUID)].append(ds)

half = list(files.values())
client.store_instances(datasets=half[:3])
for ds in half[3:]:
    client.store_instances(datasets=[ds], study_instance_uid=str(ds.StudyInstanceUID))

found = [Dataset.from_json(d) for d in client.search_for_studies()]
assert {d.StudyInstanceUID for d in found} == set(studies), found
found = client.search_for_studies(search_filters={"PatientID": "E2E-1"}, fields=["StudyDescription"])
assert len(found) == 1, found
assert client.search_for_studies(search_filters={"PatientID": "NOBODY"}) == []
assert len(client.search_for_instances(limit=2)) == 2
assert len(client.search_for_series(search_filters={"Modality": "CT", "PatientID": "E2E-1"})) == 1

for study, datasets in studies.items():
    want = {str(d.SOPInstanceUID) for d in datasets}
    assert {Dataset.from_json(d).SOPInstanceUID for d in client.search_for_instances(study)} == want
    metadata = [Dataset.from_json(d) for d in client.retrieve_study_metadata(study)]
    assert {d.SOPInstanceUID for d in metadata} == want
    for m in metadata:
        ds = files[str(m.SOPInstanceUID)]
        assert m.PatientID == ds.get("PatientID", ""), m
        assert m.get("Rows") == ds.get("Rows")
    for series in {str(d.SeriesInstanceUID) for d in datasets}:
        assert len(client.retrieve_series_metadata(study, series)) == sum(d.SeriesInstanceUID == series for d in datasets)

for uid, ds in files.items():
    ids = str(ds.StudyInstanceUID), str(ds.SeriesInstanceUID), uid
    got = client.retrieve_instance(*ids, media_types=(("application/dicom", "*"),))
    assert got.file_meta.TransferSyntaxUID == ds.file_meta.TransferSyntaxUID, uid
    assert got == ds, f"instance {uid} differs"
    if "PixelData" not in ds:
        continue
    frames = client.retrieve_instance_frames(*ids, frame_numbers=[1])
    assert len(frames) == 1 and frames[0], uid
    if not ds.file_meta.TransferSyntaxUID.is_compressed:
        size = int(ds.Rows) * int(ds.Columns) * int(ds.SamplesPerPixel) * int(ds.BitsAllocated) // 8
        assert frames[0] == ds.PixelData[:size], f"frame of {uid} differs"
    else:
        from pydicom.encaps import generate_frames
        want = next(generate_frames(ds.PixelData, number_of_frames=int(ds.get("NumberOfFrames", 1))))
        assert frames[0].rstrip(b"\0") == want.rstrip(b"\0"), f"frame of {uid} differs"
    if int(ds.get("NumberOfFrames", 1)) > 2:
        assert len(client.retrieve_instance_frames(*ids, frame_numbers=[1, 3, 2])) == 3

study = next(iter(studies))
assert {str(d.SOPInstanceUID) for d in client.iter_study(study, media_types=(("application/dicom", "*"),))} == {
    str(d.SOPInstanceUID) for d in studies[study]}
