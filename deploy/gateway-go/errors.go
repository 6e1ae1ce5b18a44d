package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	authv1 "github.com/skillbox-dev/skillbox/clients/go/gen/skillbox/auth/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// refusals says no to callers, and first of all to those without a valid key.
type refusals struct {
	fallback authv1.FallbackRestServiceClient
}

// handleError replies with what the service says, or else by the code of gRPC: the service was
// not reached, went away, or the gateway itself refused the call.
func (s refusals) handleError(
	_ context.Context, mux *runtime.ServeMux, _ runtime.Marshaler,
	w http.ResponseWriter, r *http.Request, err error,
) {
	var refusal *failure
	if !errors.As(err, &refusal) && needsKey(r) {
		// No service has seen this call yet, and none its key.
		if answer := s.ask(mux, r); status.Code(answer) != codes.NotFound {
			err = answer
		}
	}
	if errors.As(err, &refusal) && writeRefusal(w, refusal) {
		return
	}
	if sent, ok := r.Body.(*body); ok && sent.tooLarge {
		writeError(w, http.StatusRequestEntityTooLarge, "too_large", "the request body is too large")
		return
	}
	switch known := status.Convert(err); known.Code() {
	case codes.InvalidArgument:
		writeError(w, http.StatusBadRequest, "bad_request", known.Message())
	case codes.ResourceExhausted:
		writeError(w, http.StatusTooManyRequests, "resource_exhausted", "too many requests")
	case codes.Unimplemented:
		writeNotFound(w)
	case codes.Canceled, codes.DeadlineExceeded, codes.Unavailable:
		writeError(w, http.StatusServiceUnavailable, "service_unavailable", "the service is not available")
	default:
		writeError(w, http.StatusInternalServerError, "internal_error", "internal error")
	}
}

func (s refusals) handleNoRoute(
	ctx context.Context, mux *runtime.ServeMux, marshaler runtime.Marshaler,
	w http.ResponseWriter, r *http.Request, _ int,
) {
	if !needsKey(r) {
		writeNotFound(w)
		return
	}
	s.handleError(ctx, mux, marshaler, w, r, s.ask(mux, r))
}

// ask returns what Auth says of a path that nothing is bound to: NOT_FOUND when the key is valid.
func (s refusals) ask(mux *runtime.ServeMux, r *http.Request) error {
	method := authv1.FallbackRestService_UnknownPathRest_FullMethodName
	ctx, err := runtime.AnnotateContext(withInbound(r.Context(), inbound{}), mux, r, method)
	if err != nil {
		return err
	}
	_, err = s.fallback.UnknownPathRest(ctx, &authv1.UnknownPathRestRequest{})
	return err
}

// writeRefusal writes the REST reply that a service put into its trailers, if it did.
func writeRefusal(w http.ResponseWriter, refusal *failure) bool {
	text, codes := refusal.trailer.Get("x-rest-error"), refusal.trailer.Get("x-http-code")
	if len(text) == 0 || len(codes) == 0 {
		return false
	}
	code, err := strconv.Atoi(codes[0])
	if err != nil {
		return false
	}
	for _, seconds := range refusal.trailer.Get("retry-after") {
		w.Header().Set("Retry-After", seconds)
	}
	writeJSON(w, code, text[0])
	return true
}

func writeNotFound(w http.ResponseWriter) {
	writeError(w, http.StatusNotFound, "not_found", "no such method and path")
}

func writeError(w http.ResponseWriter, code int, word, message string) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(struct {
		Error   string `json:"error"`
		Message string `json:"message"`
	}{word, message})
	writeJSON(w, code, string(bytes.TrimSpace(text.Bytes())))
}

func writeJSON(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	io.WriteString(w, text)
}
