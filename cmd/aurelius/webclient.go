package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/aurelius-imaging/aurelius/archive"
	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/dicomjson"
	"github.com/aurelius-imaging/aurelius/dicom/query"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/internal/httpd"
	"github.com/aurelius-imaging/aurelius/storage"
)

// webClient stores and finds through the DICOMweb door of a server. It is safe for concurrent
// use; each object is a request of its own, streamed, on one of a few kept connections.
type webClient struct {
	root string // of DICOMweb
	http *http.Client
}

// A server that is silent for this long is taken to be gone.
const webSilence = 2 * time.Minute

// dialWeb checks that a server answers at the address.
func dialWeb(ctx context.Context, address string) (*webClient, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("%q: want http://HOST:PORT", address)
	}
	w := &webClient{root: strings.TrimSuffix(address, "/") + "/dicom-web", http: &http.Client{Transport: &http.Transport{
		DialContext:           (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		TLSHandshakeTimeout:   5 * time.Second,
		ResponseHeaderTimeout: webSilence,
		MaxIdleConnsPerHost:   64,
	}}}
	_, err = w.get(ctx, "/studies?limit=1")
	return w, err
}

func (w *webClient) name() string { return w.root }

func (w *webClient) close() error {
	w.http.CloseIdleConnections()
	return nil
}

// Store implements ingest.Storer by STOW-RS (PS3.18 10.5). A server does not tell a new object
// from one it has.
func (w *webClient) Store(ctx context.Context, _ storage.TenantID, in archive.Incoming) (archive.Stored, error) {
	const op = "import.Store"
	boundary := httpd.Boundary()
	body := io.MultiReader(strings.NewReader("--"+boundary+"\r\nContent-Type: application/dicom\r\n\r\n"),
		in.Data, strings.NewReader("\r\n--"+boundary+"--\r\n"))
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.root+"/studies", body)
	if err != nil {
		return archive.Stored{}, errs.E(errs.Internal, op, err)
	}
	request.Header.Set("Content-Type", `multipart/related; type="application/dicom"; boundary=`+boundary)
	request.Header.Set("Accept", "application/dicom+json")
	response, err := w.http.Do(request)
	if err != nil {
		return archive.Stored{}, unreached(ctx, op, err)
	}
	b, err := readAnswer(response)
	if err != nil {
		return archive.Stored{}, unreached(ctx, op, err)
	}
	answer, err := dicomjson.Unmarshal(b)
	if err != nil { // a problem of the request, in another media type
		return archive.Stored{}, refusal(op, response.StatusCode)
	}
	d := answer.Dataset
	for _, item := range append(d.Items(tag.FailedSOPSequence), d.Items(tag.OtherFailuresSequence)...) {
		var s archive.Stored
		s.SOPInstanceUID, s.SOPClassUID = item.UID(tag.ReferencedSOPInstanceUID), item.UID(tag.ReferencedSOPClassUID)
		code, _ := item.Int(tag.FailureReason)
		return s, errs.Errorf(failureKind(code, response.StatusCode), op, "the server answered %d, failure reason %04X", response.StatusCode, code)
	}
	if response.StatusCode != http.StatusOK {
		return archive.Stored{}, refusal(op, response.StatusCode)
	}
	return archive.Stored{}, nil
}

// failureKind reads a Failure Reason (PS3.18 Table I.2-2).
func failureKind(reason int64, status int) errs.Kind {
	switch {
	case reason == 0x0111:
		return errs.Conflict
	case reason == 0x0122:
		return errs.Unsupported
	case reason == 0x0124:
		return errs.Forbidden
	case reason&0xFF00 == 0xA900:
		return errs.Mismatch
	case reason&0xF000 == 0xC000:
		return errs.Invalid
	}
	return statusKind(status)
}

func statusKind(status int) errs.Kind {
	switch status {
	case http.StatusInsufficientStorage:
		return errs.Exhausted
	case http.StatusServiceUnavailable, http.StatusBadGateway, http.StatusGatewayTimeout, http.StatusTooManyRequests, http.StatusRequestTimeout:
		return errs.Unavailable
	case http.StatusUnauthorized:
		return errs.Unauthenticated
	case http.StatusForbidden:
		return errs.Forbidden
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge:
		return errs.Invalid
	}
	return errs.Internal
}

func refusal(op string, status int) error {
	return errs.Errorf(statusKind(status), op, "the server answered %d", status)
}

// unreached says why there was no answer. An error of what was sent is kept.
func unreached(ctx context.Context, op string, err error) error {
	if known := (*errs.Error)(nil); errors.As(err, &known) {
		return err
	}
	if ctx.Err() != nil {
		return errs.E(errs.Canceled, op, err)
	}
	return &errs.Error{Kind: errs.Unavailable, Op: op, Msg: "the server does not answer", Err: err}
}

// maxAnswer bounds an answer of the server.
const maxAnswer = 16 << 20

func readAnswer(response *http.Response) ([]byte, error) {
	defer response.Body.Close()
	return io.ReadAll(io.LimitReader(response.Body, maxAnswer))
}

// get fetches a resource below the root.
func (w *webClient) get(ctx context.Context, resource string) ([]byte, error) {
	const op = "import.Find"
	ctx, cancel := context.WithTimeout(ctx, webSilence)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, w.root+resource, nil)
	if err != nil {
		return nil, errs.E(errs.Internal, op, err)
	}
	request.Header.Set("Accept", "application/dicom+json")
	response, err := w.http.Do(request)
	if err != nil {
		return nil, unreached(ctx, op, err)
	}
	b, err := readAnswer(response)
	if err != nil {
		return nil, unreached(ctx, op, err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, refusal(op, response.StatusCode)
	}
	return b, nil
}

// Find implements ingest.Finder by QIDO-RS, page by page.
func (w *webClient) Find(ctx context.Context, _ storage.TenantID, q *query.Query) iter.Seq2[*dicom.Dataset, error] {
	const page = 200
	level := map[query.Level]string{query.Patient: "/patients", query.Study: "/studies", query.Series: "/series", query.Instance: "/instances"}[q.Level]
	params := url.Values{"limit": {strconv.Itoa(page)}}
	for _, k := range q.Keys {
		params.Set(k.Path[0].Keyword(), k.Values[0])
	}
	for _, t := range q.Return {
		params.Add("includefield", t.Keyword())
	}
	return func(yield func(*dicom.Dataset, error) bool) {
		for offset := 0; ; offset += page {
			params.Set("offset", strconv.Itoa(offset))
			b, err := w.get(ctx, level+"?"+params.Encode())
			if err != nil {
				yield(nil, err)
				return
			}
			matches, err := dicomjson.UnmarshalAll(b)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, m := range matches {
				if !yield(m.Dataset, nil) {
					return
				}
			}
			if len(matches) < page {
				return
			}
		}
	}
}
