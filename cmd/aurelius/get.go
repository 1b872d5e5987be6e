package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/uid"
	"github.com/aurelius-imaging/aurelius/dimse"
	"github.com/aurelius-imaging/aurelius/dimse/scu"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// GetCmd fetches objects from a server into a folder (C-GET, PS3.4 C.4.3).
type GetCmd struct {
	clientFlags
	keyFlags
	Out string `required:"" type:"path" placeholder:"DIR" help:"Folder to write to; each object becomes a file named by its SOP Instance UID."`
}

// Run implements the command.
func (c *GetCmd) Run(ctx context.Context, out io.Writer) error {
	level, request, err := c.identifier(true)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(c.Out, 0o755); err != nil {
		return err
	}
	classes, err := c.classes(ctx, level, request)
	if err != nil {
		return err
	}
	model := getting.model(level)
	contexts := append(proposal(model), storageContexts(classes)...)
	client, err := c.dial(ctx, contexts, classes...)
	if err != nil {
		return err
	}
	defer hangUp(client)

	var failed error // of the first object that could not be written
	result, err := client.Get(ctx, model, request, func(_ context.Context, r scu.Received) dimse.Status {
		ts, _ := dicom.LookupTransferSyntax(r.TransferSyntaxUID)
		ts.UID = r.TransferSyntaxUID
		if err := saveObject(c.Out, r.SOPClassUID, r.SOPInstanceUID, ts, c.Peer.AETitle, r.Data); err != nil {
			if failed == nil {
				failed = err
			}
			return dimse.StatusOutOfResources
		}
		return dimse.StatusSuccess
	}, showCounters(os.Stderr))
	err = c.Peer.report(out, "received", result, err)
	return errors.Join(failed, err, syncDir(c.Out))
}

// classes finds out by C-FIND which SOP Classes there are to fetch, because a C-GET must propose
// them beforehand and an association holds too few contexts for all. A server that cannot be
// asked is offered the most common ones.
func (c *GetCmd) classes(ctx context.Context, level string, request *dicom.Dataset) ([]string, error) {
	contexts := append(proposal(scu.StudyRootFind), proposal(scu.PatientRootFind)...)
	client, err := c.dial(ctx, contexts)
	if err != nil {
		return nil, err
	}
	defer hangUp(client)
	var found []string
	err = descend(ctx, client, level, request, func(class string) {
		if uid.Safe(class) && !slices.Contains(found, class) {
			found = append(found, class)
		}
	})
	switch {
	case ctx.Err() != nil:
		return nil, c.Peer.explain(ctx.Err())
	case err != nil && !errs.Is(err, errs.Unsupported):
		return nil, c.Peer.explain(err)
	case len(found) == 0:
		return commonClasses, nil
	case len(found) > maxGetContexts:
		return nil, fmt.Errorf("there are %d SOP Classes to fetch, too many for one association; fetch by study or series", len(found))
	}
	return found, nil
}

// nextLevel leads down the information model.
var nextLevel = map[string]string{"patient": "study", "study": "series", "series": "image"}

// descend asks level by level, as servers without relational queries want it (PS3.4 C.4.1.2.1),
// down to the SOP Classes of the instances.
func descend(ctx context.Context, client *scu.Client, level string, keys *dicom.Dataset, visit func(class string)) error {
	request := keys.Clone()
	request.SetText(tag.QueryRetrieveLevel, queryLevels[level])
	request.SetElement(dicom.Element{Tag: tag.SOPClassUID, VR: tag.SOPClassUID.VR()})
	for _, u := range uniqueKeys {
		if u.level == level && !request.Has(u.tag) {
			request.SetElement(dicom.Element{Tag: u.tag, VR: u.tag.VR()})
		}
	}
	if level != "image" {
		request.Delete(tag.SOPClassUID)
	}
	var matches []*dicom.Dataset
	for match, err := range client.Find(ctx, finding.model(level), request) {
		if err != nil {
			return err
		}
		if level == "image" {
			visit(match.UID(tag.SOPClassUID))
			continue
		}
		matches = append(matches, match)
	}
	for _, match := range matches {
		below := &dicom.Dataset{}
		for _, u := range uniqueKeys {
			for _, from := range []*dicom.Dataset{request, match} {
				if value := from.Text(u.tag); value != "" && u.level != "image" {
					below.SetText(u.tag, value)
				}
			}
		}
		if err := descend(ctx, client, nextLevel[level], below, visit); err != nil {
			return err
		}
	}
	return nil
}

var queryLevels = map[string]string{"patient": "PATIENT", "study": "STUDY", "series": "SERIES", "image": "IMAGE"}

// maxGetContexts is what an association holds beside the context of the C-GET itself.
const maxGetContexts = 127

// storageContexts proposes the classes in every transfer syntax there is room for, the likeliest
// first and each in a context of its own, so that a server can send objects as it has them.
func storageContexts(classes []string) []dimse.Proposal {
	var out []dimse.Proposal
	proposed := map[string]bool{}
	for _, ts := range slices.Concat(likelySyntaxes, dicom.TransferSyntaxes()) {
		for _, class := range classes {
			if len(out) < maxGetContexts && !proposed[ts.UID] {
				out = append(out, dimse.Proposal{AbstractSyntax: class, TransferSyntaxes: []string{ts.UID}})
			}
		}
		proposed[ts.UID] = true
	}
	return out
}

var likelySyntaxes = []dicom.TransferSyntax{
	dicom.ExplicitVRLittleEndian, dicom.ImplicitVRLittleEndian,
	dicom.JPEGLosslessSV1, dicom.JPEG2000Lossless, dicom.JPEGBaseline, dicom.JPEG2000, dicom.JPEGLSLossless, dicom.RLELossless,
	dicom.JPEGExtended, dicom.DeflatedExplicitVRLittleEndian, dicom.JPEGLSNearLossless, dicom.JPEGLossless,
	dicom.HTJ2KLossless, dicom.HTJ2KLosslessRPCL, dicom.HTJ2K, dicom.ExplicitVRBigEndian,
	dicom.JPEGXLLossless, dicom.JPEGXLJPEGRecompression, dicom.JPEGXL, dicom.DeflatedImageFrame, dicom.EncapsulatedUncompressed,
}

// commonClasses are asked for when a server cannot say what it has.
var commonClasses = []string{
	uid.CTImageStorage, uid.MRImageStorage, uid.ComputedRadiographyImageStorage, uid.DigitalXRayImageStorageForPresentation,
	uid.UltrasoundImageStorage, uid.UltrasoundMultiFrameImageStorage, uid.XRayAngiographicImageStorage,
	uid.SecondaryCaptureImageStorage, uid.EnhancedCTImageStorage, uid.EnhancedMRImageStorage,
	uid.DigitalMammographyXRayImageStorageForPresentation, uid.PositronEmissionTomographyImageStorage,
	uid.NuclearMedicineImageStorage, uid.GrayscaleSoftcopyPresentationStateStorage, uid.KeyObjectSelectionDocumentStorage,
	uid.BasicTextSRStorage, uid.EnhancedSRStorage, uid.SegmentationStorage, uid.EncapsulatedPDFStorage,
	uid.RTStructureSetStorage, uid.RTPlanStorage, uid.RTDoseStorage, uid.RTImageStorage,
}
