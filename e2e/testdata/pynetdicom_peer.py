"""Store, find, get and move with pynetdicom: pynetdicom_peer.py PORT MOVE_PORT FOLDER."""
import collections
import pathlib
import sys

from pydicom import dcmread
from pydicom.dataset import Dataset
from pynetdicom import AE, evt, build_role
from pynetdicom.sop_class import (
    Verification, StudyRootQueryRetrieveInformationModelFind as Find,
    StudyRootQueryRetrieveInformationModelGet as Get, StudyRootQueryRetrieveInformationModelMove as Move,
    PatientRootQueryRetrieveInformationModelFind as PatientFind)

port, move_port, folder = int(sys.argv[1]), int(sys.argv[2]), pathlib.Path(sys.argv[3])
files = {}
for path in sorted(folder.glob("*.dcm")):
    ds = dcmread(path)
    files[str(ds.SOPInstanceUID)] = ds
kinds = sorted({(d.SOPClassUID, d.file_meta.TransferSyntaxUID) for d in files.values()})


def associate(contexts, **more):
    ae = AE("PYNET")
    for abstract, syntaxes in contexts:
        ae.add_requested_context(abstract, syntaxes)
    assoc = ae.associate("127.0.0.1", port, ae_title="AURELIUS", **more)
    assert assoc.is_established, "association refused"
    return assoc


assoc = associate([(Verification, None)] + [(c, t) for c, t in kinds])
assert assoc.send_c_echo().Status == 0
for uid, ds in files.items():
    status = assoc.send_c_store(ds).Status
    assert status == 0, f"C-STORE of {uid}: {status:04X}"
assoc.release()


def query(level, model=Find, **keys):
    q = Dataset()
    q.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(q, keyword, value)
    assoc = associate([(model, None)])
    found = []
    for status, identifier in assoc.send_c_find(q, model):
        assert status and status.Status in (0xFF00, 0xFF01, 0), f"C-FIND: {status}"
        if identifier is not None:
            found.append(identifier)
    assoc.release()
    return found


studies = collections.defaultdict(set)
for ds in files.values():
    studies[ds.StudyInstanceUID].add(ds.SOPInstanceUID)
found = query("STUDY", StudyInstanceUID="", PatientName="*", StudyDate="", ModalitiesInStudy="")
assert {d.StudyInstanceUID for d in found} == set(studies), found
found = query("STUDY", StudyInstanceUID="", PatientID="E2E-1", NumberOfStudyRelatedInstances="")
assert len(found) == 1 and found[0].PatientID == "E2E-1" and found[0].NumberOfStudyRelatedInstances == 5, found
assert len(query("PATIENT", PatientFind, PatientID="E2E-*", PatientName="")) == 1
assert query("STUDY", StudyInstanceUID="", PatientID="NOBODY") == []
for study, instances in studies.items():
    series = query("SERIES", StudyInstanceUID=study, SeriesInstanceUID="", Modality="")
    got = set()
    for s in series:
        got |= {d.SOPInstanceUID for d in query("IMAGE", StudyInstanceUID=study, SeriesInstanceUID=s.SeriesInstanceUID, SOPInstanceUID="")}
    assert got == instances, (study, got, instances)

got = {}


def on_store(event):
    ds = event.dataset
    got[str(ds.SOPInstanceUID)] = (ds, str(event.context.transfer_syntax))
    return 0


def check(how):
    assert set(got) == set(files), f"{how}: {len(got)} of {len(files)}"
    for uid, (ds, syntax) in got.items():
        want = files[uid]
        assert syntax == want.file_meta.TransferSyntaxUID, f"{how}: {uid} came in {syntax}"
        if "PixelData" in want:
            assert ds.PixelData == want.PixelData, f"{how}: other pixels in {uid}"
    got.clear()


# C-GET: several syntaxes of one class need a context each.
for study, instances in studies.items():
    for c, t in sorted({(files[i].SOPClassUID, files[i].file_meta.TransferSyntaxUID) for i in instances}):
        assoc = associate([(Get, None), (c, t)], ext_neg=[build_role(c, scp_role=True)], evt_handlers=[(evt.EVT_C_STORE, on_store)])
        for i in sorted(instances):
            if (files[i].SOPClassUID, files[i].file_meta.TransferSyntaxUID) != (c, t):
                continue
            q = Dataset()
            q.QueryRetrieveLevel = "IMAGE"
            q.StudyInstanceUID, q.SeriesInstanceUID, q.SOPInstanceUID = study, files[i].SeriesInstanceUID, i
            for status, _ in assoc.send_c_get(q, Get):
                assert status and status.Status in (0xFF00, 0), f"C-GET: {status}"
        assoc.release()
check("C-GET")

ae = AE("PYNET")
for c, t in kinds:
    ae.add_supported_context(c, sorted({t for d, t in kinds if d == c}))
scp = ae.start_server(("127.0.0.1", move_port), block=False, evt_handlers=[(evt.EVT_C_STORE, on_store)])
try:
    assoc = associate([(Move, None)])
    for study in studies:
        q = Dataset()
        q.QueryRetrieveLevel = "STUDY"
        q.StudyInstanceUID = study
        for status, _ in assoc.send_c_move(q, "PYNET", Move):
            assert status and status.Status in (0xFF00, 0), f"C-MOVE: {status}"
    q.StudyInstanceUID = next(iter(studies))
    assert [s.Status for s, _ in assoc.send_c_move(q, "NOBODY", Move)] == [0xA801]
    assoc.release()
finally:
    scp.shutdown()
check("C-MOVE")
