package uid

// Storage SOP Classes that the table of PS3.4 B.5 does not list: retired ones (PS3.6 Table A-1),
// which old archives and devices still hold and send, one newer than shared/standard, and the
// classes that DICOS and DICONDE define under the DICOM root.
const (
	HardcopyGrayscaleImageStorage               = "1.2.840.10008.5.1.1.29"
	HardcopyColorImageStorage                   = "1.2.840.10008.5.1.1.30"
	UltrasoundMultiFrameImageStorageRetired     = "1.2.840.10008.5.1.4.1.1.3"
	NuclearMedicineImageStorageRetired          = "1.2.840.10008.5.1.4.1.1.5"
	UltrasoundImageStorageRetired               = "1.2.840.10008.5.1.4.1.1.6"
	StandaloneOverlayStorage                    = "1.2.840.10008.5.1.4.1.1.8"
	StandaloneCurveStorage                      = "1.2.840.10008.5.1.4.1.1.9"
	WaveformStorageTrial                        = "1.2.840.10008.5.1.4.1.1.9.1"
	StandaloneModalityLUTStorage                = "1.2.840.10008.5.1.4.1.1.10"
	StandaloneVOILUTStorage                     = "1.2.840.10008.5.1.4.1.1.11"
	XRayAngiographicBiPlaneImageStorage         = "1.2.840.10008.5.1.4.1.1.12.3"
	VLImageStorageTrial                         = "1.2.840.10008.5.1.4.1.1.77.1"
	VLMultiFrameImageStorageTrial               = "1.2.840.10008.5.1.4.1.1.77.2"
	TextSRStorageTrial                          = "1.2.840.10008.5.1.4.1.1.88.1"
	AudioSRStorageTrial                         = "1.2.840.10008.5.1.4.1.1.88.2"
	DetailSRStorageTrial                        = "1.2.840.10008.5.1.4.1.1.88.3"
	ComprehensiveSRStorageTrial                 = "1.2.840.10008.5.1.4.1.1.88.4"
	WaveformAnnotationSRStorage                 = "1.2.840.10008.5.1.4.1.1.88.77"
	StandalonePETCurveStorage                   = "1.2.840.10008.5.1.4.1.1.129"
	DICOSCTImageStorage                         = "1.2.840.10008.5.1.4.1.1.501.1"
	DICOSDigitalXRayImageStorageForPresentation = "1.2.840.10008.5.1.4.1.1.501.2.1"
	DICOSDigitalXRayImageStorageForProcessing   = "1.2.840.10008.5.1.4.1.1.501.2.2"
	DICOSThreatDetectionReportStorage           = "1.2.840.10008.5.1.4.1.1.501.3"
	DICOS2DAITStorage                           = "1.2.840.10008.5.1.4.1.1.501.4"
	DICOS3DAITStorage                           = "1.2.840.10008.5.1.4.1.1.501.5"
	DICOSQuadrupoleResonanceStorage             = "1.2.840.10008.5.1.4.1.1.501.6"
	EddyCurrentImageStorage                     = "1.2.840.10008.5.1.4.1.1.601.1"
	EddyCurrentMultiFrameImageStorage           = "1.2.840.10008.5.1.4.1.1.601.2"
	RTBeamsDeliveryInstructionStorageTrial      = "1.2.840.10008.5.1.4.34.1"
)

var retiredStorage = [...]Class{
	{UID: HardcopyGrayscaleImageStorage, Keyword: "HardcopyGrayscaleImageStorage", Name: "Hardcopy Grayscale Image Storage", Retired: true},
	{UID: HardcopyColorImageStorage, Keyword: "HardcopyColorImageStorage", Name: "Hardcopy Color Image Storage", Retired: true},
	{UID: UltrasoundMultiFrameImageStorageRetired, Keyword: "UltrasoundMultiFrameImageStorageRetired", Name: "Ultrasound Multi-frame Image Storage", Retired: true},
	{UID: NuclearMedicineImageStorageRetired, Keyword: "NuclearMedicineImageStorageRetired", Name: "Nuclear Medicine Image Storage", Retired: true},
	{UID: UltrasoundImageStorageRetired, Keyword: "UltrasoundImageStorageRetired", Name: "Ultrasound Image Storage", Retired: true},
	{UID: StandaloneOverlayStorage, Keyword: "StandaloneOverlayStorage", Name: "Standalone Overlay Storage", Retired: true},
	{UID: StandaloneCurveStorage, Keyword: "StandaloneCurveStorage", Name: "Standalone Curve Storage", Retired: true},
	{UID: WaveformStorageTrial, Keyword: "WaveformStorageTrial", Name: "Waveform Storage - Trial", Retired: true},
	{UID: StandaloneModalityLUTStorage, Keyword: "StandaloneModalityLUTStorage", Name: "Standalone Modality LUT Storage", Retired: true},
	{UID: StandaloneVOILUTStorage, Keyword: "StandaloneVOILUTStorage", Name: "Standalone VOI LUT Storage", Retired: true},
	{UID: XRayAngiographicBiPlaneImageStorage, Keyword: "XRayAngiographicBiPlaneImageStorage", Name: "X-Ray Angiographic Bi-Plane Image Storage", Retired: true},
	{UID: VLImageStorageTrial, Keyword: "VLImageStorageTrial", Name: "VL Image Storage - Trial", Retired: true},
	{UID: VLMultiFrameImageStorageTrial, Keyword: "VLMultiFrameImageStorageTrial", Name: "VL Multi-frame Image Storage - Trial", Retired: true},
	{UID: TextSRStorageTrial, Keyword: "TextSRStorageTrial", Name: "Text SR Storage - Trial", Retired: true},
	{UID: AudioSRStorageTrial, Keyword: "AudioSRStorageTrial", Name: "Audio SR Storage - Trial", Retired: true},
	{UID: DetailSRStorageTrial, Keyword: "DetailSRStorageTrial", Name: "Detail SR Storage - Trial", Retired: true},
	{UID: ComprehensiveSRStorageTrial, Keyword: "ComprehensiveSRStorageTrial", Name: "Comprehensive SR Storage - Trial", Retired: true},
	{UID: WaveformAnnotationSRStorage, Keyword: "WaveformAnnotationSRStorage", Name: "Waveform Annotation SR Storage"},
	{UID: StandalonePETCurveStorage, Keyword: "StandalonePETCurveStorage", Name: "Standalone PET Curve Storage", Retired: true},
	{UID: DICOSCTImageStorage, Keyword: "DICOSCTImageStorage", Name: "DICOS CT Image Storage"},
	{UID: DICOSDigitalXRayImageStorageForPresentation, Keyword: "DICOSDigitalXRayImageStorageForPresentation", Name: "DICOS Digital X-Ray Image Storage - For Presentation"},
	{UID: DICOSDigitalXRayImageStorageForProcessing, Keyword: "DICOSDigitalXRayImageStorageForProcessing", Name: "DICOS Digital X-Ray Image Storage - For Processing"},
	{UID: DICOSThreatDetectionReportStorage, Keyword: "DICOSThreatDetectionReportStorage", Name: "DICOS Threat Detection Report Storage"},
	{UID: DICOS2DAITStorage, Keyword: "DICOS2DAITStorage", Name: "DICOS 2D AIT Storage"},
	{UID: DICOS3DAITStorage, Keyword: "DICOS3DAITStorage", Name: "DICOS 3D AIT Storage"},
	{UID: DICOSQuadrupoleResonanceStorage, Keyword: "DICOSQuadrupoleResonanceStorage", Name: "DICOS Quadrupole Resonance (QR) Storage"},
	{UID: EddyCurrentImageStorage, Keyword: "EddyCurrentImageStorage", Name: "Eddy Current Image Storage"},
	{UID: EddyCurrentMultiFrameImageStorage, Keyword: "EddyCurrentMultiFrameImageStorage", Name: "Eddy Current Multi-frame Image Storage"},
	{UID: RTBeamsDeliveryInstructionStorageTrial, Keyword: "RTBeamsDeliveryInstructionStorageTrial", Name: "RT Beams Delivery Instruction Storage - Trial", Retired: true},
}
