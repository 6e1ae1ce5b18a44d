package skillbox

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// script answers one call after the other and remembers what came.
type script struct {
	answers []http.HandlerFunc
	headers []http.Header
	queries []string
	bodies  []string
}

func (s *script) handle(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.headers = append(s.headers, r.Header)
	s.queries = append(s.queries, r.URL.RawQuery)
	s.bodies = append(s.bodies, string(body))
	s.answers[min(len(s.headers), len(s.answers))-1](w, r)
}

func (s *script) keys() []string {
	var keys []string
	for _, header := range s.headers {
		keys = append(keys, header.Get("Idempotency-Key"))
	}
	return keys
}

func busy(status int, retryAfter string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if retryAfter != "" {
			w.Header().Set("Retry-After", retryAfter)
		}
		w.WriteHeader(status)
		io.WriteString(w, `{"error":"resource_exhausted","message":"full"}`)
	}
}

func TestStartAndWait(t *testing.T) {
	s := &script{answers: []http.HandlerFunc{
		reply(202, `{"execution_id":"id","status":"queued"}`),
		reply(200, `{"execution_id":"id","status":"queued"}`),
		reply(200, `{"execution_id":"id","status":"running"}`),
		reply(200, `{"execution_id":"id","status":"failed","error":"boom"}`),
	}}
	client := serve(t, s.handle)
	started, err := client.Start(t.Context(), RunRequest{Skill: "s", IdempotencyKey: "order 7"})
	if err != nil || started.Status != "queued" {
		t.Fatal(started, err)
	}
	ended, err := client.Wait(t.Context(), started.ExecutionID)
	if err != nil || ended.Status != "failed" || ended.Error != "boom" {
		t.Error(ended, err)
	}
	if header := s.headers[0]; header.Get("Prefer") != "respond-async" ||
		header.Get("Idempotency-Key") != "order 7" {
		t.Error(header)
	}
	if want := []string{"", "wait=30s", "wait=30s", "wait=30s"}; !slices.Equal(s.queries, want) {
		t.Error(s.queries)
	}
}

func TestWaitFitsTheTimeLimitOfTheHTTPClient(t *testing.T) {
	s := &script{answers: []http.HandlerFunc{reply(200, `{"status":"success"}`)}}
	client := serve(t, s.handle, WithHTTPClient(&http.Client{Timeout: 5 * time.Second}))
	if _, err := client.Wait(t.Context(), "id"); err != nil || s.queries[0] != "wait=2.5s" {
		t.Error(s.queries, err)
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	s := &script{answers: []http.HandlerFunc{reply(200, `{"status":"running"}`)}}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := serve(t, s.handle).Wait(ctx, "id"); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

func TestBusyServersAreAskedAgain(t *testing.T) {
	for name, refusal := range map[string]http.HandlerFunc{
		"full": busy(429, "0"), "down": busy(503, ""), "unreadable": busy(429, "-1"),
	} {
		t.Run(name, func(t *testing.T) {
			s := &script{answers: []http.HandlerFunc{refusal, reply(200, `{"status":"success"}`)}}
			result, err := serve(t, s.handle).Start(t.Context(), RunRequest{Skill: "s"})
			if err != nil || result.Status != "success" {
				t.Fatal(result, err)
			}
			if keys := s.keys(); keys[0] == "" || len(slices.Compact(keys)) != 1 {
				t.Error(keys)
			}
			if s.bodies[0] != s.bodies[1] || !strings.Contains(s.bodies[0], `"skill":"s"`) {
				t.Error(s.bodies)
			}
		})
	}
}

func TestARunThatMayHaveBegunIsNotRepeated(t *testing.T) {
	for name, test := range map[string]struct {
		refusal http.HandlerFunc
		key     string
		calls   int
	}{
		"not begun":    {busy(503, "0"), "", 2},
		"who knows":    {busy(503, ""), "", 1},
		"with its key": {busy(503, ""), "order 7", 2},
	} {
		t.Run(name, func(t *testing.T) {
			s := &script{answers: []http.HandlerFunc{test.refusal, reply(200, `{}`)}}
			run := RunRequest{Skill: "s", IdempotencyKey: test.key}
			_, err := serve(t, s.handle).Run(t.Context(), run)
			if len(s.headers) != test.calls || (err == nil) != (test.calls == 2) {
				t.Error(len(s.headers), err)
			}
			if s.keys()[0] != test.key {
				t.Error(s.keys())
			}
		})
	}
}

func TestUploadsAreRepeatedWhole(t *testing.T) {
	archive := filepath.Join(t.TempDir(), "a.zip")
	content := strings.Repeat("content", 100_000)
	if err := os.WriteFile(archive, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &script{answers: []http.HandlerFunc{busy(503, "0"), reply(201, `{}`)}}
	if err := serve(t, s.handle).RegisterSkill(t.Context(), archive); err != nil {
		t.Fatal(err)
	}
	if len(s.bodies) != 2 || s.bodies[0] != s.bodies[1] || !strings.Contains(s.bodies[1], content) {
		t.Error(len(s.bodies))
	}
}

func TestRepeatingHasAnEnd(t *testing.T) {
	for name, test := range map[string]struct {
		refusal http.HandlerFunc
		calls   int
		opts    []Option
	}{
		"twice":    {busy(429, "0"), 3, nil},
		"never":    {busy(429, "0"), 1, []Option{WithMaxRetries(0)}},
		"too long": {busy(429, "31"), 1, nil},
		"a fault":  {busy(500, "0"), 1, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := &script{answers: []http.HandlerFunc{test.refusal}}
			_, err := serve(t, s.handle, test.opts...).Run(t.Context(), RunRequest{Skill: "s"})
			var refusal *APIError
			if !errors.As(err, &refusal) || len(s.headers) != test.calls {
				t.Error(len(s.headers), err)
			}
		})
	}
}

func TestEachCallHasAKeyOfItsOwn(t *testing.T) {
	s := &script{answers: []http.HandlerFunc{reply(200, `{}`)}}
	client := serve(t, s.handle)
	for range 2 {
		if _, err := client.Start(t.Context(), RunRequest{Skill: "s"}); err != nil {
			t.Fatal(err)
		}
	}
	if keys := s.keys(); keys[0] == keys[1] || len(keys[0]) > 255 {
		t.Error(keys)
	}
}
