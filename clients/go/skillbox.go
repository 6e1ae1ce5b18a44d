// Package skillbox is the client of a Skillbox server: one file, the standard library alone.
//
//	client := skillbox.New("http://localhost:8080", os.Getenv("SKILLBOX_API_KEY"))
//	result, err := client.Run(ctx, skillbox.RunRequest{
//		Skill: "data-analysis",
//		Input: json.RawMessage(`{"data":[1,2,3,4,5]}`),
//	})
//	if err != nil {
//		return err // the server refused, or was not reached
//	}
//	fmt.Println(result.Status, string(result.Output))
//	return client.DownloadFiles(ctx, result, "out")
//
// A skill that fails is a result, not an error. Every method gives an *APIError when the server
// refuses a call. When there was no reply, the error wraps the cause, so that
// errors.Is(err, context.Canceled) works.
//
// A call that the server refuses for the moment (429, 503) is repeated after the time that the
// server names, where that is safe: reading always, Start and uploads since they carry an
// idempotency key, Run without one only when the server says that it has not begun. A lost
// connection repeats nothing.
package skillbox

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	mathrand "math/rand/v2"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	maxReply    = 64 << 20
	maxUnpacked = 1 << 30
	maxEntries  = 10_000

	firstDelay = 250 * time.Millisecond
	maxDelay   = 30 * time.Second
	maxWait    = 30 * time.Second
	pollPause  = 50 * time.Millisecond

	keyHeader = "Idempotency-Key"
)

// RunRequest says what to run and with what.
type RunRequest struct {
	// Skill is the name of the skill.
	Skill string `json:"skill"`

	// Version may be empty, which means `latest`.
	Version string `json:"version,omitempty"`

	// Input is any JSON text. The skill sees its digits and the order of its keys as they are;
	// without it, the skill sees {}.
	Input json.RawMessage `json:"input,omitempty"`

	// Env is added to the environment of the skill.
	Env map[string]string `json:"env,omitempty"`

	// IdempotencyKey is at most 255 printable ASCII characters. A call with the key of an earlier
	// one returns what became of that instead of running again, also when that caller left: with
	// a key the run goes on by itself. Start without a key makes one for its call.
	IdempotencyKey string `json:"-"`
}

// RunResult is what became of a run.
type RunResult struct {
	// ExecutionID is a UUID, for GetExecution and GetExecutionLogs.
	ExecutionID string `json:"execution_id"`

	// Status is `success`, `failed` or `timeout`; of a run that is looked at or waited for also
	// `queued`, `running` or `cancelled`.
	Status string `json:"status"`

	// Output is the JSON that the skill wrote, with every digit as it wrote it; nil without any.
	Output json.RawMessage `json:"output"`

	// FilesURL is where the skill's files can be fetched for an hour; empty without files.
	FilesURL string `json:"files_url"`

	// FilesList are the paths of those files.
	FilesList []string `json:"files_list"`

	// Logs are what the skill printed.
	Logs string `json:"logs"`

	// DurationMs is how long it ran, in milliseconds.
	DurationMs int64 `json:"duration_ms"`

	// Error says as one sentence why it did not succeed; empty when it did.
	Error string `json:"error"`
}

// HasFiles tells whether there is something for Client.DownloadFiles.
func (r *RunResult) HasFiles() bool { return r.FilesURL != "" }

// Skill is one version of a skill.
type Skill struct {
	Name        string `json:"name"`
	Version     string `json:"version"`
	Description string `json:"description"`
	Lang        string `json:"lang"`
}

// SkillDetail is one version of a skill in full. What its SKILL.md leaves out is empty here.
type SkillDetail struct {
	Skill
	Image        string    `json:"image"`
	Instructions string    `json:"instructions"`
	Timeout      string    `json:"timeout"`
	Resources    Resources `json:"resources"`
}

// Resources are the limits that a skill asks for, such as `0.5` and `256Mi`.
type Resources struct {
	CPU    string `json:"cpu"`
	Memory string `json:"memory"`
}

// APIError is a refusal of the server.
type APIError struct {
	// StatusCode is the HTTP status.
	StatusCode int

	// ErrorCode is a word such as `not_found`; empty when the reply had none.
	ErrorCode string

	// Message is for people; may be empty.
	Message string
}

// Error returns text such as `skillbox: 404 not_found: skill not found: x@latest`.
func (e *APIError) Error() string {
	text := fmt.Sprintf("skillbox: %d", e.StatusCode)
	if e.ErrorCode != "" {
		text += " " + e.ErrorCode
	}
	if e.Message != "" {
		text += ": " + e.Message
	}
	return text
}

// Option changes a client that New makes.
type Option func(*Client)

// WithTenant names the tenant that the key must belong to.
func WithTenant(id string) Option { return func(c *Client) { c.tenant = id } }

// WithHTTPClient replaces the HTTP client, for time limits and transports of one's own. A run
// answers when it has ended: a time limit has to leave room for that.
func WithHTTPClient(client *http.Client) Option { return func(c *Client) { c.http = client } }

// WithMaxRetries says how often a call is repeated that the server refuses for the moment; the
// default is 2.
func WithMaxRetries(n int) Option { return func(c *Client) { c.maxRetries = n } }

// Client talks to one Skillbox server. Goroutines may share it; connections are kept and reused.
type Client struct {
	baseURL     string
	apiKey      string
	tenant      string
	http        *http.Client
	maxRetries  int
	maxUnpacked int64
}

// New makes a client; nothing is sent yet. Without an apiKey only Health works.
func New(baseURL, apiKey string, opts ...Option) *Client {
	client := &Client{
		baseURL:     strings.TrimRight(baseURL, "/"),
		apiKey:      apiKey,
		http:        &http.Client{},
		maxRetries:  2,
		maxUnpacked: maxUnpacked,
	}
	for _, apply := range opts {
		apply(client)
	}
	return client
}

// Health returns nil when the server answers.
func (c *Client) Health(ctx context.Context) error {
	_, err := c.get(ctx, "health")
	return err
}

// Run runs a skill and waits for its end. When ctx ends before, a run without a key is cancelled.
func (c *Client) Run(ctx context.Context, run RunRequest) (*RunResult, error) {
	// A key would also keep the run going when ctx ends.
	return c.post(ctx, run, nil)
}

// Start starts a run and returns at once. It goes on whether anybody waits or not.
func (c *Client) Start(ctx context.Context, run RunRequest) (*RunResult, error) {
	run.IdempotencyKey = cmp.Or(run.IdempotencyKey, rand.Text())
	return c.post(ctx, run, http.Header{"Prefer": {"respond-async"}})
}

// Wait returns a run as soon as it has ended. When ctx ends before, the run goes on.
func (c *Client) Wait(ctx context.Context, id string) (*RunResult, error) {
	for {
		request, err := c.request(ctx, http.MethodGet, nil, "v1", "executions", id)
		if err != nil {
			return nil, err
		}
		request.URL.RawQuery = "wait=" + c.waitStep().String()
		reply, err := c.send(request)
		result, err := parse[RunResult](reply, err)
		if err != nil || (result.Status != "queued" && result.Status != "running") {
			return result, err
		}
		// A server that is stopping answers sooner than it was asked to.
		if err := sleep(ctx, pollPause); err != nil {
			return nil, err
		}
	}
}

func (c *Client) post(
	ctx context.Context, run RunRequest, headers http.Header,
) (*RunResult, error) {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	// The input reaches the skill as it was given.
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(run); err != nil {
		return nil, fmt.Errorf("skillbox: the input is not JSON: %w", err)
	}
	request, err := c.request(ctx, http.MethodPost, &body, "v1", "executions")
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	maps.Copy(request.Header, headers)
	if run.IdempotencyKey != "" {
		request.Header.Set(keyHeader, run.IdempotencyKey)
	}
	reply, err := c.send(request)
	return parse[RunResult](reply, err)
}

// GetExecution returns a run in any state.
func (c *Client) GetExecution(ctx context.Context, id string) (*RunResult, error) {
	reply, err := c.get(ctx, "v1", "executions", id)
	return parse[RunResult](reply, err)
}

// GetExecutionLogs returns what a run has printed so far.
func (c *Client) GetExecutionLogs(ctx context.Context, id string) (string, error) {
	reply, err := c.get(ctx, "v1", "executions", id, "logs")
	return string(reply), err
}

// RegisterSkill uploads the zip archive of a skill.
func (c *Client) RegisterSkill(ctx context.Context, zipPath string) error {
	file, err := os.Open(zipPath)
	if err != nil {
		return fmt.Errorf("skillbox: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("skillbox: %w", err)
	}
	// The form around the file is made first: its size is known then, and the file is streamed.
	var form bytes.Buffer
	writer := multipart.NewWriter(&form)
	_, _ = writer.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {multipart.FileContentDisposition("file", filepath.Base(zipPath))},
		"Content-Type":        {"application/zip"},
	})
	head := form.Len()
	_ = writer.Close()
	body := func() (io.ReadCloser, error) {
		return io.NopCloser(io.MultiReader(
			bytes.NewReader(form.Bytes()[:head]),
			io.NewSectionReader(file, 0, info.Size()),
			bytes.NewReader(form.Bytes()[head:]),
		)), nil
	}
	request, err := c.request(ctx, http.MethodPost, nil, "v1", "skills")
	if err != nil {
		return err
	}
	request.Body, _ = body()
	request.GetBody = body
	request.ContentLength = int64(form.Len()) + info.Size()
	request.Header.Set(keyHeader, rand.Text())
	request.Header.Set("Content-Type", writer.FormDataContentType())
	// A server that refuses says so before it is sent the archive.
	request.Header.Set("Expect", "100-continue")
	_, err = c.send(request)
	return err
}

// ListSkills returns every version of every skill, by name and then by version.
func (c *Client) ListSkills(ctx context.Context) ([]Skill, error) {
	reply, err := c.get(ctx, "v1", "skills")
	skills, err := parse[[]Skill](reply, err)
	if err != nil {
		return nil, err
	}
	return *skills, nil
}

// GetSkill returns one version in full; an empty version means `latest`.
func (c *Client) GetSkill(ctx context.Context, name, version string) (*SkillDetail, error) {
	if version == "" {
		version = "latest"
	}
	reply, err := c.get(ctx, "v1", "skills", name, version)
	return parse[SkillDetail](reply, err)
}

// DownloadFiles fetches the files that a run left into the folder dest, which is created when
// missing. It does nothing when there are none.
//
// When the archive is broken, too large, or has an entry that is no plain file or folder below
// dest, nothing is written at all.
func (c *Client) DownloadFiles(ctx context.Context, result *RunResult, dest string) error {
	if result == nil || !result.HasFiles() {
		return nil
	}
	archive, err := os.CreateTemp("", "skillbox-files-*")
	if err != nil {
		return fmt.Errorf("skillbox: %w", err)
	}
	defer os.Remove(archive.Name())
	defer archive.Close()
	if err := c.fetch(ctx, result.FilesURL, archive); err != nil {
		return err
	}
	if err := c.eachEntry(archive, checkEntry); err != nil {
		return err
	}
	if err := os.MkdirAll(dest, 0o755); err != nil {
		return fmt.Errorf("skillbox: %w", err)
	}
	// Links that were there before cannot lead out of a Root either.
	root, err := os.OpenRoot(dest)
	if err != nil {
		return fmt.Errorf("skillbox: %w", err)
	}
	defer root.Close()
	return c.eachEntry(archive, func(header *tar.Header, content io.Reader) error {
		if err := writeEntry(root, header, content); err != nil {
			return fmt.Errorf("skillbox: tar entry %q: %w", header.Name, err)
		}
		return nil
	})
}

// --- The wire ---

func (c *Client) get(ctx context.Context, segments ...string) ([]byte, error) {
	request, err := c.request(ctx, http.MethodGet, nil, segments...)
	if err != nil {
		return nil, err
	}
	return c.send(request)
}

func (c *Client) request(
	ctx context.Context, method string, body io.Reader, segments ...string,
) (*http.Request, error) {
	target := c.baseURL
	for _, segment := range segments {
		target += "/" + url.PathEscape(segment)
	}
	request, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return nil, fmt.Errorf("skillbox: the address of the server: %w", cause(err))
	}
	if c.apiKey != "" {
		request.Header.Set("Authorization", "Bearer "+c.apiKey)
	}
	if c.tenant != "" {
		request.Header.Set("X-Tenant-ID", c.tenant)
	}
	return request, nil
}

// send returns the body of the reply.
func (c *Client) send(request *http.Request) ([]byte, error) {
	response, err := c.exchange(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	reply, err := io.ReadAll(&limited{response.Body, maxReply})
	if err != nil {
		return nil, fmt.Errorf("skillbox: the reply broke off: %w", err)
	}
	return reply, nil
}

// fetch writes what a signed URL leads to. The key stays out of this: its host may be another.
func (c *Client) fetch(ctx context.Context, signedURL string, file io.Writer) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, signedURL, nil)
	if err != nil {
		return fmt.Errorf("skillbox: the address of the files: %w", cause(err))
	}
	response, err := c.exchange(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err := io.Copy(file, &limited{response.Body, c.maxUnpacked}); err != nil {
		return fmt.Errorf("skillbox: the archive of files: %w", err)
	}
	return nil
}

// exchange returns a reply that is no refusal, its body unread. It repeats the request while the
// server refuses it for the moment.
func (c *Client) exchange(request *http.Request) (*http.Response, error) {
	for attempt := 0; ; attempt++ {
		response, err := c.http.Do(request)
		if err != nil {
			return nil, fmt.Errorf("skillbox: no reply from %s: %w", request.URL.Host, cause(err))
		}
		if response.StatusCode >= 200 && response.StatusCode < 300 {
			return response, nil
		}
		refusal := readRefusal(response)
		delay, again := retryDelay(request, response, attempt)
		if !again || attempt >= c.maxRetries {
			return nil, refusal
		}
		if err := sleep(request.Context(), delay); err != nil {
			return nil, err
		}
		if request.GetBody != nil {
			if request.Body, err = request.GetBody(); err != nil {
				return nil, fmt.Errorf("skillbox: %w", err)
			}
		}
	}
}

func readRefusal(response *http.Response) *APIError {
	defer response.Body.Close()
	var refusal struct {
		Error   string `json:"error"`
		Message string `json:"message"`
	}
	body, _ := io.ReadAll(&limited{response.Body, maxReply})
	// Who stands between may refuse in another form; the status says enough then.
	if json.Unmarshal(body, &refusal) != nil {
		refusal.Error, refusal.Message = "", ""
	}
	return &APIError{response.StatusCode, refusal.Error, refusal.Message}
}

// retryDelay tells whether a refused request may be repeated, and how long to wait before.
func retryDelay(
	request *http.Request, response *http.Response, attempt int,
) (time.Duration, bool) {
	safe := request.Method == http.MethodGet || request.Header.Get(keyHeader) != ""
	busy := response.StatusCode == http.StatusTooManyRequests ||
		response.StatusCode == http.StatusServiceUnavailable
	seconds, err := strconv.ParseUint(response.Header.Get("Retry-After"), 10, 16)
	// A server that says when to come back has not begun.
	if !busy || !(safe || err == nil) {
		return 0, false
	}
	delay := firstDelay << attempt
	if err == nil {
		delay = time.Duration(seconds) * time.Second
	}
	// Callers that were refused together should not come back together.
	jitter := time.Duration(mathrand.Int64N(int64(delay)/4 + 1))
	return delay + jitter, delay <= maxDelay
}

// waitStep is how long the server is asked to hold a reply back; the HTTP client has to be patient
// for longer.
func (c *Client) waitStep() time.Duration {
	if limit := c.http.Timeout; limit > 0 && limit/2 < maxWait {
		return (limit / 2).Round(time.Millisecond)
	}
	return maxWait
}

// sleep returns after a time, or with an error when ctx ends before.
func sleep(ctx context.Context, delay time.Duration) error {
	select {
	case <-ctx.Done():
		return fmt.Errorf("skillbox: %w", ctx.Err())
	case <-time.After(delay):
		return nil
	}
}

// cause strips the URL from an error: it may be signed, which makes it a secret.
func cause(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}

func parse[T any](reply []byte, err error) (*T, error) {
	if err != nil {
		return nil, err
	}
	value := new(T)
	if err := json.Unmarshal(reply, value); err != nil {
		return nil, fmt.Errorf("skillbox: the reply cannot be read, is this a Skillbox server? %w", err)
	}
	return value, nil
}

var errTooLarge = errors.New("larger than it may be")

// limited reads at most `left` bytes and fails when there are more.
type limited struct {
	source io.Reader
	left   int64
}

func (l *limited) Read(buffer []byte) (int, error) {
	if l.left < 0 {
		return 0, errTooLarge
	}
	// One byte more than allowed tells an end from an excess.
	if int64(len(buffer)) > l.left+1 {
		buffer = buffer[:l.left+1]
	}
	n, err := l.source.Read(buffer)
	l.left -= int64(n)
	if l.left < 0 {
		return n, errTooLarge
	}
	return n, err
}

// --- Files ---

// eachEntry visits the entries of a .tar.gz, whose sizes and number are limited.
func (c *Client) eachEntry(archive io.ReadSeeker, visit func(*tar.Header, io.Reader) error) error {
	broken := func(err error) error {
		return fmt.Errorf("skillbox: the archive of files is broken: %w", err)
	}
	if _, err := archive.Seek(0, io.SeekStart); err != nil {
		return broken(err)
	}
	unpacked, err := gzip.NewReader(archive)
	if err != nil {
		return broken(err)
	}
	source := &limited{unpacked, c.maxUnpacked}
	entries := tar.NewReader(source)
	total := int64(0)
	for number := 1; ; number++ {
		header, err := entries.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		// The names are checked by visit.
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) {
			return broken(err)
		}
		// A sparse file claims more than the archive holds.
		if total += header.Size; total > c.maxUnpacked {
			return broken(errTooLarge)
		}
		if number > maxEntries {
			return broken(fmt.Errorf("more than %d entries", maxEntries))
		}
		if err := visit(header, entries); err != nil {
			return err
		}
	}
	// The checksum stands at the end.
	if _, err := io.Copy(io.Discard, source); err != nil {
		return broken(err)
	}
	return nil
}

func checkEntry(header *tar.Header, _ io.Reader) error {
	name := header.Name
	if path.IsAbs(name) || slices.Contains(strings.Split(name, "/"), "..") ||
		!filepath.IsLocal(filepath.FromSlash(name)) {
		return fmt.Errorf("skillbox: path traversal detected in tar entry: %q", name)
	}
	if header.Typeflag != tar.TypeReg && header.Typeflag != tar.TypeDir {
		return fmt.Errorf("skillbox: neither a file nor a folder in tar entry: %q", name)
	}
	return nil
}

func writeEntry(root *os.Root, header *tar.Header, content io.Reader) error {
	name := filepath.FromSlash(path.Clean(header.Name))
	if header.Typeflag == tar.TypeDir {
		return root.MkdirAll(name, 0o755)
	}
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	file, err := root.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, content)
	return errors.Join(err, file.Close())
}
