package app

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"

	"elenchus/commitment/manifest"
	"elenchus/compute/model"
	"elenchus/engine"
	"elenchus/importer"
	"elenchus/models"
)

// ErrNoModel marks a model that is neither in the store nor a file.
var ErrNoModel = errors.New("no such model")

// StateDir is where state lives unless a flag says otherwise: in the user's data directory.
func StateDir() (string, error) {
	base := os.Getenv("XDG_DATA_HOME")
	if base == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("no home directory: give --dir: %w", err)
		}
		base = filepath.Join(home, ".local", "share")
	}
	return filepath.Join(base, "elenchus"), nil
}

// Store is a folder of imported models, each a file that is named by its id. Several processes may
// use one.
type Store struct{ dir string }

// OpenStore names the store of a state directory, which need not exist yet; "" is the user's.
func OpenStore(state string) (Store, error) {
	var err error
	if state == "" {
		state, err = StateDir()
	}
	return Store{filepath.Join(state, "models")}, err
}

// Dir is the folder of the store.
func (s Store) Dir() string { return s.dir }

// StoredModel is a model of a store as the beginning of its file describes it.
type StoredModel struct {
	Name    string   `json:"name"`
	ID      string   `json:"id"`
	Kind    string   `json:"kind"` // token or graph
	Layers  uint16   `json:"layers"`
	Vocab   uint32   `json:"vocab"`
	Context uint32   `json:"context"` // positions
	Bytes   int64    `json:"bytes"`
	Path    string   `json:"path"`
	Aliases []string `json:"aliases,omitempty"`
	Memory  int64    `json:"memory_bytes"` // about what it takes to serve it, less rows of prompts
	// Confidential: disputes about it are answered by proofs.
	Confidential bool `json:"confidential,omitempty"`
	// Private: it is salted with a secret, and there is no game about its elements.
	Private bool `json:"private,omitempty"`
}

const (
	modelExt = ".elm"
	ggufExt  = ".gguf"
)

// List describes the models of the store, by name. A file that cannot be read is an error that
// names it; a store without a folder is empty.
func (s Store) List() ([]StoredModel, error) {
	out := []StoredModel{}
	entries, err := os.ReadDir(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	aliases, err := s.Aliases()
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if filepath.Ext(e.Name()) != modelExt {
			continue
		}
		m, err := describe(filepath.Join(s.dir, e.Name()))
		if err != nil {
			return nil, err
		}
		m.Aliases = namesOf(aliases, m.ID)
		out = append(out, m)
	}
	slices.SortFunc(out, func(a, b StoredModel) int { return strings.Compare(a.Name+" "+a.ID, b.Name+" "+b.ID) })
	return out, nil
}

// describe reads the beginning of a model file.
func describe(path string) (StoredModel, error) {
	f, err := os.Open(path)
	if err != nil {
		return StoredModel{}, err
	}
	defer f.Close() //nolint:errcheck // read only
	st, err := f.Stat()
	if err != nil {
		return StoredModel{}, err
	}
	name, h, err := manifest.Peek(f)
	if err != nil {
		return StoredModel{}, fmt.Errorf("%s: %w: remove the file and import the model again", path, err)
	}
	return StoredModel{
		Name: name, ID: h.ID().String(), Kind: kindName(h.Kind), Layers: h.Layers, Vocab: h.Vocab, Context: h.TMax, Bytes: st.Size(), Path: path,
		Memory: servingBytes(st.Size()), Confidential: h.Class == manifest.Confidential, Private: h.Class == manifest.Private,
	}, nil
}

func kindName(kind uint16) string {
	if kind == model.KindGraph {
		return "graph"
	}
	return "token"
}

var (
	// modelName is what a model of the store may be called.
	modelName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
	// shortID is an id or its beginning: enough digits never to be a name.
	shortID = regexp.MustCompile(`^[0-9a-f]{8,64}$`)
)

func checkName(name string) error {
	if !modelName.MatchString(name) || name == models.Name || fileLike(name) || shortID.MatchString(name) {
		return fmt.Errorf("model name %q: use 1 to 64 letters, digits, dots, dashes and underscores, neither %q nor the name of a model file nor digits of an id; give --name", name, models.Name)
	}
	return nil
}

func fileLike(name string) bool {
	return strings.ContainsAny(name, `/\`) || slices.Contains([]string{modelExt, ggufExt, ".safetensors"}, filepath.Ext(name))
}

// ImportOptions say how a file becomes a model of the store.
type ImportOptions struct {
	Name     string // "": the file's
	Bits     int    // 0, 8 or 16; see importer.Options
	Class    string // auto measures and chooses; else see importer.Options
	Text     string // calibration file that auto measures on; "": a text of ours
	Context  int    // positions; 0: what the file says
	Template string // auto or concat; see importer.Options
	// Confidential makes a model whose leaves never are on a chain. The path may be that of a model of the store,
	// or default. SPEC 10 §6.
	Confidential bool
	// Private makes a model whose id tells nothing of its weights, likewise. Secret is the file of its secret;
	// where there is none a new one is made and kept there, too ("": in the store alone). SPEC 10 §8.
	Private  bool
	Secret   string
	Notes    func(line string)
	Progress func(done, all int)
}

// Import turns a model file into a model of the store.
func (s Store) Import(path string, o ImportOptions) (StoredModel, error) {
	if o.Name == "" {
		o.Name = title(path)
		switch {
		case o.Confidential:
			o.Name += "-confidential"
		case o.Private:
			o.Name += "-private"
		}
	}
	if err := checkName(o.Name); err != nil {
		return StoredModel{}, err
	}
	if o.Confidential || o.Private {
		return s.importHidden(path, o)
	}
	if filepath.Ext(path) == modelExt {
		man, _, err := openModel(path)
		if err != nil {
			return StoredModel{}, err
		}
		return s.Add(man, o.Name)
	}
	// Little of what an import allocates is garbage, but by default the collector would let it grow
	// to the size of the model.
	defer debug.SetGCPercent(debug.SetGCPercent(10))
	man, err := s.importSource(path, o)
	if err != nil {
		return StoredModel{}, fmt.Errorf("import %s: %w", path, err)
	}
	return s.Add(man, o.Name)
}

// importSource imports what fits memory and disk.
func (s Store) importSource(path string, opts ImportOptions) (*manifest.Manifest, error) {
	f, err := importer.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // read only
	o := importer.Options{
		Progress: opts.Progress, Bits: opts.Bits, Context: opts.Context, Template: opts.Template, Chat: sandbox(), Notes: opts.Notes,
	}
	if o.Class, err = classOf(f, o, opts); err != nil {
		return nil, err
	}
	size := importer.Measure(f, o)
	what := fmt.Sprintf("this model of %d million parameters", size.Parameters/1_000_000)
	disk := size.ModelBytes
	if s.dir == "" { // not to be stored
		disk = 0
	}
	if err := checkRoom(what, size.MemoryBytes, s.dir, disk); err != nil {
		return nil, err
	}
	return importer.Import(f, o)
}

// Classes are the weight classes that an import can be told to use.
func Classes() []string {
	var out []string
	for _, c := range importer.Classes() {
		out = append(out, string(c))
	}
	return out
}

// AutoClass is the class that is measured and chosen.
const AutoClass = "auto"

// classOf is the class of an import; what was measured and chosen goes to the notes.
func classOf(f importer.Source, o importer.Options, opts ImportOptions) (importer.Class, error) {
	if opts.Class != AutoClass || opts.Bits != 0 {
		return importer.Class(strings.TrimSuffix(opts.Class, AutoClass)), nil
	}
	text := ""
	if opts.Text != "" {
		b, err := os.ReadFile(opts.Text)
		if err != nil {
			return "", fmt.Errorf("calibration text: %w", err)
		}
		text = string(b)
	}
	c, err := importer.Choose(f, o, text)
	if err != nil {
		return "", err
	}
	for _, line := range c.Lines() {
		if opts.Notes != nil {
			opts.Notes(line)
		}
	}
	return c.Class, nil
}

// Add writes a model into the store under a name that no other model has. A model that is there
// already gets the name.
func (s Store) Add(man *manifest.Manifest, name string) (StoredModel, error) {
	if err := checkName(name); err != nil {
		return StoredModel{}, err
	}
	all, err := s.List()
	if err != nil {
		return StoredModel{}, err
	}
	id := man.ID().String()
	for _, m := range all {
		if slices.Contains(m.Aliases, name) {
			return StoredModel{}, fmt.Errorf("%q is an alias of model %s: give another --name, or drop it with: elenchus model alias --remove %s", name, m.ID, name)
		}
		if m.Name == name && m.ID != id {
			return StoredModel{}, fmt.Errorf("model name %q belongs to model %s: give another --name, or remove that one with: elenchus model rm %s", name, m.ID, name)
		}
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return StoredModel{}, err
	}
	path := filepath.Join(s.dir, id+modelExt)
	if secret := man.Secret(); secret != nil {
		if err := keepSecret(engine.SecretPath(path), secret); err != nil {
			return StoredModel{}, err
		}
	}
	if err := writeModel(path, man, name); err != nil {
		return StoredModel{}, err
	}
	return describe(path)
}

// writeModel writes a file whole or not at all.
func writeModel(path string, man *manifest.Manifest, name string) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".import-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // gone when all went well
	err = man.Encode(f, name)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return os.Rename(f.Name(), path)
}

// Find looks a model up by its name, its id or at least 8 digits of it. It fails with ErrNoModel.
func (s Store) Find(name string) (StoredModel, error) {
	all, err := s.List()
	if err != nil {
		return StoredModel{}, err
	}
	var found []StoredModel
	for _, m := range all {
		if m.Name == name || slices.Contains(m.Aliases, name) || shortID.MatchString(name) && strings.HasPrefix(m.ID, name) {
			found = append(found, m)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return StoredModel{}, fmt.Errorf("%w: %q is not in %s; see: elenchus model list", ErrNoModel, name, s.dir)
	}
	return StoredModel{}, fmt.Errorf("model id %s is ambiguous: give more digits", name)
}

// Load reads a model and its name: "default" (also ""), an .elm file, a file that the importer
// knows, or a name or id of the store. The id of the default model is known too. All of the file
// is checked.
func (s Store) Load(name string) (*manifest.Manifest, string, error) {
	if name == "" || name == models.Name {
		man, err := importer.Bytes(models.Default(), importer.Options{})
		return man, models.Name, err
	}
	if _, err := os.Stat(name); fileLike(name) || err == nil {
		return loadFile(name)
	}
	called := name
	name, err := s.aliased(name)
	if err != nil {
		return nil, "", err
	}
	m, err := s.Find(name)
	if err != nil && shortID.MatchString(name) {
		if man, err := importer.Bytes(models.Default(), importer.Options{}); err == nil && strings.HasPrefix(man.ID().String(), name) {
			if called == name {
				called = models.Name
			}
			return man, called, nil
		}
	}
	if err != nil {
		return nil, "", err
	}
	man, title, err := openModel(m.Path)
	if called != name {
		title = called
	}
	if err == nil && man.ID().String() != m.ID {
		err = fmt.Errorf("%s changed while it was read", m.Path)
	}
	return man, title, err
}

func loadFile(path string) (*manifest.Manifest, string, error) {
	if filepath.Ext(path) == modelExt {
		return openModel(path)
	}
	man, err := Store{}.importSource(path, ImportOptions{})
	if err != nil {
		return nil, "", fmt.Errorf("import %s: %w", path, err)
	}
	return man, title(path), nil
}

// openModel reads a model file that fits memory, which takes its size and some for roots.
func openModel(path string) (*manifest.Manifest, string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, "", err
	}
	if err := checkRoom(path, info.Size()+info.Size()/8, "", 0); err != nil {
		return nil, "", err
	}
	return engine.Open(path)
}
