package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

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
	contentType string
	upload      bool
	begun       bool
	tooLarge    bool
}

func newBody(w http.ResponseWriter, r *http.Request) *body {
	source := r.Body
	upload := r.Method == http.MethodPost && r.URL.Path == uploadPath
	if !upload {
		source = http.MaxBytesReader(w, source, maxJSON)
	}
	return &body{ReadCloser: source, contentType: r.Header.Get("Content-Type"), upload: upload}
}

func (b *body) Read(buffer []byte) (int, error) {
	n, err := b.ReadCloser.Read(buffer)
	var tooLarge *http.MaxBytesError
	b.tooLarge = b.tooLarge || errors.As(err, &tooLarge)
	return n, err
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
	if errors.Is(err, io.ErrUnexpectedEOF) && n > 0 {
		err = nil
	}
	message.Data = piece[:n]
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
