package gateway

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/aurelius-imaging/aurelius/dicom/uid"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

// discardedStudy is what was deleted of a study and can be brought back.
type discardedStudy struct {
	StudyInstanceUID string    `json:"study_instance_uid"`
	Instances        int       `json:"instances"`
	Deleted          time.Time `json:"deleted"` // the latest of them
	Until            time.Time `json:"until"`   // the first of them will be gone
}

// maxDiscarded bounds the instances one answer of GET /trash is made of.
const maxDiscarded = 10_000

// listTrash answers GET /trash: the studies of which something was deleted, latest first.
func (a *API) listTrash(c *gin.Context) {
	ds, err := a.archive.Discarded(c.Request.Context(), a.tenant, index.Ref{StudyInstanceUID: c.Query("study")}, maxDiscarded)
	if err != nil {
		a.fail(c, err)
		return
	}
	page := struct {
		Studies []*discardedStudy `json:"studies"`
		Partial bool              `json:"partial,omitempty"` // there is more
	}{Studies: []*discardedStudy{}, Partial: len(ds) == maxDiscarded}
	byUID := make(map[string]*discardedStudy)
	for _, d := range ds {
		s := byUID[d.StudyInstanceUID]
		if s == nil {
			s = &discardedStudy{StudyInstanceUID: d.StudyInstanceUID, Deleted: d.At.UTC(), Until: d.Until.UTC()}
			byUID[d.StudyInstanceUID] = s
			page.Studies = append(page.Studies, s)
		}
		s.Instances++
		if d.Until.Before(s.Until) {
			s.Until = d.Until.UTC()
		}
	}
	answer(c, http.StatusOK, page)
}

// studyParam reads the study of the path; false: the request was answered.
func (a *API) studyParam(c *gin.Context) (index.Ref, bool) {
	study := c.Param("study")
	if !uid.Safe(study) {
		a.fail(c, errs.Errorf(errs.Invalid, "gateway", "not a Study Instance UID"))
		return index.Ref{}, false
	}
	return index.Ref{StudyInstanceUID: study}, true
}

// restoreTrash answers POST /trash/{study}/restore with how many instances came back.
func (a *API) restoreTrash(c *gin.Context) {
	r, ok := a.studyParam(c)
	if !ok {
		return
	}
	n, err := a.archive.Undelete(c.Request.Context(), a.tenant, r)
	if err != nil {
		a.fail(c, err)
		return
	}
	answer(c, http.StatusOK, gin.H{"restored": n})
}

// purgeTrash answers DELETE /trash/{study}: what was deleted of the study is gone for good; what
// can be found of it stays.
func (a *API) purgeTrash(c *gin.Context) {
	r, ok := a.studyParam(c)
	if !ok {
		return
	}
	if err := a.archive.PurgeTrash(c.Request.Context(), a.tenant, r); err != nil {
		a.fail(c, err)
		return
	}
	c.Status(http.StatusNoContent)
}
