package dicom

// TransferSyntax is how a data set is encoded (PS3.5 10, PS3.6 Table A-1).
type TransferSyntax struct {
	UID          string
	Name         string
	ImplicitVR   bool
	BigEndian    bool
	Deflated     bool
	Encapsulated bool
	MediaType    string // of one frame in DICOMweb (PS3.18 8.7.3): "image/jpeg", "application/octet-stream"
	Retired      bool
}
