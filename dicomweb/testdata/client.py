"""dicomweb-client against a server: arguments are its DICOMweb root and a folder of one series.
Every step asserts; silence is success."""
import glob
import sys
import warnings

import pydicom
from dicomweb_client import DICOMwebClient

warnings.simplefilter("ignore")
client = DICOMwebClient(sys.argv[1])
sent = [pydicom.dcmread(f) for f in sorted(glob.glob(sys.argv[2] + "/*.dcm"))]
first = sent[0]
study, series, sop = first.StudyInstanceUID, first.SeriesInstanceUID, first.SOPInstanceUID

stored = client.store_instances(sent)
assert len(stored.ReferencedSOPSequence) == len(sent), stored
assert "FailedSOPSequence" not in stored

found = client.search_for_studies(search_filters={"PatientID": first.PatientID}, fields=["StudyDescription"])
assert [s["0020000D"]["Value"][0] for s in found] == [study]
assert client.search_for_studies(search_filters={"PatientID": "NOBODY"}) == []
assert len(client.search_for_series(study)) == 1
assert len(client.search_for_instances(study, series)) == len(sent)
assert len(client.search_for_instances(limit=2, offset=1)) == 2

for metadata in (client.retrieve_study_metadata(study), client.retrieve_series_metadata(study, series),
                 [client.retrieve_instance_metadata(study, series, sop)]):
    by_sop = {d.SOPInstanceUID: d for d in sent}
    for one in metadata:
        got = pydicom.Dataset.from_json({k: v for k, v in one.items() if "BulkDataURI" not in v})
        want = by_sop[got.SOPInstanceUID]
        for element in want:
            if element.keyword != "PixelData":
                assert got[element.tag].value == element.value, element

for objects in (client.retrieve_study(study), client.retrieve_series(study, series), client.iter_study(study)):
    assert sorted(d.SOPInstanceUID for d in objects) == sorted(d.SOPInstanceUID for d in sent)
assert client.retrieve_instance(study, series, sop).PixelData == first.PixelData
one = client.retrieve_instance(study, series, sop, media_types=(("application/dicom", "1.2.840.10008.1.2.1"),))
assert one.PixelData == first.PixelData

pixels = bytes(first.PixelData)
assert client.retrieve_instance_frames(study, series, sop, [1]) == [pixels]
assert client.retrieve_instance_frames(study, series, sop, [1], media_types=("application/octet-stream",)) == [pixels]
assert list(client.iter_instance_frames(study, series, sop, [1, 1, 1])) == [pixels] * 3

uri = client.retrieve_instance_metadata(study, series, sop)["7FE00010"]["BulkDataURI"]
assert client.retrieve_bulkdata(uri) == [pixels]
assert b"".join(client.iter_bulkdata(uri)) == pixels

client.delete_instance(study, series, sop)
assert len(client.search_for_instances(study)) == len(sent) - 1
client.delete_study(study)
assert client.search_for_studies() == []
