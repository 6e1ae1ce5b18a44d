package skillbox

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

const key = "sk-example-test-key"

// serve returns a client of a server that answers with handle.
func serve(t *testing.T, handle http.HandlerFunc, opts ...Option) *Client {
	t.Helper()
	server := httptest.NewServer(handle)
	t.Cleanup(server.Close)
	return New(server.URL+"/", key, opts...)
}

// reply answers with a JSON text.
func reply(status int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		io.WriteString(w, text)
	}
}

func read(t *testing.T, source io.Reader) string {
	t.Helper()
	text, err := io.ReadAll(source)
	if err != nil {
		t.Error(err)
	}
	return string(text)
}

func TestRunSendsWhatItIsGiven(t *testing.T) {
	for name, test := range map[string]struct {
		run  RunRequest
		body string
	}{
		"least": {RunRequest{Skill: "s"}, `{"skill":"s"}`},
		"all": {
			RunRequest{
				Skill:   "s",
				Version: "1.0.0",
				Input:   json.RawMessage(`{"b": "<&>", "a": 12345678901234567890}`),
				Env:     map[string]string{"K": "<V>"},
			},
			`{"skill":"s","version":"1.0.0","input":{"b":"<&>","a":12345678901234567890},"env":{"K":"<V>"}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			var call, body string
			var header http.Header
			client := serve(t, func(w http.ResponseWriter, r *http.Request) {
				call, body, header = r.Method+" "+r.URL.Path, read(t, r.Body), r.Header
				io.WriteString(w, `{}`)
			}, WithTenant("acme"))
			if _, err := client.Run(t.Context(), test.run); err != nil {
				t.Fatal(err)
			}
			if call != "POST /v1/executions" || strings.TrimSpace(body) != test.body {
				t.Errorf("%s %s", call, body)
			}
			for name, want := range map[string]string{
				"Authorization": "Bearer " + key,
				"X-Tenant-ID":   "acme",
				"Content-Type":  "application/json",
			} {
				if got := header.Get(name); got != want {
					t.Errorf("%s: %q", name, got)
				}
			}
		})
	}
}

func TestRunReturnsWhatTheServerSays(t *testing.T) {
	client := serve(t, reply(200, `{"execution_id":"id","status":"success","duration_ms":12,`+
		`"error":null,"output":{"b":1,"a":12345678901234567890},"files_url":"http://x/f",`+
		`"files_list":["a.txt"],"logs":"hi\n","new":1}`))
	result, err := client.Run(t.Context(), RunRequest{Skill: "s"})
	if err != nil {
		t.Fatal(err)
	}
	want := &RunResult{
		ExecutionID: "id",
		Status:      "success",
		Output:      json.RawMessage(`{"b":1,"a":12345678901234567890}`),
		FilesURL:    "http://x/f",
		FilesList:   []string{"a.txt"},
		Logs:        "hi\n",
		DurationMs:  12,
	}
	if !reflect.DeepEqual(result, want) {
		t.Errorf("%+v", result)
	}
	if !result.HasFiles() || (&RunResult{}).HasFiles() {
		t.Error("HasFiles is wrong")
	}
}

func TestInputThatIsNoJSONIsNotSent(t *testing.T) {
	client := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("it was sent") })
	_, err := client.Run(t.Context(), RunRequest{Skill: "s", Input: json.RawMessage(`{`)})
	if err == nil || !strings.HasPrefix(err.Error(), "skillbox: the input is not JSON") {
		t.Error(err)
	}
}

func TestHeadersAreLeftOutWhenEmpty(t *testing.T) {
	var header http.Header
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		header = r.Header
	}))
	defer server.Close()
	if err := New(server.URL, "", WithTenant("")).Health(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"Authorization", "X-Tenant-ID"} {
		if values, sent := header[http.CanonicalHeaderKey(name)]; sent {
			t.Errorf("%s: %q", name, values)
		}
	}
}

func TestEveryCallHasItsPath(t *testing.T) {
	for want, call := range map[string]func(context.Context, *Client) error{
		"GET /health": func(ctx context.Context, c *Client) error { return c.Health(ctx) },
		"GET /v1/executions/a%2Fb": func(ctx context.Context, c *Client) error {
			_, err := c.GetExecution(ctx, "a/b")
			return err
		},
		"GET /v1/executions/id/logs": func(ctx context.Context, c *Client) error {
			_, err := c.GetExecutionLogs(ctx, "id")
			return err
		},
		"GET /v1/skills/na%20me/1.0.0": func(ctx context.Context, c *Client) error {
			_, err := c.GetSkill(ctx, "na me", "1.0.0")
			return err
		},
		"GET /v1/skills/s/latest": func(ctx context.Context, c *Client) error {
			_, err := c.GetSkill(ctx, "s", "")
			return err
		},
	} {
		got := ""
		client := serve(t, func(w http.ResponseWriter, r *http.Request) {
			got = r.Method + " " + r.URL.EscapedPath()
			io.WriteString(w, `{}`)
		})
		if err := call(t.Context(), client); err != nil || got != want {
			t.Errorf("%s: got %s %v", want, got, err)
		}
	}
}

func TestSkills(t *testing.T) {
	client := serve(t, reply(200, `[{"name":"s","version":"1.0.0","description":"d","lang":"bash"}]`))
	skills, err := client.ListSkills(t.Context())
	if err != nil || !reflect.DeepEqual(skills, []Skill{{"s", "1.0.0", "d", "bash"}}) {
		t.Error(skills, err)
	}
	client = serve(t, reply(200, `{"name":"s","version":"1.0.0","description":"d","lang":"bash",`+
		`"image":"bash:5","instructions":"Do.","timeout":"5s","resources":{"cpu":"0.5"}}`))
	detail, err := client.GetSkill(t.Context(), "s", "latest")
	want := &SkillDetail{
		Skill{"s", "1.0.0", "d", "bash"}, "bash:5", "Do.", "5s", Resources{CPU: "0.5"},
	}
	if err != nil || !reflect.DeepEqual(detail, want) {
		t.Error(detail, err)
	}
}

func TestRefusals(t *testing.T) {
	for body, want := range map[string]APIError{
		`{"error":"code","message":"msg"}`: {422, "code", "msg"},
		`{"error":"unauthorized"}`:         {401, "unauthorized", ""},
		`{"message":"text"}`:               {418, "", "text"},
		`{"error":{"code":1}}`:             {502, "", ""},
		`<html>`:                           {502, "", ""},
		``:                                 {500, "", ""},
		`[]`:                               {301, "", ""},
	} {
		client := serve(t, reply(want.StatusCode, body))
		_, err := client.ListSkills(t.Context())
		var got *APIError
		if !errors.As(err, &got) || *got != want {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func TestTextsOfRefusals(t *testing.T) {
	for want, refusal := range map[string]APIError{
		"skillbox: 422 code: msg":    {422, "code", "msg"},
		"skillbox: 401 unauthorized": {401, "unauthorized", ""},
		"skillbox: 502: text":        {502, "", "text"},
		"skillbox: 500":              {500, "", ""},
	} {
		if got := refusal.Error(); got != want {
			t.Errorf("%q", got)
		}
	}
}

func TestRepliesOfAnotherServer(t *testing.T) {
	client := serve(t, reply(200, `<html>`))
	_, err := client.ListSkills(t.Context())
	if err == nil || !strings.Contains(err.Error(), "is this a Skillbox server?") {
		t.Error(err)
	}
}

func TestNoReply(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	err := New(server.URL, key).Health(t.Context())
	var refusal *APIError
	if err == nil || errors.As(err, &refusal) || !strings.HasPrefix(err.Error(), "skillbox: no reply from 127.") {
		t.Error(err)
	}
	result := &RunResult{FilesURL: server.URL + "/f?X-Amz-Signature=secret"}
	err = New(server.URL, key).DownloadFiles(t.Context(), result, t.TempDir())
	if err == nil || strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
	if err = New("http://bad host", key).Health(t.Context()); err == nil {
		t.Error("there is no such host")
	}
}

func TestCancelledRunsAreCutOff(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan struct{})
	client := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		cancel()
		<-r.Context().Done()
		close(gone)
	})
	if _, err := client.Run(ctx, RunRequest{Skill: "s"}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	<-gone
}

func TestRegisterSkill(t *testing.T) {
	archive := filepath.Join(t.TempDir(), `my "skill".zip`)
	content := strings.Repeat("content", 100_000)
	if err := os.WriteFile(archive, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength < int64(len(content)) {
			t.Errorf("Content-Length is %d", r.ContentLength)
		}
		file, header, err := r.FormFile("file")
		if err != nil {
			t.Error(err)
			return
		}
		if header.Filename != `my "skill".zip` || header.Header.Get("Content-Type") != "application/zip" {
			t.Errorf("%+v", header)
		}
		if read(t, file) != content {
			t.Error("the content differs")
		}
		w.WriteHeader(http.StatusCreated)
		io.WriteString(w, `{}`)
	})
	if err := client.RegisterSkill(t.Context(), archive); err != nil {
		t.Error(err)
	}
	if err := client.RegisterSkill(t.Context(), archive+".gone"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	var refusal *APIError
	client = serve(t, reply(401, `{"error":"unauthorized","message":"no"}`))
	if err := client.RegisterSkill(t.Context(), archive); !errors.As(err, &refusal) {
		t.Error(err)
	}
}

func TestAnotherHTTPClient(t *testing.T) {
	used := false
	transport := roundTripper(func(*http.Request) (*http.Response, error) {
		used = true
		return nil, errors.New("down")
	})
	client := New("http://localhost", key, WithHTTPClient(&http.Client{Transport: transport}))
	if err := client.Health(t.Context()); err == nil || !used {
		t.Error(used, err)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (r roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return r(request) }
