package gateway_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/aurelius-imaging/aurelius/archive"
	"github.com/aurelius-imaging/aurelius/archive/archivetest"
	"github.com/aurelius-imaging/aurelius/gateway"
	"github.com/aurelius-imaging/aurelius/internal/testkit"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

func TestTrash(t *testing.T) {
	t.Parallel()
	a := archivetest.NewWith(t, archive.Config{Trash: time.Hour})
	r := gin.New()
	gateway.New(gateway.Config{Archive: a}).Register(r)
	ask := func(method, path string, code int, v any) {
		t.Helper()
		w := httptest.NewRecorder()
		r.ServeHTTP(w, httptest.NewRequest(method, path, nil))
		if w.Code != code {
			t.Errorf("%s %s: %d, want %d: %s", method, path, w.Code, code, w.Body)
		}
		if v != nil {
			if err := json.Unmarshal(w.Body.Bytes(), v); err != nil {
				t.Errorf("%s %s: %v", method, path, err)
			}
		}
	}
	b, err := os.ReadFile(testkit.Testdata("first", "1.dcm"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := a.Store(t.Context(), storage.DefaultTenant, archive.Incoming{Data: bytes.NewReader(b)})
	if err != nil {
		t.Fatal(err)
	}
	study := index.Ref{StudyInstanceUID: s.StudyInstanceUID}
	discard := func() {
		t.Helper()
		if err := a.Delete(t.Context(), storage.DefaultTenant, study); err != nil {
			t.Fatal(err)
		}
	}
	type trash struct {
		Studies []struct {
			StudyInstanceUID string `json:"study_instance_uid"`
			Instances        int
			Deleted, Until   time.Time
		}
	}
	var empty, full trash
	ask(http.MethodGet, "/trash", http.StatusOK, &empty)
	if empty.Studies == nil || len(empty.Studies) != 0 {
		t.Errorf("empty: %+v", empty)
	}
	discard()
	ask(http.MethodGet, "/trash", http.StatusOK, &full)
	if len(full.Studies) != 1 || full.Studies[0].StudyInstanceUID != s.StudyInstanceUID || full.Studies[0].Instances != 1 ||
		full.Studies[0].Until.Sub(full.Studies[0].Deleted) < 50*time.Minute {
		t.Errorf("full: %+v", full)
	}
	path := "/trash/" + s.StudyInstanceUID
	var restored struct{ Restored int }
	ask(http.MethodPost, path+"/restore", http.StatusOK, &restored)
	if _, err := a.Select(t.Context(), storage.DefaultTenant, study); err != nil || restored.Restored != 1 {
		t.Errorf("restored %d: %v", restored.Restored, err)
	}
	ask(http.MethodPost, path+"/restore", http.StatusNotFound, nil)
	ask(http.MethodDelete, path, http.StatusNotFound, nil)
	discard()
	ask(http.MethodDelete, path, http.StatusNoContent, nil)
	ask(http.MethodPost, path+"/restore", http.StatusNotFound, nil)
	ask(http.MethodPost, "/trash/x!/restore", http.StatusBadRequest, nil)
}
