package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/genproto/googleapis/api/httpbody"
	"google.golang.org/protobuf/encoding/protojson"
)

const (
	// The one path whose body goes to the service in pieces; the service limits its size.
	uploadPath = "/v1/skills"
	pieceSize  = 256 << 10

	maxJSON = 4 << 20
)

// body is the body of a request, with what a google.api.HttpBody needs to know of it.
type body struct {
	io.ReadCloser
	reply       http.ResponseWriter
	contentType string
	upload      bool
	begun       bool
	tooLarge    bool
	ended       atomic.Bool
	stopped     atomic.Bool
}

func newBody(w http.ResponseWriter, r *http.Request) *body {
	source := r.Body
	upload := r.Method == http.MethodPost && r.URL.Path == uploadPath
	if !upload {
		source = http.MaxBytesReader(w, source, maxJSON)
	}
	return &body{
		ReadCloser: source, reply: w, contentType: r.Header.Get("Content-Type"), upload: upload,
	}
}

func (b *body) Read(buffer []byte) (int, error) {
	n, err := b.ReadCloser.Read(buffer)
	if err != nil {
		b.ended.Store(true)
	}
	var tooLarge *http.MaxBytesError
	b.tooLarge = b.tooLarge || errors.As(err, &tooLarge)
	return n, err
}

// stop ends a read that waits for the rest of the body, if there is a rest.
func (b *body) stop() {
	if !b.ended.Load() {
		b.stopped.Store(true)
		_ = http.NewResponseController(b.reply).SetReadDeadline(time.Unix(1, 0))
	}
}

// decode fills a message with the whole body, or with the next piece of an upload.
func (b *body) decode(message *httpbody.HttpBody) (err error) {
	message.ContentType = b.contentType
	if !b.upload {
		message.Data, err = io.ReadAll(b)
		return err
	}
	// The first message has no data, so that the service can refuse before anything is read.
	if !b.begun {
		b.begun = true
		return nil
	}
	piece := make([]byte, pieceSize)
	n, err := io.ReadFull(b, piece)
	message.Data = piece[:n]
	switch {
	case b.stopped.Load():
		return io.EOF
	case n > 0 && errors.Is(err, io.ErrUnexpectedEOF):
		return nil
	}
	return err
}

// marshaler passes the bodies of google.api.HttpBody on as they are. All else is JSON.
type marshaler struct{ runtime.HTTPBodyMarshaler }

func newMarshaler() *marshaler {
	return &marshaler{runtime.HTTPBodyMarshaler{Marshaler: &runtime.JSONPb{
		MarshalOptions:   protojson.MarshalOptions{UseProtoNames: true},
		UnmarshalOptions: protojson.UnmarshalOptions{DiscardUnknown: true},
	}}}
}

// Marshal writes compact JSON: protojson puts spaces in at random.
func (m *marshaler) Marshal(message any) ([]byte, error) {
	text, err := m.HTTPBodyMarshaler.Marshal(message)
	if _, raw := message.(*httpbody.HttpBody); raw || err != nil {
		return text, err
	}
	var compact bytes.Buffer
	err = json.Compact(&compact, text)
	return compact.Bytes(), err
}

// Delimiter is what stands between the messages of a stream: nothing.
func (m *marshaler) Delimiter() []byte { return nil }

func (m *marshaler) NewDecoder(source io.Reader) runtime.Decoder {
	return runtime.DecoderFunc(func(target any) error {
		switch message := target.(type) {
		case *httpbody.HttpBody:
			return source.(*body).decode(message)
		case **httpbody.HttpBody:
			*message = new(httpbody.HttpBody)
			return source.(*body).decode(*message)
		}
		err := m.HTTPBodyMarshaler.NewDecoder(source).Decode(target)
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("invalid JSON body: %w", err)
		}
		return err
	})
}
