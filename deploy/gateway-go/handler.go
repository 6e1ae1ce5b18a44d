package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	authv1 "github.com/skillbox-dev/skillbox/clients/go/gen/skillbox/auth/v1"
	executorv1 "github.com/skillbox-dev/skillbox/clients/go/gen/skillbox/executor/v1"
	registryv1 "github.com/skillbox-dev/skillbox/clients/go/gen/skillbox/registry/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// newHandler returns the REST API.
func newHandler(services *services) (http.Handler, error) {
	no := refusals{authv1.NewFallbackRestServiceClient(services.auth)}
	mux := runtime.NewServeMux(
		runtime.WithMarshalerOption(runtime.MIMEWildcard, newMarshaler()),
		runtime.WithIncomingHeaderMatcher(passIn),
		runtime.WithOutgoingHeaderMatcher(passOut),
		runtime.WithOutgoingTrailerMatcher(func(string) (string, bool) { return "", false }),
		runtime.WithMetadata(markTranscoded),
		runtime.WithForwardResponseOption(setStatus),
		runtime.WithErrorHandler(no.handleError),
		runtime.WithRoutingErrorHandler(no.handleNoRoute),
		runtime.WithStreamErrorHandler(cutOff),
		runtime.WithUnescapingMode(runtime.UnescapingModeAllExceptReserved),
		// A method is what the caller says it is.
		runtime.WithDisablePathLengthFallback(),
		runtime.WithDisableHTTPMethodOverride(),
	)
	for _, service := range []struct {
		conn     *grpc.ClientConn
		register func(context.Context, *runtime.ServeMux, *grpc.ClientConn) error
	}{
		{services.auth, authv1.RegisterApiKeyServiceHandler},
		{services.registry, registryv1.RegisterSkillServiceHandler},
		{services.registry, registryv1.RegisterSkillRestServiceHandler},
		{services.executor, executorv1.RegisterExecutionRestServiceHandler},
		{services.executor, executorv1.RegisterReadinessServiceHandler},
	} {
		if err := service.register(context.Background(), mux, service.conn); err != nil {
			return nil, err
		}
	}
	return edge(mux), mux.HandlePath(http.MethodGet, "/health", health)
}

// edge does for every request what does not depend on its route.
func edge(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Request-Id") == "" {
			r.Header.Set("X-Request-Id", newUUID())
		}
		w.Header().Set("X-Request-Id", r.Header.Get("X-Request-Id"))
		// How long a call may take is not the caller's to say; one may leave.
		r.Header.Del("Grpc-Timeout")
		if needsKey(r) {
			if problem := authorizationProblem(r.Header); problem != "" {
				writeError(w, http.StatusUnauthorized, "unauthorized", problem)
				return
			}
		}
		body := newBody(w, r)
		r = r.WithContext(withInbound(r.Context(), inbound{r.URL.Query(), body}))
		r.Body = body
		next.ServeHTTP(w, r)
	})
}

func needsKey(r *http.Request) bool {
	return r.URL.Path == "/v1" || strings.HasPrefix(r.URL.Path, "/v1/")
}

// authorizationProblem says what is wrong with the form of the header; the services check the
// token.
func authorizationProblem(header http.Header) string {
	if len(header.Values("Authorization")) == 0 {
		return "missing Authorization header"
	}
	scheme, token, found := strings.Cut(header.Get("Authorization"), " ")
	if !found || !strings.EqualFold(scheme, "bearer") {
		return "Authorization header must use Bearer scheme"
	}
	if strings.TrimSpace(token) == "" {
		return "empty bearer token"
	}
	return ""
}

func newUUID() string {
	var id [16]byte
	rand.Read(id[:])
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}

func health(w http.ResponseWriter, _ *http.Request, _ map[string]string) {
	w.Header().Set("Content-Type", "application/json")
	io.WriteString(w, `{"status":"ok"}`)
}

// passIn lets through what the services read, beside Authorization. Nothing else of a caller's
// becomes metadata, so that nobody can pretend to be the gateway.
func passIn(header string) (string, bool) {
	switch name := strings.ToLower(textproto.CanonicalMIMEHeaderKey(header)); name {
	case "x-tenant-id", "x-request-id", "last-event-id", "idempotency-key", "prefer",
		"traceparent", "tracestate", "baggage":
		return name, true
	}
	return "", false
}

// passOut lets through what the services add to a reply, but for what is meant for the gateway.
func passOut(name string) (string, bool) {
	internal := name == "content-type" || name == "x-http-code" || strings.HasPrefix(name, "grpc-")
	return name, !internal
}

// markTranscoded makes the services answer for REST. They know the header from Envoy.
func markTranscoded(_ context.Context, r *http.Request) metadata.MD {
	return metadata.Pairs("x-envoy-original-method", r.Method)
}

// setStatus sends another status than 200 when the service asks for it.
func setStatus(ctx context.Context, w http.ResponseWriter, _ proto.Message) error {
	md, _ := runtime.ServerMetadataFromContext(ctx)
	for _, text := range md.HeaderMD.Get("x-http-code") {
		code, err := strconv.Atoi(text)
		if err != nil {
			return err
		}
		if code == http.StatusNoContent {
			w.Header().Del("Content-Type")
		}
		w.WriteHeader(code)
	}
	return nil
}

// cutOff ends a reply that has begun and cannot be finished, so that it does not look complete.
func cutOff(context.Context, error) *status.Status { panic(http.ErrAbortHandler) }
