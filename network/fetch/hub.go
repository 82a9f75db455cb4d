package fetch

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
)

// Repo names a model on a hub that answers as Hugging Face does: OWNER/NAME[@REVISION][:WANTED], where
// WANTED is the name of a GGUF file or a part of it, such as a quantisation.
type Repo struct {
	ID       string // OWNER/NAME
	Revision string // branch, tag or commit; "main" if none was named
	Wanted   string
}

var (
	repoName = regexp.MustCompile(`^([A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95})(?:@([A-Za-z0-9][A-Za-z0-9._/-]{0,127}))?(?::([A-Za-z0-9][A-Za-z0-9._/-]{0,127}))?$`)
	// element is a part of a path in a repository that may become a file here.
	element = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9 ._+=@-]{0,127}$`)
	commit  = regexp.MustCompile(`^[0-9a-f]{40,64}$`)
)

// ParseRepo reads a name, also with "hf:", "hf.co/" or "huggingface.co/" before it. ok is false for what is none.
func ParseRepo(text string) (r Repo, ok bool) {
	for _, prefix := range []string{"hf:", "https://huggingface.co/", "huggingface.co/", "hf.co/"} {
		if rest, found := strings.CutPrefix(text, prefix); found {
			text = rest
			break
		}
	}
	m := repoName.FindStringSubmatch(text)
	if m == nil || strings.Contains(text, "..") || strings.Contains(text, "//") {
		return Repo{}, false
	}
	if r = (Repo{m[1], m[2], m[3]}); r.Revision == "" {
		r.Revision = "main"
	}
	return r, true
}

// Base is the last part of the name.
func (r Repo) Base() string { return path.Base(r.ID) }

// HubFile is a file of a repository.
type HubFile struct {
	File
	Name string // path in the repository: relative, no part of it hidden or ".."
}

// Bounds of a listing.
const (
	maxListing = 16 << 20
	maxFiles   = 4096
)

// listing is the part of a hub's answer that is read.
type listing struct {
	SHA      string `json:"sha"`
	Siblings []struct {
		Name string `json:"rfilename"`
		Size *int64 `json:"size"`
		Blob string `json:"blobId"`
		LFS  *struct {
			SHA256 string `json:"sha256"`
			Size   int64  `json:"size"`
		} `json:"lfs"`
	} `json:"siblings"`
}

// List asks a hub for the files of a repository, pinned to the commit that its revision is now.
// Files with names that this package would not write are left out.
func (c *Client) List(ctx context.Context, hub string, r Repo) ([]HubFile, error) {
	hub = strings.TrimSuffix(hub, "/")
	address := hub + "/api/models/" + r.ID + "/revision/" + url.PathEscape(r.Revision) + "?blobs=true"
	req, err := c.request(ctx, address)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end or given up
	if resp.StatusCode != http.StatusOK {
		return nil, statusError(resp)
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxListing+1))
	if err != nil {
		return nil, err
	}
	return parseListing(b, hub, r)
}

// parseListing reads a hub's answer, which is not trusted.
func parseListing(b []byte, hub string, r Repo) ([]HubFile, error) {
	var l listing
	if len(b) > maxListing {
		return nil, fmt.Errorf("%w: the listing of %s is larger than %d bytes", ErrRefused, r.ID, maxListing)
	}
	if err := json.Unmarshal(b, &l); err != nil {
		return nil, fmt.Errorf("%w: the listing of %s: %w", ErrRefused, r.ID, err)
	}
	if !commit.MatchString(l.SHA) || len(l.Siblings) > maxFiles {
		return nil, fmt.Errorf("%w: the listing of %s has commit %.80q and %d files, at most %d", ErrRefused, r.ID, l.SHA, len(l.Siblings), maxFiles)
	}
	var out []HubFile
	for _, s := range l.Siblings {
		if !CleanName(s.Name) {
			continue
		}
		f := HubFile{Name: s.Name, File: File{Size: -1}}
		f.URL = hub + "/" + r.ID + "/resolve/" + l.SHA + "/" + escape(s.Name)
		if s.Size != nil && *s.Size >= 0 {
			f.Size = *s.Size
		}
		if s.LFS != nil {
			var err error
			if f.SHA256, err = ParseSHA256(s.LFS.SHA256); err != nil || s.LFS.Size < 0 {
				return nil, fmt.Errorf("%w: file %q of %s has size %d and sha256 %.80q", ErrRefused, s.Name, r.ID, s.LFS.Size, s.LFS.SHA256)
			}
			f.Size = s.LFS.Size
		} else if id, err := hex.DecodeString(s.Blob); err == nil && len(id) == 20 {
			f.GitSHA1 = id
		}
		out = append(out, f)
	}
	return out, nil
}

// CleanName says whether the path of a file in a repository may become a path below a folder here.
func CleanName(name string) bool {
	if len(name) > 255 || path.Clean(name) != name {
		return false
	}
	for part := range strings.SplitSeq(name, "/") {
		if !element.MatchString(part) || strings.HasSuffix(part, ".") || strings.HasSuffix(part, " ") {
			return false
		}
	}
	return true
}

func escape(name string) string {
	parts := strings.Split(name, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return strings.Join(parts, "/")
}

// errAmbiguous says that a name fits several files.
var errAmbiguous = fmt.Errorf("%w: more than one file fits", ErrRefused)

// Choose picks what a model needs of a repository's files: of GGUF files the one that is wanted, with
// all its parts; else the folder of safetensors weights, tokenizer and configuration.
func Choose(files []HubFile, r Repo) ([]HubFile, error) {
	gguf := slices.DeleteFunc(slices.Clone(files), func(f HubFile) bool { return path.Ext(f.Name) != ".gguf" })
	folder := slices.DeleteFunc(slices.Clone(files), func(f HubFile) bool { return !ofFolder(f.Name) })
	weights := slices.ContainsFunc(folder, func(f HubFile) bool { return path.Ext(f.Name) == ".safetensors" })
	if r.Wanted == "" && weights {
		return folder, nil
	}
	if len(gguf) == 0 {
		return nil, fmt.Errorf("%w: %s has neither a GGUF file nor safetensors weights at %s", ErrMissing, r.ID, r.Revision)
	}
	wants := []string{r.Wanted}
	if r.Wanted == "" { // what costs little, then what is common
		wants = []string{"Q8_0", "Q4_K_M", ""}
	}
	for _, w := range wants {
		sets := match(gguf, w)
		if len(sets) == 1 {
			return sets[0], nil
		}
		if len(sets) > 1 {
			return nil, fmt.Errorf("%w: name one with %s:FILE: %s", errAmbiguous, r.ID, names(gguf))
		}
	}
	return nil, fmt.Errorf("%w: no GGUF file of %s fits %q: there are %s", ErrMissing, r.ID, r.Wanted, names(gguf))
}

// ofFolder says whether the importer of folders reads a file.
func ofFolder(name string) bool {
	return slices.Contains([]string{
		"config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "chat_template.json",
		"model.safetensors.index.json",
	}, name) || path.Ext(name) == ".safetensors" && path.Dir(name) == "."
}

var partOf = regexp.MustCompile(`-[0-9]{5}-of-([0-9]{5})\.gguf$`)

// match groups the files whose name is or contains what is wanted into models: files in parts are one.
func match(files []HubFile, wanted string) [][]HubFile {
	var out [][]HubFile
	index := map[string]int{}
	for _, f := range files {
		if f.Name == wanted {
			return [][]HubFile{{f}}
		}
		if !strings.Contains(strings.ToLower(path.Base(f.Name)), strings.ToLower(wanted)) {
			continue
		}
		key := partOf.ReplaceAllString(f.Name, "-of-$1.gguf")
		i, ok := index[key]
		if !ok {
			i = len(out)
			index[key], out = i, append(out, nil)
		}
		out[i] = append(out[i], f)
	}
	return out
}

func names(files []HubFile) string {
	var out []string
	for _, f := range files[:min(len(files), 20)] {
		out = append(out, f.Name)
	}
	return strings.Join(out, ", ")
}
