package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	authv1 "github.com/skillbox-dev/skillbox/clients/go/gen/skillbox/auth/v1"
	executorv1 "github.com/skillbox-dev/skillbox/clients/go/gen/skillbox/executor/v1"
	registryv1 "github.com/skillbox-dev/skillbox/clients/go/gen/skillbox/registry/v1"
	"google.golang.org/genproto/googleapis/api/httpbody"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// What the real services do is tested with them, in tests/go. These do what those rarely do.

type executions struct {
	executorv1.UnimplementedExecutionRestServiceServer
	err error
}

func (s executions) GetExecutionRest(
	ctx context.Context, _ *executorv1.GetExecutionRestRequest,
) (*httpbody.HttpBody, error) {
	if s.err == nil {
		grpc.SetTrailer(ctx, metadata.Pairs(
			"x-http-code", "429", "x-rest-error", `{"error":"resource_exhausted"}`, "retry-after", "7",
		))
		return nil, status.Error(codes.ResourceExhausted, "full")
	}
	return nil, s.err
}

func (executions) GetExecutionLogsRest(
	_ *executorv1.GetExecutionLogsRestRequest, stream grpc.ServerStreamingServer[httpbody.HttpBody],
) error {
	stream.Send(&httpbody.HttpBody{ContentType: "text/plain", Data: []byte("begun")})
	return status.Error(codes.Internal, "secret")
}

type readiness struct {
	executorv1.UnimplementedReadinessServiceServer
}

func (readiness) GetReadiness(
	ctx context.Context, _ *executorv1.GetReadinessRequest,
) (*executorv1.GetReadinessResponse, error) {
	grpc.SetHeader(ctx, metadata.Pairs("x-http-code", "503", "x-added", "yes"))
	checks := &executorv1.Checks{Postgres: "timeout", S3: "ok", Sandbox: "<ok>"}
	return &executorv1.GetReadinessResponse{Status: "not_ready", Checks: checks}, nil
}

type skills struct {
	registryv1.UnimplementedSkillRestServiceServer
}

// UploadSkillRest refuses before it has read anything.
func (skills) UploadSkillRest(
	stream grpc.ClientStreamingServer[httpbody.HttpBody, httpbody.HttpBody],
) error {
	stream.SetTrailer(metadata.Pairs("x-http-code", "403", "x-rest-error", `{"error":"forbidden"}`))
	return status.Error(codes.PermissionDenied, "no")
}

// call sends a request through a gateway whose Executor gives err.
func call(t *testing.T, err error, method, path string, body io.Reader) (*http.Response, string, error) {
	t.Helper()
	listener, listenErr := net.Listen("tcp", "127.0.0.1:0")
	if listenErr != nil {
		t.Fatal(listenErr)
	}
	server := grpc.NewServer()
	authv1.RegisterFallbackRestServiceServer(server, authv1.UnimplementedFallbackRestServiceServer{})
	executorv1.RegisterExecutionRestServiceServer(server, executions{err: err})
	executorv1.RegisterReadinessServiceServer(server, readiness{})
	registryv1.RegisterSkillRestServiceServer(server, skills{})
	go server.Serve(listener)
	t.Cleanup(server.Stop)

	address := listener.Addr().String()
	services, connectErr := connect(settings{auth: address, registry: address, executor: address})
	if connectErr != nil {
		t.Fatal(connectErr)
	}
	t.Cleanup(services.close)
	handler, handlerErr := newHandler(services)
	if handlerErr != nil {
		t.Fatal(handlerErr)
	}
	gateway := httptest.NewServer(handler)
	t.Cleanup(gateway.Close)

	request, _ := http.NewRequestWithContext(t.Context(), method, gateway.URL+path, body)
	request.Header.Set("Authorization", "Bearer sk-example-test-key")
	reply, callErr := http.DefaultClient.Do(request)
	if callErr != nil {
		t.Fatal(callErr)
	}
	defer reply.Body.Close()
	text, readErr := io.ReadAll(reply.Body)
	return reply, string(text), readErr
}

func TestErrorsOutsideTheCatalogueHaveAReply(t *testing.T) {
	for code, want := range map[codes.Code]string{
		codes.Canceled:          `503 {"error":"service_unavailable","message":"the service is not available"}`,
		codes.DeadlineExceeded:  `503 {"error":"service_unavailable","message":"the service is not available"}`,
		codes.Unavailable:       `503 {"error":"service_unavailable","message":"the service is not available"}`,
		codes.ResourceExhausted: `429 {"error":"resource_exhausted","message":"too many requests"}`,
		codes.Unimplemented:     `404 {"error":"not_found","message":"no such method and path"}`,
		codes.Internal:          `500 {"error":"internal_error","message":"internal error"}`,
		codes.Unknown:           `500 {"error":"internal_error","message":"internal error"}`,
		codes.DataLoss:          `500 {"error":"internal_error","message":"internal error"}`,
	} {
		reply, text, _ := call(t, status.Error(code, "secret"), "GET", "/v1/executions/x", nil)
		if got := reply.Status[:4] + text; got != want {
			t.Errorf("%s: %s", code, got)
		}
	}
}

func TestARefusalSaysWhenToComeAgain(t *testing.T) {
	reply, text, _ := call(t, nil, "GET", "/v1/executions/x", nil)
	if reply.StatusCode != 429 || reply.Header.Get("Retry-After") != "7" ||
		text != `{"error":"resource_exhausted"}` {
		t.Error(reply.Status, reply.Header, text)
	}
}

func TestAnUploadIsRefusedBeforeItHasEnded(t *testing.T) {
	body, _ := io.Pipe()
	reply, text, _ := call(t, nil, "POST", "/v1/skills", body)
	if reply.StatusCode != 403 || text != `{"error":"forbidden"}` {
		t.Error(reply.Status, text)
	}
}

func TestAReplyThatBreaksOffDoesNotLookComplete(t *testing.T) {
	reply, text, err := call(t, nil, "GET", "/v1/executions/x/logs", nil)
	if reply.StatusCode != 200 || text != "begun" || err == nil {
		t.Error(reply.Status, text, err)
	}
}

func TestAServiceChoosesTheStatus(t *testing.T) {
	reply, text, _ := call(t, nil, "GET", "/ready", nil)
	want := `{"status":"not_ready","checks":{"postgres":"timeout","s3":"ok","sandbox":"<ok>"}}`
	if reply.StatusCode != 503 || text != want || reply.Header.Get("X-Added") != "yes" {
		t.Error(reply.Status, reply.Header, text)
	}
	for name := range reply.Header {
		if strings.HasPrefix(name, "Grpc-") || name == "X-Http-Code" {
			t.Errorf("%s: %s", name, reply.Header.Get(name))
		}
	}
}
