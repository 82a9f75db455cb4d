package fetch

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const testSHA = "0123456789abcdef0123456789abcdef01234567"

func TestRepoNames(t *testing.T) {
	for text, want := range map[string]Repo{
		"a/b":                          {"a/b", "main", ""},
		"hf:a/b@v1:Q8_0":               {"a/b", "v1", "Q8_0"},
		"hf.co/a/b:x-Q4_0.gguf":        {"a/b", "main", "x-Q4_0.gguf"},
		"https://huggingface.co/a/b":   {"a/b", "main", ""},
		"a/b:sub/x-00001-of-2.gguf":    {"a/b", "main", "sub/x-00001-of-2.gguf"},
		"TheOrg/Model-1.5B_x.y@abc123": {"TheOrg/Model-1.5B_x.y", "abc123", ""},
	} {
		if got, ok := ParseRepo(text); !ok || got != want {
			t.Errorf("%s: %+v, %v", text, got, ok)
		}
	}
	for _, text := range []string{"", "a", "a/b/c", "../b", "a/..", "a/b@../x", "a/b:../x", "a /b", "a/b@", "/a/b", `a\b`, "a/b?x=1", "a/b#x"} {
		if got, ok := ParseRepo(text); ok {
			t.Errorf("%q is %+v", text, got)
		}
	}
}

// TestNamesThatWouldLeaveTheFolder are not clean.
func TestNamesThatWouldLeaveTheFolder(t *testing.T) {
	for _, name := range []string{"a.gguf", "sub/b.safetensors", "tokenizer_config.json", "a b+c=1@x.txt"} {
		if !CleanName(name) {
			t.Errorf("%q is refused", name)
		}
	}
	for _, name := range []string{
		"", "/a", "../a", "a/../b", "a//b", "./a", ".a", "a/.git/x", `..\a`, `a\b`, "C:a", "a\x00b", "a\nb", "a.", "a ", "con:", strings.Repeat("x", 300), "ä",
	} {
		if CleanName(name) {
			t.Errorf("%q is clean", name)
		}
	}
}

// TestListingIsPinnedAndChecked: addresses lead to the commit, hostile names are left out.
func TestListingIsPinnedAndChecked(t *testing.T) {
	body := `{"sha":"` + testSHA + `","siblings":[
	 {"rfilename":"m-Q8_0.gguf","size":5,"lfs":{"sha256":"` + strings.Repeat("ab", 32) + `","size":7}},
	 {"rfilename":"../../evil.gguf","size":5},{"rfilename":".ssh/id","size":1},
	 {"rfilename":"config.json","size":3,"blobId":"` + testSHA + `"}]}`
	var asked string
	at := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.RequestURI()
		_, _ = w.Write([]byte(body))
	}))
	files, err := New(Options{}).List(t.Context(), at+"/", Repo{"a/b", "refs/pr/1", ""})
	if err != nil || asked != "/api/models/a/b/revision/refs%2Fpr%2F1?blobs=true" {
		t.Fatal(err, asked)
	}
	if len(files) != 2 || files[0].Size != 7 || len(files[0].SHA256) != 32 || len(files[1].GitSHA1) != 20 ||
		files[0].URL != at+"/a/b/resolve/"+testSHA+"/m-Q8_0.gguf" {
		t.Errorf("%+v", files)
	}
	for _, bad := range []string{`{`, `{"sha":"main"}`, `{"sha":"` + testSHA + `","siblings":[{"rfilename":"x.gguf","lfs":{"sha256":"zz","size":1}}]}`} {
		body = bad
		if _, err := New(Options{}).List(t.Context(), at, Repo{"a/b", "main", ""}); !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestChoice(t *testing.T) {
	of := func(names ...string) (out []HubFile) {
		for _, n := range names {
			out = append(out, HubFile{Name: n})
		}
		return out
	}
	ggufs := []string{"m-Q4_K_M.gguf", "m-Q8_0.gguf", "m-F16-00001-of-00002.gguf", "m-F16-00002-of-00002.gguf", "README.md"}
	folder := []string{"config.json", "tokenizer.json", "model-00001-of-00002.safetensors", "onnx/model.safetensors", "pytorch_model.bin"}
	for _, c := range []struct {
		files  []string
		wanted string
		want   string // names, or the beginning of an error
	}{
		{ggufs, "", "m-Q8_0.gguf"},
		{ggufs, "q4_k_m", "m-Q4_K_M.gguf"},
		{ggufs, "F16", "m-F16-00001-of-00002.gguf m-F16-00002-of-00002.gguf"},
		{ggufs, "m-Q8_0.gguf", "m-Q8_0.gguf"},
		{[]string{"only.gguf"}, "", "only.gguf"},
		{[]string{"a.gguf", "b.gguf"}, "", "error"},
		{ggufs, "Q5", "error"},
		{append(folder, ggufs...), "", "config.json tokenizer.json model-00001-of-00002.safetensors"},
		{append(folder, ggufs...), "Q8_0", "m-Q8_0.gguf"},
		{[]string{"README.md"}, "", "error"},
	} {
		got, err := Choose(of(c.files...), Repo{"a/b", "main", c.wanted})
		var text []string
		for _, f := range got {
			text = append(text, f.Name)
		}
		if err != nil {
			text = []string{"error"}
		}
		if strings.Join(text, " ") != c.want {
			t.Errorf("%q: %v, %v, want %s", c.wanted, text, err, c.want)
		}
	}
}

func FuzzListing(f *testing.F) {
	f.Add([]byte(`{"sha":"` + testSHA + `","siblings":[{"rfilename":"m.gguf","size":5}]}`))
	f.Add([]byte(`{"sha":"` + testSHA + `","siblings":[{"rfilename":"../m.gguf","size":-5}]}`))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, b []byte) {
		files, err := parseListing(b, "https://example.org", Repo{"a/b", "main", ""})
		if err != nil {
			return
		}
		for _, file := range files {
			p := filepath.Join(dir, filepath.FromSlash(file.Name))
			if rel, err := filepath.Rel(dir, p); err != nil || !filepath.IsLocal(rel) || strings.Contains(file.Name, string(os.PathSeparator)+".") {
				t.Errorf("%q leaves the folder", file.Name)
			}
		}
	})
}
