package skillbox

import (
	"archive/zip"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const skillMD = `---
name: go-sdk-test
version: "1.0.0"
description: Gives back what it gets.
timeout: 30s
---
Do it.
`

// echo writes its input as it is, and a file; it sleeps, or fails, when it is told to.
const echo = `
import os, pathlib, time

text = os.environ["SANDBOX_INPUT"]
pathlib.Path(os.environ["SANDBOX_OUTPUT"]).write_text(text)
folder = pathlib.Path(os.environ["SANDBOX_FILES_DIR"], "sub")
folder.mkdir()
folder.joinpath("note.txt").write_text(os.environ.get("NOTE", ""))
print("echo", flush=True)
time.sleep(float(os.environ.get("SLEEP", "0")))
raise SystemExit(int(os.environ.get("EXIT", "0")))
`

// TestLive runs against the server that SKILLBOX_SERVER_URL and SKILLBOX_API_KEY name.
func TestLive(t *testing.T) {
	address, key := os.Getenv("SKILLBOX_SERVER_URL"), os.Getenv("SKILLBOX_API_KEY")
	if address == "" {
		t.Skip("SKILLBOX_SERVER_URL names no server to test with")
	}
	ctx, client := t.Context(), New(address, key)
	if err := client.Health(ctx); err != nil {
		t.Fatal(err)
	}
	if err := client.RegisterSkill(ctx, writeSkill(t)); err != nil {
		t.Fatal(err)
	}

	t.Run("skills", func(t *testing.T) {
		want := Skill{"go-sdk-test", "1.0.0", "Gives back what it gets.", "python"}
		skills, err := client.ListSkills(ctx)
		if err != nil || !slices.Contains(skills, want) {
			t.Error(skills, err)
		}
		detail, err := client.GetSkill(ctx, "go-sdk-test", "")
		if err != nil || detail.Skill != want || detail.Timeout != "30s" ||
			strings.TrimSpace(detail.Instructions) != "Do it." {
			t.Error(detail, err)
		}
	})

	t.Run("run", func(t *testing.T) {
		input := `{"z":"<é>","a":12345678901234567890,"b":1.50}`
		result, err := client.Run(ctx, RunRequest{
			Skill: "go-sdk-test",
			Input: json.RawMessage(input),
			Env:   map[string]string{"NOTE": "kept"},
		})
		if err != nil {
			t.Fatal(err)
		}
		if result.Status != "success" || result.Error != "" || string(result.Output) != input {
			t.Errorf("%+v", result)
		}
		logs, err := client.GetExecutionLogs(ctx, result.ExecutionID)
		if err != nil || logs != "echo\n" || result.Logs != logs {
			t.Error(logs, err)
		}
		again, err := client.GetExecution(ctx, result.ExecutionID)
		if err != nil || again.Status != "success" || string(again.Output) != input {
			t.Error(again, err)
		}
		folder := t.TempDir()
		if err := client.DownloadFiles(ctx, again, folder); err != nil {
			t.Fatal(err)
		}
		note, err := os.ReadFile(filepath.Join(folder, "sub", "note.txt"))
		if err != nil || string(note) != "kept" {
			t.Error(string(note), err)
		}
	})

	t.Run("failure", func(t *testing.T) {
		run := RunRequest{Skill: "go-sdk-test", Env: map[string]string{"EXIT": "3"}}
		result, err := client.Run(ctx, run)
		if err != nil || result.Status != "failed" || result.Error != "container exited with code 3" {
			t.Error(result, err)
		}
	})

	t.Run("cancellation", func(t *testing.T) {
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		run := RunRequest{Skill: "go-sdk-test", Env: map[string]string{"SLEEP": "30"}}
		if _, err := client.Run(short, run); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})

	t.Run("background", func(t *testing.T) {
		run := RunRequest{
			Skill:          "go-sdk-test",
			Input:          json.RawMessage(`{"n":1}`),
			IdempotencyKey: rand.Text(),
		}
		started, err := client.Start(ctx, run)
		if err != nil || (started.Status != "queued" && started.Status != "running") {
			t.Fatal(started, err)
		}
		ended, err := client.Wait(ctx, started.ExecutionID)
		if err != nil || ended.Status != "success" || string(ended.Output) != `{"n":1}` {
			t.Error(ended, err)
		}
		again, err := client.Run(ctx, run)
		if err != nil || again.ExecutionID != started.ExecutionID {
			t.Error(again, err)
		}
		run.Input = json.RawMessage(`{"n":2}`)
		var refusal *APIError
		if _, err := client.Run(ctx, run); !errors.As(err, &refusal) ||
			refusal.ErrorCode != "idempotency_key_reused" {
			t.Error(err)
		}
	})

	t.Run("refusals", func(t *testing.T) {
		stranger := New(address, "sk-nobody")
		for want, call := range map[string]func() error{
			"skillbox: 401 unauthorized: invalid or revoked API key": func() error {
				_, err := stranger.ListSkills(ctx)
				return err
			},
			"skillbox: 401 unauthorized: missing Authorization header": func() error {
				return New(address, "").RegisterSkill(ctx, writeSkill(t))
			},
			"skillbox: 403 forbidden: X-Tenant-ID header does not match the API key's tenant": func() error {
				_, err := New(address, key, WithTenant("other")).ListSkills(ctx)
				return err
			},
			"skillbox: 404 not_found: skill not found: nothing@latest": func() error {
				_, err := client.Run(ctx, RunRequest{Skill: "nothing"})
				return err
			},
			"skillbox: 400 bad_request: 'skill' is required": func() error {
				_, err := client.Run(ctx, RunRequest{})
				return err
			},
		} {
			var refusal *APIError
			if err := call(); !errors.As(err, &refusal) || err.Error() != want {
				t.Error(err)
			}
		}
	})
}

func writeSkill(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "skill.zip")
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	archive := zip.NewWriter(file)
	for name, content := range map[string]string{"SKILL.md": skillMD, "scripts/main.py": echo} {
		entry, err := archive.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		entry.Write([]byte(content))
	}
	if err := errors.Join(archive.Close(), file.Close()); err != nil {
		t.Fatal(err)
	}
	return name
}
