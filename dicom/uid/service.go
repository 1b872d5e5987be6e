package uid

// known is a UID with its name.
type known struct{ UID, Name string }

// SOP Classes of services other than storage, under their keywords of PS3.6 Table A-1.
const (
	Verification                                      = "1.2.840.10008.1.1"
	BasicStudyContentNotification                     = "1.2.840.10008.1.9" // retired
	StorageCommitmentPushModel                        = "1.2.840.10008.1.20.1"
	StorageCommitmentPullModel                        = "1.2.840.10008.1.20.2" // retired
	ProceduralEventLogging                            = "1.2.840.10008.1.40"
	SubstanceAdministrationLogging                    = "1.2.840.10008.1.42"
	DetachedPatientManagement                         = "1.2.840.10008.3.1.2.1.1" // retired
	DetachedPatientManagementMeta                     = "1.2.840.10008.3.1.2.1.4" // retired
	DetachedVisitManagement                           = "1.2.840.10008.3.1.2.2.1" // retired
	DetachedStudyManagement                           = "1.2.840.10008.3.1.2.3.1" // retired
	StudyComponentManagement                          = "1.2.840.10008.3.1.2.3.2" // retired
	ModalityPerformedProcedureStep                    = "1.2.840.10008.3.1.2.3.3"
	ModalityPerformedProcedureStepRetrieve            = "1.2.840.10008.3.1.2.3.4"
	ModalityPerformedProcedureStepNotification        = "1.2.840.10008.3.1.2.3.5"
	DetachedResultsManagement                         = "1.2.840.10008.3.1.2.5.1" // retired
	DetachedResultsManagementMeta                     = "1.2.840.10008.3.1.2.5.4" // retired
	DetachedStudyManagementMeta                       = "1.2.840.10008.3.1.2.5.5" // retired
	DetachedInterpretationManagement                  = "1.2.840.10008.3.1.2.6.1" // retired
	BasicFilmSession                                  = "1.2.840.10008.5.1.1.1"
	BasicFilmBox                                      = "1.2.840.10008.5.1.1.2"
	BasicGrayscaleImageBox                            = "1.2.840.10008.5.1.1.4"
	BasicColorImageBox                                = "1.2.840.10008.5.1.1.4.1"
	ReferencedImageBox                                = "1.2.840.10008.5.1.1.4.2" // retired
	BasicGrayscalePrintManagementMeta                 = "1.2.840.10008.5.1.1.9"
	ReferencedGrayscalePrintManagementMeta            = "1.2.840.10008.5.1.1.9.1" // retired
	PrintJob                                          = "1.2.840.10008.5.1.1.14"
	BasicAnnotationBox                                = "1.2.840.10008.5.1.1.15"
	Printer                                           = "1.2.840.10008.5.1.1.16"
	PrinterConfigurationRetrieval                     = "1.2.840.10008.5.1.1.16.376"
	BasicColorPrintManagementMeta                     = "1.2.840.10008.5.1.1.18"
	ReferencedColorPrintManagementMeta                = "1.2.840.10008.5.1.1.18.1" // retired
	VOILUTBox                                         = "1.2.840.10008.5.1.1.22"
	PresentationLUT                                   = "1.2.840.10008.5.1.1.23"
	ImageOverlayBox                                   = "1.2.840.10008.5.1.1.24"   // retired
	BasicPrintImageOverlayBox                         = "1.2.840.10008.5.1.1.24.1" // retired
	PrintQueueManagement                              = "1.2.840.10008.5.1.1.26"   // retired
	StoredPrintStorage                                = "1.2.840.10008.5.1.1.27"   // retired
	PullPrintRequest                                  = "1.2.840.10008.5.1.1.31"   // retired
	PullStoredPrintManagementMeta                     = "1.2.840.10008.5.1.1.32"   // retired
	MediaCreationManagement                           = "1.2.840.10008.5.1.1.33"
	DisplaySystem                                     = "1.2.840.10008.5.1.1.40"
	ProtocolApprovalInformationModelFind              = "1.2.840.10008.5.1.4.1.1.200.4"
	ProtocolApprovalInformationModelMove              = "1.2.840.10008.5.1.4.1.1.200.5"
	ProtocolApprovalInformationModelGet               = "1.2.840.10008.5.1.4.1.1.200.6"
	InventoryFind                                     = "1.2.840.10008.5.1.4.1.1.201.2"
	InventoryMove                                     = "1.2.840.10008.5.1.4.1.1.201.3"
	InventoryGet                                      = "1.2.840.10008.5.1.4.1.1.201.4"
	InventoryCreation                                 = "1.2.840.10008.5.1.4.1.1.201.5"
	RepositoryQuery                                   = "1.2.840.10008.5.1.4.1.1.201.6"
	PatientRootQueryRetrieveInformationModelFind      = "1.2.840.10008.5.1.4.1.2.1.1"
	PatientRootQueryRetrieveInformationModelMove      = "1.2.840.10008.5.1.4.1.2.1.2"
	PatientRootQueryRetrieveInformationModelGet       = "1.2.840.10008.5.1.4.1.2.1.3"
	StudyRootQueryRetrieveInformationModelFind        = "1.2.840.10008.5.1.4.1.2.2.1"
	StudyRootQueryRetrieveInformationModelMove        = "1.2.840.10008.5.1.4.1.2.2.2"
	StudyRootQueryRetrieveInformationModelGet         = "1.2.840.10008.5.1.4.1.2.2.3"
	PatientStudyOnlyQueryRetrieveInformationModelFind = "1.2.840.10008.5.1.4.1.2.3.1" // retired
	PatientStudyOnlyQueryRetrieveInformationModelMove = "1.2.840.10008.5.1.4.1.2.3.2" // retired
	PatientStudyOnlyQueryRetrieveInformationModelGet  = "1.2.840.10008.5.1.4.1.2.3.3" // retired
	CompositeInstanceRootRetrieveMove                 = "1.2.840.10008.5.1.4.1.2.4.2"
	CompositeInstanceRootRetrieveGet                  = "1.2.840.10008.5.1.4.1.2.4.3"
	CompositeInstanceRetrieveWithoutBulkDataGet       = "1.2.840.10008.5.1.4.1.2.5.3"
	DefinedProcedureProtocolInformationModelFind      = "1.2.840.10008.5.1.4.20.1"
	DefinedProcedureProtocolInformationModelMove      = "1.2.840.10008.5.1.4.20.2"
	DefinedProcedureProtocolInformationModelGet       = "1.2.840.10008.5.1.4.20.3"
	ModalityWorklistInformationModelFind              = "1.2.840.10008.5.1.4.31"
	GeneralPurposeWorklistManagementMeta              = "1.2.840.10008.5.1.4.32"   // retired
	GeneralPurposeWorklistInformationModelFind        = "1.2.840.10008.5.1.4.32.1" // retired
	GeneralPurposeScheduledProcedureStep              = "1.2.840.10008.5.1.4.32.2" // retired
	GeneralPurposePerformedProcedureStep              = "1.2.840.10008.5.1.4.32.3" // retired
	InstanceAvailabilityNotification                  = "1.2.840.10008.5.1.4.33"
	RTConventionalMachineVerificationTrial            = "1.2.840.10008.5.1.4.34.2"   // retired
	RTIonMachineVerificationTrial                     = "1.2.840.10008.5.1.4.34.3"   // retired
	UnifiedProcedureStepPushTrial                     = "1.2.840.10008.5.1.4.34.4.1" // retired
	UnifiedProcedureStepWatchTrial                    = "1.2.840.10008.5.1.4.34.4.2" // retired
	UnifiedProcedureStepPullTrial                     = "1.2.840.10008.5.1.4.34.4.3" // retired
	UnifiedProcedureStepEventTrial                    = "1.2.840.10008.5.1.4.34.4.4" // retired
	UnifiedProcedureStepPush                          = "1.2.840.10008.5.1.4.34.6.1"
	UnifiedProcedureStepWatch                         = "1.2.840.10008.5.1.4.34.6.2"
	UnifiedProcedureStepPull                          = "1.2.840.10008.5.1.4.34.6.3"
	UnifiedProcedureStepEvent                         = "1.2.840.10008.5.1.4.34.6.4"
	UnifiedProcedureStepQuery                         = "1.2.840.10008.5.1.4.34.6.5"
	RTConventionalMachineVerification                 = "1.2.840.10008.5.1.4.34.8"
	RTIonMachineVerification                          = "1.2.840.10008.5.1.4.34.9"
	GeneralRelevantPatientInformationQuery            = "1.2.840.10008.5.1.4.37.1"
	BreastImagingRelevantPatientInformationQuery      = "1.2.840.10008.5.1.4.37.2"
	CardiacRelevantPatientInformationQuery            = "1.2.840.10008.5.1.4.37.3"
	HangingProtocolInformationModelFind               = "1.2.840.10008.5.1.4.38.2"
	HangingProtocolInformationModelMove               = "1.2.840.10008.5.1.4.38.3"
	HangingProtocolInformationModelGet                = "1.2.840.10008.5.1.4.38.4"
	ColorPaletteQueryRetrieveInformationModelFind     = "1.2.840.10008.5.1.4.39.2"
	ColorPaletteQueryRetrieveInformationModelMove     = "1.2.840.10008.5.1.4.39.3"
	ColorPaletteQueryRetrieveInformationModelGet      = "1.2.840.10008.5.1.4.39.4"
	ProductCharacteristicsQuery                       = "1.2.840.10008.5.1.4.41"
	SubstanceApprovalQuery                            = "1.2.840.10008.5.1.4.42"
	GenericImplantTemplateInformationModelFind        = "1.2.840.10008.5.1.4.43.2"
	GenericImplantTemplateInformationModelMove        = "1.2.840.10008.5.1.4.43.3"
	GenericImplantTemplateInformationModelGet         = "1.2.840.10008.5.1.4.43.4"
	ImplantAssemblyTemplateInformationModelFind       = "1.2.840.10008.5.1.4.44.2"
	ImplantAssemblyTemplateInformationModelMove       = "1.2.840.10008.5.1.4.44.3"
	ImplantAssemblyTemplateInformationModelGet        = "1.2.840.10008.5.1.4.44.4"
	ImplantTemplateGroupInformationModelFind          = "1.2.840.10008.5.1.4.45.2"
	ImplantTemplateGroupInformationModelMove          = "1.2.840.10008.5.1.4.45.3"
	ImplantTemplateGroupInformationModelGet           = "1.2.840.10008.5.1.4.45.4"
	VideoEndoscopicImageRealTimeCommunication         = "1.2.840.10008.10.1"
	VideoPhotographicImageRealTimeCommunication       = "1.2.840.10008.10.2"
	AudioWaveformRealTimeCommunication                = "1.2.840.10008.10.3"
	RenditionSelectionDocumentRealTimeCommunication   = "1.2.840.10008.10.4"
)

// Well-known SOP Instances (PS3.6 Table A-1).
const (
	HotIronPalette                         = "1.2.840.10008.1.5.1"
	PETPalette                             = "1.2.840.10008.1.5.2"
	HotMetalBluePalette                    = "1.2.840.10008.1.5.3"
	PET20StepPalette                       = "1.2.840.10008.1.5.4"
	SpringPalette                          = "1.2.840.10008.1.5.5"
	SummerPalette                          = "1.2.840.10008.1.5.6"
	FallPalette                            = "1.2.840.10008.1.5.7"
	WinterPalette                          = "1.2.840.10008.1.5.8"
	StorageCommitmentPushModelInstance     = "1.2.840.10008.1.20.1.1"
	StorageCommitmentPullModelInstance     = "1.2.840.10008.1.20.2.1" // retired
	ProceduralEventLoggingInstance         = "1.2.840.10008.1.40.1"
	SubstanceAdministrationLoggingInstance = "1.2.840.10008.1.42.1"
	PrinterInstance                        = "1.2.840.10008.5.1.1.17"
	PrinterConfigurationRetrievalInstance  = "1.2.840.10008.5.1.1.17.376"
	PrintQueueInstance                     = "1.2.840.10008.5.1.1.25" // retired
	DisplaySystemInstance                  = "1.2.840.10008.5.1.1.40.1"
	StorageManagementInstance              = "1.2.840.10008.5.1.4.1.1.201.1.1"
	UPSGlobalSubscriptionInstance          = "1.2.840.10008.5.1.4.34.5"
	UPSFilteredGlobalSubscriptionInstance  = "1.2.840.10008.5.1.4.34.5.1"
)

var services = [...]known{
	{ApplicationContext, "DICOM Application Context"},
	{Verification, "Verification"},
	{BasicStudyContentNotification, "Basic Study Content Notification"},
	{StorageCommitmentPushModel, "Storage Commitment Push Model"},
	{StorageCommitmentPullModel, "Storage Commitment Pull Model"},
	{ProceduralEventLogging, "Procedural Event Logging"},
	{SubstanceAdministrationLogging, "Substance Administration Logging"},
	{DetachedPatientManagement, "Detached Patient Management"},
	{DetachedPatientManagementMeta, "Detached Patient Management Meta"},
	{DetachedVisitManagement, "Detached Visit Management"},
	{DetachedStudyManagement, "Detached Study Management"},
	{StudyComponentManagement, "Study Component Management"},
	{ModalityPerformedProcedureStep, "Modality Performed Procedure Step"},
	{ModalityPerformedProcedureStepRetrieve, "Modality Performed Procedure Step Retrieve"},
	{ModalityPerformedProcedureStepNotification, "Modality Performed Procedure Step Notification"},
	{DetachedResultsManagement, "Detached Results Management"},
	{DetachedResultsManagementMeta, "Detached Results Management Meta"},
	{DetachedStudyManagementMeta, "Detached Study Management Meta"},
	{DetachedInterpretationManagement, "Detached Interpretation Management"},
	{BasicFilmSession, "Basic Film Session"},
	{BasicFilmBox, "Basic Film Box"},
	{BasicGrayscaleImageBox, "Basic Grayscale Image Box"},
	{BasicColorImageBox, "Basic Color Image Box"},
	{ReferencedImageBox, "Referenced Image Box"},
	{BasicGrayscalePrintManagementMeta, "Basic Grayscale Print Management Meta"},
	{ReferencedGrayscalePrintManagementMeta, "Referenced Grayscale Print Management Meta"},
	{PrintJob, "Print Job"},
	{BasicAnnotationBox, "Basic Annotation Box"},
	{Printer, "Printer"},
	{PrinterConfigurationRetrieval, "Printer Configuration Retrieval"},
	{BasicColorPrintManagementMeta, "Basic Color Print Management Meta"},
	{ReferencedColorPrintManagementMeta, "Referenced Color Print Management Meta"},
	{VOILUTBox, "VOI LUT Box"},
	{PresentationLUT, "Presentation LUT"},
	{ImageOverlayBox, "Image Overlay Box"},
	{BasicPrintImageOverlayBox, "Basic Print Image Overlay Box"},
	{PrintQueueManagement, "Print Queue Management"},
	{StoredPrintStorage, "Stored Print Storage"},
	{PullPrintRequest, "Pull Print Request"},
	{PullStoredPrintManagementMeta, "Pull Stored Print Management Meta"},
	{MediaCreationManagement, "Media Creation Management"},
	{DisplaySystem, "Display System"},
	{ProtocolApprovalInformationModelFind, "Protocol Approval Information Model - FIND"},
	{ProtocolApprovalInformationModelMove, "Protocol Approval Information Model - MOVE"},
	{ProtocolApprovalInformationModelGet, "Protocol Approval Information Model - GET"},
	{InventoryFind, "Inventory - FIND"},
	{InventoryMove, "Inventory - MOVE"},
	{InventoryGet, "Inventory - GET"},
	{InventoryCreation, "Inventory Creation"},
	{RepositoryQuery, "Repository Query"},
	{PatientRootQueryRetrieveInformationModelFind, "Patient Root Query/Retrieve Information Model - FIND"},
	{PatientRootQueryRetrieveInformationModelMove, "Patient Root Query/Retrieve Information Model - MOVE"},
	{PatientRootQueryRetrieveInformationModelGet, "Patient Root Query/Retrieve Information Model - GET"},
	{StudyRootQueryRetrieveInformationModelFind, "Study Root Query/Retrieve Information Model - FIND"},
	{StudyRootQueryRetrieveInformationModelMove, "Study Root Query/Retrieve Information Model - MOVE"},
	{StudyRootQueryRetrieveInformationModelGet, "Study Root Query/Retrieve Information Model - GET"},
	{PatientStudyOnlyQueryRetrieveInformationModelFind, "Patient/Study Only Query/Retrieve Information Model - FIND"},
	{PatientStudyOnlyQueryRetrieveInformationModelMove, "Patient/Study Only Query/Retrieve Information Model - MOVE"},
	{PatientStudyOnlyQueryRetrieveInformationModelGet, "Patient/Study Only Query/Retrieve Information Model - GET"},
	{CompositeInstanceRootRetrieveMove, "Composite Instance Root Retrieve - MOVE"},
	{CompositeInstanceRootRetrieveGet, "Composite Instance Root Retrieve - GET"},
	{CompositeInstanceRetrieveWithoutBulkDataGet, "Composite Instance Retrieve Without Bulk Data - GET"},
	{DefinedProcedureProtocolInformationModelFind, "Defined Procedure Protocol Information Model - FIND"},
	{DefinedProcedureProtocolInformationModelMove, "Defined Procedure Protocol Information Model - MOVE"},
	{DefinedProcedureProtocolInformationModelGet, "Defined Procedure Protocol Information Model - GET"},
	{ModalityWorklistInformationModelFind, "Modality Worklist Information Model - FIND"},
	{GeneralPurposeWorklistManagementMeta, "General Purpose Worklist Management Meta"},
	{GeneralPurposeWorklistInformationModelFind, "General Purpose Worklist Information Model - FIND"},
	{GeneralPurposeScheduledProcedureStep, "General Purpose Scheduled Procedure Step"},
	{GeneralPurposePerformedProcedureStep, "General Purpose Performed Procedure Step"},
	{InstanceAvailabilityNotification, "Instance Availability Notification"},
	{RTConventionalMachineVerificationTrial, "RT Conventional Machine Verification - Trial"},
	{RTIonMachineVerificationTrial, "RT Ion Machine Verification - Trial"},
	{UnifiedProcedureStepPushTrial, "Unified Procedure Step - Push - Trial"},
	{UnifiedProcedureStepWatchTrial, "Unified Procedure Step - Watch - Trial"},
	{UnifiedProcedureStepPullTrial, "Unified Procedure Step - Pull - Trial"},
	{UnifiedProcedureStepEventTrial, "Unified Procedure Step - Event - Trial"},
	{UnifiedProcedureStepPush, "Unified Procedure Step - Push"},
	{UnifiedProcedureStepWatch, "Unified Procedure Step - Watch"},
	{UnifiedProcedureStepPull, "Unified Procedure Step - Pull"},
	{UnifiedProcedureStepEvent, "Unified Procedure Step - Event"},
	{UnifiedProcedureStepQuery, "Unified Procedure Step - Query"},
	{RTConventionalMachineVerification, "RT Conventional Machine Verification"},
	{RTIonMachineVerification, "RT Ion Machine Verification"},
	{GeneralRelevantPatientInformationQuery, "General Relevant Patient Information Query"},
	{BreastImagingRelevantPatientInformationQuery, "Breast Imaging Relevant Patient Information Query"},
	{CardiacRelevantPatientInformationQuery, "Cardiac Relevant Patient Information Query"},
	{HangingProtocolInformationModelFind, "Hanging Protocol Information Model - FIND"},
	{HangingProtocolInformationModelMove, "Hanging Protocol Information Model - MOVE"},
	{HangingProtocolInformationModelGet, "Hanging Protocol Information Model - GET"},
	{ColorPaletteQueryRetrieveInformationModelFind, "Color Palette Query/Retrieve Information Model - FIND"},
	{ColorPaletteQueryRetrieveInformationModelMove, "Color Palette Query/Retrieve Information Model - MOVE"},
	{ColorPaletteQueryRetrieveInformationModelGet, "Color Palette Query/Retrieve Information Model - GET"},
	{ProductCharacteristicsQuery, "Product Characteristics Query"},
	{SubstanceApprovalQuery, "Substance Approval Query"},
	{GenericImplantTemplateInformationModelFind, "Generic Implant Template Information Model - FIND"},
	{GenericImplantTemplateInformationModelMove, "Generic Implant Template Information Model - MOVE"},
	{GenericImplantTemplateInformationModelGet, "Generic Implant Template Information Model - GET"},
	{ImplantAssemblyTemplateInformationModelFind, "Implant Assembly Template Information Model - FIND"},
	{ImplantAssemblyTemplateInformationModelMove, "Implant Assembly Template Information Model - MOVE"},
	{ImplantAssemblyTemplateInformationModelGet, "Implant Assembly Template Information Model - GET"},
	{ImplantTemplateGroupInformationModelFind, "Implant Template Group Information Model - FIND"},
	{ImplantTemplateGroupInformationModelMove, "Implant Template Group Information Model - MOVE"},
	{ImplantTemplateGroupInformationModelGet, "Implant Template Group Information Model - GET"},
	{VideoEndoscopicImageRealTimeCommunication, "Video Endoscopic Image Real-Time Communication"},
	{VideoPhotographicImageRealTimeCommunication, "Video Photographic Image Real-Time Communication"},
	{AudioWaveformRealTimeCommunication, "Audio Waveform Real-Time Communication"},
	{RenditionSelectionDocumentRealTimeCommunication, "Rendition Selection Document Real-Time Communication"},
}

var instances = [...]known{
	{HotIronPalette, "Hot Iron Color Palette SOP Instance"},
	{PETPalette, "PET Color Palette SOP Instance"},
	{HotMetalBluePalette, "Hot Metal Blue Color Palette SOP Instance"},
	{PET20StepPalette, "PET 20 Step Color Palette SOP Instance"},
	{SpringPalette, "Spring Color Palette SOP Instance"},
	{SummerPalette, "Summer Color Palette SOP Instance"},
	{FallPalette, "Fall Color Palette SOP Instance"},
	{WinterPalette, "Winter Color Palette SOP Instance"},
	{StorageCommitmentPushModelInstance, "Storage Commitment Push Model SOP Instance"},
	{StorageCommitmentPullModelInstance, "Storage Commitment Pull Model SOP Instance"},
	{ProceduralEventLoggingInstance, "Procedural Event Logging SOP Instance"},
	{SubstanceAdministrationLoggingInstance, "Substance Administration Logging SOP Instance"},
	{PrinterInstance, "Printer SOP Instance"},
	{PrinterConfigurationRetrievalInstance, "Printer Configuration Retrieval SOP Instance"},
	{PrintQueueInstance, "Print Queue SOP Instance"},
	{DisplaySystemInstance, "Display System SOP Instance"},
	{StorageManagementInstance, "Storage Management SOP Instance"},
	{UPSGlobalSubscriptionInstance, "UPS Global Subscription SOP Instance"},
	{UPSFilteredGlobalSubscriptionInstance, "UPS Filtered Global Subscription SOP Instance"},
}
