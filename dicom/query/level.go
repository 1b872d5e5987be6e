package query

import (
	"github.com/aurelius-imaging/aurelius/dicom/tag"
)

// String returns the word of Query/Retrieve Level (0008,0052).
func (l Level) String() string {
	switch l {
	case Patient:
		return "PATIENT"
	case Study:
		return "STUDY"
	case Series:
		return "SERIES"
	}
	return "IMAGE"
}

// LevelOf tells at which level of the information model an attribute stands: by the modules of
// PS3.3 that belong to the patient (C.7.1), the study (C.7.2) and the series with its equipment
// and frame of reference (C.7.3 - C.7.5). Everything else is the instance's, private attributes
// too.
func LevelOf(t tag.Tag) Level {
	if l, ok := levels[t]; ok {
		return l
	}
	return Instance
}

// levels is the table behind LevelOf. It is written by hand from the modules, because which of
// several levels an attribute belongs to is a decision PS3.3 leaves to the information model.
var levels = func() map[tag.Tag]Level {
	m := make(map[tag.Tag]Level, 256)
	for _, t := range patientAttributes {
		m[t] = Patient
	}
	for _, t := range studyAttributes {
		m[t] = Study
	}
	for _, t := range seriesAttributes {
		m[t] = Series
	}
	return m
}()

// Patient, Clinical Trial Subject (C.7.1.1, C.7.1.3) and the counts of PS3.4 C.3.4.
var patientAttributes = []tag.Tag{
	tag.PatientName, tag.PatientID, tag.IssuerOfPatientID, tag.TypeOfPatientID,
	tag.IssuerOfPatientIDQualifiersSequence, tag.PatientBirthDate, tag.PatientBirthTime,
	tag.PatientBirthDateInAlternativeCalendar, tag.PatientDeathDateInAlternativeCalendar,
	tag.PatientAlternativeCalendar, tag.PatientSex, tag.QualityControlSubject,
	tag.OtherPatientIDs, tag.OtherPatientIDsSequence, tag.OtherPatientNames, tag.PatientBirthName,
	tag.PatientMotherBirthName, tag.PatientAddress, tag.PatientTelephoneNumbers,
	tag.EthnicGroup, tag.PatientComments, tag.PatientSpeciesDescription,
	tag.PatientSpeciesCodeSequence, tag.PatientBreedDescription, tag.PatientBreedCodeSequence,
	tag.BreedRegistrationSequence, tag.StrainDescription, tag.StrainNomenclature,
	tag.StrainCodeSequence, tag.ResponsiblePerson, tag.ResponsiblePersonRole,
	tag.ResponsibleOrganization, tag.PatientIdentityRemoved, tag.DeidentificationMethod,
	tag.DeidentificationMethodCodeSequence, tag.SourcePatientGroupIdentificationSequence,
	tag.GroupOfPatientsIdentificationSequence, tag.ReferencedPatientSequence,
	tag.ReferencedPatientPhotoSequence, tag.PatientReligiousPreference, tag.MilitaryRank,
	tag.BranchOfService, tag.CountryOfResidence, tag.RegionOfResidence, tag.MedicalRecordLocator,
	tag.PatientPrimaryLanguageCodeSequence, tag.PatientInsurancePlanCodeSequence,
	tag.ClinicalTrialSponsorName, tag.ClinicalTrialProtocolID, tag.ClinicalTrialProtocolName,
	tag.ClinicalTrialSiteID, tag.ClinicalTrialSiteName, tag.ClinicalTrialSubjectID,
	tag.ClinicalTrialSubjectReadingID, tag.ClinicalTrialProtocolEthicsCommitteeName,
	tag.ClinicalTrialProtocolEthicsCommitteeApprovalNumber,
	tag.NumberOfPatientRelatedStudies, tag.NumberOfPatientRelatedSeries,
	tag.NumberOfPatientRelatedInstances,
}

// General Study, Patient Study, Clinical Trial Study (C.7.2.1 - C.7.2.3).
var studyAttributes = []tag.Tag{
	tag.StudyInstanceUID, tag.StudyDate, tag.StudyTime, tag.StudyID, tag.AccessionNumber,
	tag.IssuerOfAccessionNumberSequence, tag.ReferringPhysicianName,
	tag.ReferringPhysicianIdentificationSequence, tag.ConsultingPhysicianName,
	tag.ConsultingPhysicianIdentificationSequence, tag.StudyDescription, tag.PhysiciansOfRecord,
	tag.PhysiciansOfRecordIdentificationSequence, tag.NameOfPhysiciansReadingStudy,
	tag.PhysiciansReadingStudyIdentificationSequence, tag.RequestingService,
	tag.RequestingServiceCodeSequence, tag.ReferencedStudySequence, tag.ProcedureCodeSequence,
	tag.ReasonForPerformedProcedureCodeSequence, tag.RequestingPhysician,
	tag.AdmittingDiagnosesDescription, tag.AdmittingDiagnosesCodeSequence, tag.PatientAge,
	tag.PatientSize, tag.PatientWeight, tag.PatientBodyMassIndex, tag.MeasuredAPDimension,
	tag.MeasuredLateralDimension, tag.PatientSizeCodeSequence, tag.MedicalAlerts, tag.Allergies,
	tag.SmokingStatus, tag.PregnancyStatus, tag.LastMenstrualDate, tag.PatientState,
	tag.Occupation, tag.AdditionalPatientHistory, tag.AdmissionID,
	tag.IssuerOfAdmissionIDSequence, tag.ServiceEpisodeID,
	tag.IssuerOfServiceEpisodeIDSequence, tag.ServiceEpisodeDescription,
	tag.PatientSexNeutered, tag.ReasonForVisit, tag.ReasonForVisitCodeSequence,
	tag.InstitutionalDepartmentTypeCodeSequence, tag.StudyVerifiedDate, tag.StudyVerifiedTime,
	tag.StudyReadDate, tag.StudyReadTime, tag.StudyStatusID, tag.StudyPriorityID, tag.StudyComments,
	tag.ClinicalTrialTimePointID, tag.ClinicalTrialTimePointDescription,
	tag.ConsentForClinicalTrialUseSequence,
	tag.ModalitiesInStudy, tag.SOPClassesInStudy, tag.AnatomicRegionsInStudyCodeSequence,
	tag.NumberOfStudyRelatedSeries, tag.NumberOfStudyRelatedInstances,
}

// General Series, Clinical Trial Series, Frame of Reference, General Equipment and the parts of
// modality specific series modules that lie outside of images (C.7.3 - C.7.5).
var seriesAttributes = []tag.Tag{
	tag.SeriesInstanceUID, tag.SeriesNumber, tag.Modality, tag.Laterality, tag.SeriesDate,
	tag.SeriesTime, tag.SeriesDescription, tag.SeriesDescriptionCodeSequence,
	tag.PerformingPhysicianName, tag.PerformingPhysicianIdentificationSequence, tag.OperatorsName,
	tag.OperatorIdentificationSequence, tag.ProtocolName, tag.BodyPartExamined,
	tag.PatientPosition, tag.ReferencedPerformedProcedureStepSequence,
	tag.RelatedSeriesSequence, tag.AnatomicalOrientationType, tag.RequestAttributesSequence,
	tag.PerformedProcedureStepID, tag.PerformedProcedureStepStartDate,
	tag.PerformedProcedureStepStartTime, tag.PerformedProcedureStepEndDate,
	tag.PerformedProcedureStepEndTime, tag.PerformedProcedureStepDescription,
	tag.PerformedProtocolCodeSequence, tag.CommentsOnThePerformedProcedureStep,
	tag.TreatmentSessionUID, tag.ClinicalTrialCoordinatingCenterName, tag.ClinicalTrialSeriesID,
	tag.ClinicalTrialSeriesDescription, tag.FrameOfReferenceUID, tag.PositionReferenceIndicator,
	tag.SynchronizationFrameOfReferenceUID, tag.Manufacturer, tag.InstitutionName,
	tag.InstitutionAddress, tag.StationName, tag.InstitutionalDepartmentName,
	tag.InstitutionCodeSequence, tag.ManufacturerModelName, tag.ManufacturerDeviceClassUID,
	tag.DeviceSerialNumber, tag.SoftwareVersions, tag.GantryID, tag.DeviceUID, tag.UDISequence,
	tag.SpatialResolution, tag.DateOfLastCalibration, tag.TimeOfLastCalibration,
	tag.NumberOfSeriesRelatedInstances,
}
