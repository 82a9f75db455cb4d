package app

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"elenchus/network/fetch"

	"github.com/gofrs/flock"
)

// DefaultHub answers names of models unless HF_ENDPOINT or a flag says otherwise.
const DefaultHub = "https://huggingface.co"

// PullOptions say how Pull gets a model and what it makes of it.
type PullOptions struct {
	Import ImportOptions
	Hub    string       // base URL for OWNER/NAME; "": DefaultHub
	Token  string       // for the hub alone
	SHA256 string       // of the file at a URL, hex; "": unknown
	Keep   bool         // keep the downloaded files
	HTTP   *http.Client // nil: one of its own
	// Files, when set, is told which files will come.
	Files func(files []fetch.HubFile)
	// Progress is told about each file while it comes.
	Progress func(file string, done, all int64)
	Wait     func(n int) time.Duration // see fetch.Options
}

// source is what a reference means: files to bring and what the importer then opens.
type source struct {
	files []fetch.HubFile
	open  string // file to import below the folder of the download; "": the folder
	title string
}

// Pull gets a model from a hub (OWNER/NAME[@REVISION][:WANTED]), an address or a path and imports it.
// What was interrupted goes on with the same call. It fails with fetch's errors or those of Import.
func (s Store) Pull(ctx context.Context, ref string, o PullOptions) (StoredModel, error) {
	if _, err := os.Stat(ref); err == nil {
		return s.Import(ref, o.Import)
	}
	c, err := s.client(&o)
	if err != nil {
		return StoredModel{}, err
	}
	src, err := resolve(ctx, c, ref, &o)
	if err != nil {
		return StoredModel{}, fmt.Errorf("pull %s: %w", ref, err)
	}
	if o.Files != nil {
		o.Files(src.files)
	}
	if o.Import.Name == "" {
		o.Import.Name = src.title
	}
	if err := s.nameFree(o.Import.Name); err != nil {
		return StoredModel{}, err
	}
	dir, release, err := s.downloads(ref)
	if err != nil {
		return StoredModel{}, err
	}
	defer release()
	if err := s.bring(ctx, c, src, dir); err != nil {
		return StoredModel{}, fmt.Errorf("pull %s: %w", ref, err)
	}
	at := dir
	if src.open != "" {
		at = filepath.Join(dir, filepath.FromSlash(src.open))
	}
	m, err := s.Import(at, o.Import)
	if err == nil && !o.Keep {
		err = os.RemoveAll(dir)
	}
	return m, err
}

// client is a client for files that go below the store's folder.
func (s Store) client(o *PullOptions) (*fetch.Client, error) {
	if o.Hub == "" {
		o.Hub = DefaultHub
	}
	hub, err := url.Parse(o.Hub)
	if err == nil {
		err = fetch.CheckURL(hub)
	}
	if err != nil {
		return nil, fmt.Errorf("hub: %w", err)
	}
	room := func(n int64) error { return checkRoom("the download", 0, s.dir, n) }
	return fetch.New(fetch.Options{
		HTTP: o.HTTP, Token: o.Token, TokenHost: hub.Host, Room: room, Progress: o.Progress, Wait: o.Wait,
	}), nil
}

// resolve finds out what a reference means.
func resolve(ctx context.Context, c *fetch.Client, ref string, o *PullOptions) (source, error) {
	if r, ok := fetch.ParseRepo(ref); ok {
		files, err := c.List(ctx, o.Hub, r)
		if err == nil {
			files, err = fetch.Choose(files, r)
		}
		if err != nil {
			return source{}, err
		}
		src := source{files: files, title: r.Base()}
		if path.Ext(files[0].Name) == ggufExt {
			src.open = files[0].Name
		}
		return src, nil
	}
	u, err := url.Parse(ref)
	if err != nil || u.Scheme == "" {
		return source{}, fmt.Errorf("%w: this is neither a path, nor an address, nor OWNER/NAME of a hub", fetch.ErrRefused)
	}
	name := path.Base(u.Path)
	if !fetch.CleanName(name) || path.Ext(name) != ggufExt && path.Ext(name) != modelExt {
		return source{}, fmt.Errorf("%w: the address must end in the name of a %s or %s file", fetch.ErrRefused, ggufExt, modelExt)
	}
	f := fetch.HubFile{Name: name, File: fetch.File{URL: ref, Size: -1}}
	if o.SHA256 != "" {
		if f.SHA256, err = fetch.ParseSHA256(o.SHA256); err != nil {
			return source{}, err
		}
	}
	return source{[]fetch.HubFile{f}, name, strings.TrimSuffix(name, path.Ext(name))}, nil
}

// nameFree refuses a name that is none or that is taken, before anything is fetched.
func (s Store) nameFree(name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	m, err := s.Find(name)
	if errors.Is(err, ErrNoModel) {
		return nil
	}
	if err == nil {
		err = fmt.Errorf("model name %q belongs to model %s: give another --name, or remove that one with: elenchus model rm %s", name, m.ID, name)
	}
	return err
}

// downloads is the folder in which a reference is brought, for this process alone.
func (s Store) downloads(ref string) (dir string, release func(), err error) {
	sum := sha256.Sum256([]byte(ref))
	dir = filepath.Join(s.dir, ".downloads", fmt.Sprintf("%x", sum[:8]))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", nil, err
	}
	lock := flock.New(dir + lockExt)
	ok, err := lock.TryLock()
	if err == nil && !ok {
		err = fmt.Errorf("another program pulls %s: wait until it is done", ref)
	}
	if err != nil {
		return "", nil, errors.Join(err, lock.Close())
	}
	return dir, func() { _ = lock.Close() }, nil
}

// bring fetches the files of a source, after a look at the room for all of them and for the model.
func (s Store) bring(ctx context.Context, c *fetch.Client, src source, dir string) error {
	var all int64
	for _, f := range src.files {
		at := filepath.Join(dir, filepath.FromSlash(f.Name))
		have := max(fileSize(at), fileSize(at+".part"))
		all += max(0, f.Size) + max(0, f.Size-have) // once as it comes, once as a model, about
	}
	if err := checkRoom("what is fetched and the model that is made of it", 0, s.dir, all); err != nil {
		return err
	}
	for _, f := range src.files {
		at := filepath.Join(dir, filepath.FromSlash(f.Name))
		if !filepath.IsLocal(filepath.FromSlash(f.Name)) {
			return fmt.Errorf("%w: file name %q", fetch.ErrRefused, f.Name)
		}
		if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
			return err
		}
		if err := c.File(ctx, f.File, at); err != nil {
			return err
		}
	}
	return nil
}

func fileSize(path string) int64 {
	if info, err := os.Stat(path); err == nil {
		return info.Size()
	}
	return 0
}
