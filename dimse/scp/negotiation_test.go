package scp_test

import (
	"bytes"
	"log/slog"
	"slices"
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/uid"
	"github.com/aurelius-imaging/aurelius/dimse"
	"github.com/aurelius-imaging/aurelius/dimse/pdu"
	"github.com/aurelius-imaging/aurelius/dimse/scp"
	"github.com/aurelius-imaging/aurelius/dimse/scu"
	"github.com/aurelius-imaging/aurelius/storage"
)

// TestNegotiation holds what is accepted against the list of services.
func TestNegotiation(t *testing.T) {
	t.Parallel()
	addr, _ := serve(t, scp.Config{}, nil)
	for _, service := range scp.New(scp.Config{}, nil, nil).Services() {
		for classes := range slices.Chunk(service.AbstractSyntaxes, 128) {
			client := associate(t, addr, scu.Config{Contexts: propose(service.TransferSyntaxes[0], classes...)})
			for _, pc := range client.Association().Contexts() {
				if !pc.Accepted() {
					t.Errorf("%s: %s refused with %d", service.Name, pc.AbstractSyntax, pc.Result)
				}
			}
		}
		for _, ts := range service.TransferSyntaxes {
			client := associate(t, addr, scu.Config{Contexts: propose(ts, service.AbstractSyntaxes[0])})
			if got := client.AcceptedSyntaxes(service.AbstractSyntaxes[0]); len(got) != 1 || got[0] != ts {
				t.Errorf("%s: proposed %s, accepted %v", service.Name, ts, got)
			}
		}
	}
}

func TestNegotiationRefuses(t *testing.T) {
	t.Parallel()
	addr, _ := serve(t, scp.Config{}, nil)
	strict, _ := serve(t, scp.Config{KnownStorageOnly: true}, nil)
	lenient, _ := serve(t, scp.Config{UnknownTransferSyntaxes: true}, nil)
	explicit := dicom.ExplicitVRLittleEndian.UID
	const private, geSyntax = "1.3.12.2.1107.999.1", "1.2.840.113619.5.2"
	for _, c := range []struct {
		addr, abstract, syntax string
		want                   dimse.ContextResult
	}{
		{addr, "1.2.840.10008.5.1.4.31", explicit, dimse.ContextAbstractSyntaxNotSupported}, // worklist
		{addr, uid.StorageCommitmentPushModel, explicit, dimse.ContextAbstractSyntaxNotSupported},
		{addr, uid.StudyRootQueryRetrieveInformationModelFind, dicom.JPEGBaseline.UID, dimse.ContextTransferSyntaxesNotSupported},
		{addr, private, explicit, dimse.ContextAccepted},
		{strict, private, explicit, dimse.ContextAbstractSyntaxNotSupported},
		{strict, uid.CTImageStorage, explicit, dimse.ContextAccepted},
		{addr, uid.CTImageStorage, geSyntax, dimse.ContextTransferSyntaxesNotSupported},
		{lenient, uid.CTImageStorage, geSyntax, dimse.ContextAccepted},
	} {
		client := associate(t, c.addr, scu.Config{Contexts: append(propose(c.syntax, c.abstract), propose(explicit, uid.Verification)...)})
		if got := client.Association().Contexts()[0].Result; got != c.want {
			t.Errorf("%s in %s: result %d, want %d", c.abstract, c.syntax, got, c.want)
		}
	}
}

// TestTransferSyntaxIsTheRequestorsChoice: objects are kept as received, so the first syntax a
// sender names is taken; for queries ours is.
func TestTransferSyntaxIsTheRequestorsChoice(t *testing.T) {
	t.Parallel()
	addr, _ := serve(t, scp.Config{}, nil)
	implicit, explicit := dicom.ImplicitVRLittleEndian.UID, dicom.ExplicitVRLittleEndian.UID
	client := associate(t, addr, scu.Config{Contexts: []dimse.Proposal{
		{AbstractSyntax: uid.CTImageStorage, TransferSyntaxes: []string{dicom.JPEGLosslessSV1.UID, explicit}},
		{AbstractSyntax: uid.MRImageStorage, TransferSyntaxes: []string{implicit, explicit}},
		{AbstractSyntax: scu.StudyRootFind, TransferSyntaxes: []string{implicit, explicit}},
	}})
	want := []string{dicom.JPEGLosslessSV1.UID, implicit, explicit}
	for i, pc := range client.Association().Contexts() {
		if pc.TransferSyntax != want[i] {
			t.Errorf("%s in %s, want %s", pc.AbstractSyntax, pc.TransferSyntax, want[i])
		}
	}
}

func TestExtendedNegotiation(t *testing.T) {
	t.Parallel()
	addr, _ := serve(t, scp.Config{}, nil)
	explicit := dicom.ExplicitVRLittleEndian.UID
	a, err := dimse.Dial(t.Context(), addr, dimse.DialConfig{
		Contexts: propose(explicit, scu.StudyRootFind, uid.CTImageStorage),
		Extended: []pdu.Extended{
			{SOPClassUID: scu.StudyRootFind, Info: []byte{1, 1, 1}}, // relational, date-time, fuzzy
			{SOPClassUID: uid.CTImageStorage, Info: []byte{3, 0, 0, 0, 0, 0}},
		},
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Abort()
	got := map[string][]byte{}
	for _, e := range a.Peer().Extended {
		got[e.SOPClassUID] = e.Info
	}
	if !bytes.Equal(got[scu.StudyRootFind], []byte{1, 0, 0}) {
		t.Errorf("FIND: %v, want relational queries only", got[scu.StudyRootFind])
	}
	if !bytes.Equal(got[uid.CTImageStorage], []byte{2, 0, 3, 0, 0, 0}) {
		t.Errorf("Storage: %v, want level 2, signatures level 3, no coercion", got[uid.CTImageStorage])
	}
}

// TestTenantOfTheCalledAETitle keeps two organisations on one port apart.
func TestTenantOfTheCalledAETitle(t *testing.T) {
	t.Parallel()
	addr, _ := serve(t, scp.Config{Tenant: func(called string) storage.TenantID { return storage.TenantID("tenant-" + called) }}, nil)
	explicit := dicom.ExplicitVRLittleEndian.UID
	contexts := append(propose(explicit, scu.StudyRootFind, scu.StudyRootGet), propose(explicit, uid.CTImageStorage)...)
	studies := map[string]string{"NORTH": "1.2.1", "SOUTH": "1.2.2"}
	clients := map[string]*scu.Client{}
	for called, own := range studies {
		clients[called] = associate(t, addr, scu.Config{CalledAE: called, Contexts: contexts, StoreRoles: []string{uid.CTImageStorage}})
		if status := store(t, clients[called], synthetic(t, own, own+".1", own+".1.1", nil)); status != dimse.StatusSuccess {
			t.Fatal(status)
		}
	}
	for called, client := range clients {
		own := studies[called]
		got, err := ask(t, client, scu.StudyRootFind, wanted("STUDY", nil), tag.StudyInstanceUID)
		if err != nil || len(got) != 1 || got[0] != own {
			t.Errorf("%s finds %v, %v; want %s", called, got, err, own)
		}
		objects := map[string]received{}
		if _, err := client.Get(t.Context(), scu.StudyRootGet, study("1.2.1", "1.2.2"), collect(objects), nil); err != nil {
			t.Error(err)
		}
		if _, ok := objects[own+".1.1"]; !ok || len(objects) != 1 {
			t.Errorf("%s gets %d objects, want its own", called, len(objects))
		}
	}
}

// TestUnsupportedKeysAreSaid: what cannot be matched at the level is answered as if it had been
// empty, with status FF01.
func TestUnsupportedKeysAreSaid(t *testing.T) {
	t.Parallel()
	addr, _ := serve(t, scp.Config{}, nil)
	storeSeries(t, addr, 1)
	client := associate(t, addr, scu.Config{Contexts: propose(dicom.ExplicitVRLittleEndian.UID, scu.StudyRootFind)})
	a := client.Association()
	for _, c := range []struct {
		key  tag.Tag
		want dimse.Status
	}{
		{tag.StudyInstanceUID, dimse.StatusPending},
		{tag.SOPInstanceUID, dimse.StatusPendingWarning}, // below the level
	} {
		request, err := dicom.AppendDataset(nil, wanted("STUDY", map[tag.Tag][]string{c.key: {"1.2.3"}}), dicom.ExplicitVRLittleEndian)
		if err != nil {
			t.Fatal(err)
		}
		cmd := &dimse.Command{Field: dimse.CFindRQ, MessageID: a.NextMessageID(), AffectedSOPClassUID: scu.StudyRootFind}
		if err := a.Send(t.Context(), 1, cmd, bytes.NewReader(request)); err != nil {
			t.Fatal(err)
		}
		for first := true; ; first = false {
			msg, err := a.Receive(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if msg.Command.Status.Final() {
				if first {
					t.Errorf("%s: no match, %v", c.key.Keyword(), msg.Command.Status)
				}
				break
			}
			if msg.Command.Status != c.want {
				t.Errorf("%s: %v, want %v", c.key.Keyword(), msg.Command.Status, c.want)
			}
		}
	}
}
