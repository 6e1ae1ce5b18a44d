package skillbox

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func file(name string) tar.Header {
	return tar.Header{Name: name, Typeflag: tar.TypeReg, Size: 5}
}

// pack returns a .tar.gz in which every file says hello.
func pack(t *testing.T, entries ...tar.Header) []byte {
	t.Helper()
	var packed bytes.Buffer
	zipper := gzip.NewWriter(&packed)
	archive := tar.NewWriter(zipper)
	for _, header := range entries {
		if err := archive.WriteHeader(&header); err != nil {
			t.Fatal(err)
		}
		if header.Typeflag == tar.TypeReg {
			archive.Write([]byte("hello"))
		}
	}
	if err := errors.Join(archive.Close(), zipper.Close()); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

// download fetches an archive into a folder that does not exist yet.
func download(t *testing.T, packed []byte, change func(*Client)) (folder string, err error) {
	t.Helper()
	folder = t.TempDir()
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" || r.URL.RawQuery != "X-Amz-Signature=s%2F1" {
			t.Errorf("%s %v", r.URL, r.Header)
		}
		w.Write(packed)
	})
	change(client)
	result := &RunResult{FilesURL: client.baseURL + "/bucket/files.tar.gz?X-Amz-Signature=s%2F1"}
	return folder, client.DownloadFiles(t.Context(), result, filepath.Join(folder, "new", "out"))
}

func unchanged(*Client) {}

func found(t *testing.T, folder string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			name, _ := filepath.Rel(folder, path)
			content, _ := os.ReadFile(path)
			names = append(names, name+"="+string(content))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestDownloadFiles(t *testing.T) {
	packed := pack(t,
		tar.Header{Name: "./", Typeflag: tar.TypeDir}, file("a.txt"),
		tar.Header{Name: "sub", Typeflag: tar.TypeDir}, file("sub/deep/b..txt"), file("a.txt"),
	)
	folder, err := download(t, packed, unchanged)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(found(t, folder)); got != "[new/out/a.txt=hello new/out/sub/deep/b..txt=hello]" {
		t.Error(got)
	}
}

func TestDownloadWithoutFiles(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "none")
	client := New("http://127.0.0.1:1", key)
	for _, result := range []*RunResult{nil, {}} {
		if err := client.DownloadFiles(t.Context(), result, folder); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(folder); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

func TestHostileEntriesAreRefusedBeforeAnythingIsWritten(t *testing.T) {
	const traversal = "skillbox: path traversal detected in tar entry: "
	const kind = "skillbox: neither a file nor a folder in tar entry: "
	for want, header := range map[string]tar.Header{
		traversal + `"../evil"`:        file("../evil"),
		traversal + `"sub/../../evil"`: file("sub/../../evil"),
		traversal + `"sub/../evil"`:    file("sub/../evil"),
		traversal + `"/tmp/evil"`:      file("/tmp/evil"),
		traversal + `"//tmp/evil"`:     file("//tmp/evil"),
		traversal + `"sub/.."`:         file("sub/.."),
		traversal + `".."`:             {Name: "..", Typeflag: tar.TypeDir},
		traversal + `"../link"`:        {Name: "../link", Typeflag: tar.TypeSymlink, Linkname: "x"},
		kind + `"symlink"`:             {Name: "symlink", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"},
		kind + `"inner"`:               {Name: "inner", Typeflag: tar.TypeSymlink, Linkname: "good.txt"},
		kind + `"hard"`:                {Name: "hard", Typeflag: tar.TypeLink, Linkname: "good.txt"},
		kind + `"character"`:           {Name: "character", Typeflag: tar.TypeChar},
		kind + `"block"`:               {Name: "block", Typeflag: tar.TypeBlock},
		kind + `"fifo"`:                {Name: "fifo", Typeflag: tar.TypeFifo},
		kind + `"con\x1b[2Jt"`:         {Name: "con\x1b[2Jt", Typeflag: tar.TypeCont},
	} {
		folder, err := download(t, pack(t, file("good.txt"), header), unchanged)
		if err == nil || err.Error() != want {
			t.Errorf("%s: %v", want, err)
		}
		if names, _ := os.ReadDir(folder); len(names) != 0 {
			t.Errorf("%s: left %v", want, names)
		}
	}
}

func TestInsecurePathsOfTheRuntimeAreRefusedToo(t *testing.T) {
	t.Setenv("GODEBUG", "tarinsecurepath=0")
	_, err := download(t, pack(t, file("../evil")), unchanged)
	if err == nil || !strings.Contains(err.Error(), "path traversal") {
		t.Error(err)
	}
}

func TestArchivesWithoutEndAreRefused(t *testing.T) {
	many := make([]tar.Header, maxEntries+1)
	for i := range many {
		many[i] = tar.Header{Name: fmt.Sprint(i), Typeflag: tar.TypeDir}
	}
	for name, test := range map[string]struct {
		packed []byte
		change func(*Client)
		want   string
	}{
		"entries":  {pack(t, many...), unchanged, "more than 10000 entries"},
		"unpacked": {pack(t, file("a"), file("b")), func(c *Client) { c.maxUnpacked = 600 }, "larger than it may be"},
		"packed":   {pack(t, file("a")), func(c *Client) { c.maxUnpacked = 50 }, "larger than it may be"},
		"claimed":  {claim(t, 1<<40), unchanged, "larger than it may be"},
	} {
		folder, err := download(t, test.packed, test.change)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
		if names, _ := os.ReadDir(folder); len(names) != 0 {
			t.Errorf("%s: left %v", name, names)
		}
	}
}

// claim returns an archive whose only file says to be larger than it is.
func claim(t *testing.T, size int64) []byte {
	t.Helper()
	var packed bytes.Buffer
	zipper := gzip.NewWriter(&packed)
	header := tar.Header{Name: "a", Typeflag: tar.TypeReg, Size: size}
	if err := tar.NewWriter(zipper).WriteHeader(&header); err != nil {
		t.Fatal(err)
	}
	zipper.Close()
	return packed.Bytes()
}

func TestBrokenArchivesAreTold(t *testing.T) {
	packed := pack(t, file("a.txt"))
	for name, broken := range map[string][]byte{
		"empty":    nil,
		"garbage":  []byte("no archive"),
		"cut":      packed[:len(packed)-20],
		"checksum": append(bytes.Clone(packed[:len(packed)-8]), 1, 2, 3, 4, 5, 6, 7, 8),
	} {
		folder, err := download(t, broken, unchanged)
		if err == nil || !strings.HasPrefix(err.Error(), "skillbox: the archive of files is broken: ") {
			t.Errorf("%s: %v", name, err)
		}
		if names, _ := os.ReadDir(folder); len(names) != 0 {
			t.Errorf("%s: left %v", name, names)
		}
	}
}

func TestLinksThatWereThereBeforeLeadNowhere(t *testing.T) {
	outside, folder := t.TempDir(), t.TempDir()
	if err := os.Symlink(outside, filepath.Join(folder, "link")); err != nil {
		t.Fatal(err)
	}
	packed := pack(t, file("link/evil"))
	client := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.Write(packed) })
	result := &RunResult{FilesURL: client.baseURL}
	if err := client.DownloadFiles(t.Context(), result, folder); err == nil {
		t.Error("it was written")
	}
	if names := found(t, outside); len(names) != 0 {
		t.Error(names)
	}
}

func TestExpiredAddressesAreTold(t *testing.T) {
	client := serve(t, reply(http.StatusForbidden, "<Error>expired</Error>"))
	err := client.DownloadFiles(t.Context(), &RunResult{FilesURL: client.baseURL}, t.TempDir())
	var refusal *APIError
	if !errors.As(err, &refusal) || refusal.StatusCode != http.StatusForbidden {
		t.Error(err)
	}
}
